"""Jobs for runtimes from networks that PyTorch builds or holds."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from mvt_nas._optional import one_line_errors
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import Runtime, RuntimeJob
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.models.synthetic import realistic_network
from mvt_nas.onnx.export import export_onnx, trace_to_onnx
from mvt_nas.space.architecture import Architecture


def torch_job(
    network: Architecture | nn.Module, settings: TimingSettings, runtime: Runtime, export_to: Path
) -> RuntimeJob:
    """Return the job that opens an architecture or a module in a runtime.

    Args:
        network: the network; a module is in evaluation mode, and needs settings with a resolution.
        settings: settings of the measurement.
        runtime: runtime that will run the network.
        export_to: path of an ONNX file to write, if the runtime takes such files.

    Raises:
        LatencyError: a module cannot be exported.
    """
    if isinstance(network, Architecture):
        return _architecture_job(network, settings, runtime, export_to)
    return _module_job(network, settings, runtime, export_to)


def _architecture_job(
    architecture: Architecture, settings: TimingSettings, runtime: Runtime, export_to: Path
) -> RuntimeJob:
    sized = settings.sized(architecture)
    task = settings.sized_task
    batch_size = settings.batch_size or 1
    side = (task or sized).resolution_px
    shape = (batch_size, 3, side, side)
    if runtime.takes == "module":
        module = realistic_network(
            sized, num_classes=settings.num_classes, task=task, seed=settings.seed
        )
        return RuntimeJob(shape, settings.threads, module=module)
    model = export_onnx(
        sized,
        export_to,
        batch_size=batch_size,
        num_classes=settings.num_classes,
        task=task,
        seed=settings.seed,
    )
    return RuntimeJob(shape, settings.threads, model=model)


def _module_job(
    module: nn.Module, settings: TimingSettings, runtime: Runtime, export_to: Path
) -> RuntimeJob:
    assert settings.resolution_px is not None, "a module does not tell the size of its images"
    shape = (settings.batch_size or 1, 3, settings.resolution_px, settings.resolution_px)
    if runtime.takes == "module":
        return RuntimeJob(shape, settings.threads, module=module)
    with one_line_errors("the network cannot be exported to ONNX", LatencyError):
        trace_to_onnx(module, shape, export_to)
    return RuntimeJob(shape, settings.threads, model=export_to)
