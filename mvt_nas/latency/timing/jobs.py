"""An architecture, an ONNX file or a module to the job that a runtime opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mvt_nas.errors import LatencyError
from mvt_nas.latency.onnx_file import input_shape
from mvt_nas.latency.runtime import Runtime, RuntimeJob, refusal
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.space.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn

Network: TypeAlias = "Architecture | Path | nn.Module"
"""What can be measured: an architecture, an ONNX file, or a module of any making, whose pictures
have three channels."""


def job_for(
    network: Network, settings: TimingSettings, runtime: Runtime, export_to: Path
) -> RuntimeJob:
    """Return what the runtime needs to open a network.

    Args:
        network: see :data:`Network`; a module is in evaluation mode, and needs settings with a
            resolution.
        settings: how it will be measured.
        runtime: what will run it.
        export_to: path of the ONNX file to make of what is none, where the runtime takes such
            files.

    Raises:
        LatencyError: the runtime takes no ONNX files, it is none that can be measured, or a module
            cannot be exported.
    """
    if isinstance(network, Architecture):
        job = _of_architecture(network, settings, runtime, export_to)
    elif isinstance(network, Path):
        job = _of_file(network, settings, runtime)
    else:
        job = _of_module(network, settings, runtime, export_to)
    return replace(
        job, command=settings.command, timeout_s=settings.timeout_s, dtype=settings.dtype
    )


def at_resolution(architecture: Architecture, resolution_px: int | None) -> Architecture:
    """Return the architecture for images of another side, in pixels; the same where none is given."""
    return (
        architecture
        if resolution_px is None
        else replace(architecture, resolution_px=resolution_px)
    )


def _of_file(path: Path, settings: TimingSettings, runtime: Runtime) -> RuntimeJob:
    if runtime.takes != "onnx":
        raise LatencyError(
            f"runtime {runtime.name} runs architectures, not ONNX files such as {path}; use"
            " onnxruntime"
        )
    shape = input_shape(path, batch_size=settings.batch_size, resolution_px=settings.resolution_px)
    return RuntimeJob(shape, settings.threads, model=path)


def _of_architecture(
    architecture: Architecture, settings: TimingSettings, runtime: Runtime, export_to: Path
) -> RuntimeJob:
    found, task = at_resolution(architecture, settings.resolution_px), settings.sized_task
    batch_size = settings.batch_size or 1
    side = (task or found).resolution_px
    shape = (batch_size, 3, side, side)
    if runtime.takes == "module":
        from mvt_nas.models.synthetic import realistic_network

        module = realistic_network(
            found, num_classes=settings.num_classes, task=task, seed=settings.seed
        )
        return RuntimeJob(shape, settings.threads, module=module)
    from mvt_nas.latency.onnx_export import export_onnx

    model = export_onnx(
        found,
        export_to,
        batch_size=batch_size,
        num_classes=settings.num_classes,
        task=task,
        seed=settings.seed,
    )
    return RuntimeJob(shape, settings.threads, model=model)


def _of_module(
    module: nn.Module, settings: TimingSettings, runtime: Runtime, export_to: Path
) -> RuntimeJob:
    from mvt_nas.latency.onnx_export import trace_to_onnx

    assert settings.resolution_px is not None, "a module does not say for which pictures it is"
    shape = (settings.batch_size or 1, 3, settings.resolution_px, settings.resolution_px)
    if runtime.takes == "module":
        return RuntimeJob(shape, settings.threads, module=module)
    with refusal("the network cannot be exported to ONNX"):
        trace_to_onnx(module, shape, export_to)
    return RuntimeJob(shape, settings.threads, model=export_to)
