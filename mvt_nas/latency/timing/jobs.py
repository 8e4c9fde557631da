"""Jobs for runtimes from architectures, ONNX files and PyTorch modules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mvt_nas._optional import one_line_errors
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import Runtime, RuntimeJob
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.onnx.file import input_shape
from mvt_nas.space.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn

Network: TypeAlias = "Architecture | Path | nn.Module"
"""A network to measure: an architecture, an ONNX file, or any module whose images have three
channels."""


def job_for(
    network: Network, settings: TimingSettings, runtime: Runtime, export_to: Path
) -> RuntimeJob:
    """Return the job that opens a network in a runtime.

    Args:
        network: see :data:`Network`; a module is in evaluation mode, and needs settings with a
            resolution.
        settings: settings of the measurement.
        runtime: runtime that will run the network.
        export_to: path of an ONNX file to write, if the runtime takes such files and the network
            is not one.

    Raises:
        LatencyError: the runtime takes no ONNX files, the file cannot be measured, or a module
            cannot be exported.
    """
    if isinstance(network, Architecture):
        job = _architecture_job(network, settings, runtime, export_to)
    elif isinstance(network, Path):
        job = _file_job(network, settings, runtime)
    else:
        job = _module_job(network, settings, runtime, export_to)
    return replace(
        job, command=settings.command, timeout_s=settings.timeout_s, dtype=settings.dtype
    )


def at_resolution(architecture: Architecture, resolution_px: int | None) -> Architecture:
    """Return the architecture for images of another side, in pixels; unchanged without one."""
    if resolution_px is None:
        return architecture
    return replace(architecture, resolution_px=resolution_px)


def _file_job(path: Path, settings: TimingSettings, runtime: Runtime) -> RuntimeJob:
    if runtime.takes != "onnx":
        raise LatencyError(
            f"runtime {runtime.name} runs architectures, not ONNX files such as {path}; use"
            " onnxruntime"
        )
    shape = input_shape(path, batch_size=settings.batch_size, resolution_px=settings.resolution_px)
    return RuntimeJob(shape, settings.threads, model=path)


def _architecture_job(
    architecture: Architecture, settings: TimingSettings, runtime: Runtime, export_to: Path
) -> RuntimeJob:
    sized = at_resolution(architecture, settings.resolution_px)
    task = settings.sized_task
    batch_size = settings.batch_size or 1
    side = (task or sized).resolution_px
    shape = (batch_size, 3, side, side)
    if runtime.takes == "module":
        from mvt_nas.models.synthetic import realistic_network

        module = realistic_network(
            sized, num_classes=settings.num_classes, task=task, seed=settings.seed
        )
        return RuntimeJob(shape, settings.threads, module=module)
    from mvt_nas.onnx.export import export_onnx

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
    from mvt_nas.onnx.export import trace_to_onnx

    assert settings.resolution_px is not None, "a module does not tell the size of its images"
    shape = (settings.batch_size or 1, 3, settings.resolution_px, settings.resolution_px)
    if runtime.takes == "module":
        return RuntimeJob(shape, settings.threads, module=module)
    with one_line_errors("the network cannot be exported to ONNX", LatencyError):
        trace_to_onnx(module, shape, export_to)
    return RuntimeJob(shape, settings.threads, model=export_to)
