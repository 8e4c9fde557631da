"""Jobs for runtimes from architectures, ONNX files and PyTorch modules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

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
    if isinstance(network, Path):
        job = _file_job(network, settings, runtime)
    else:
        from mvt_nas.latency.timing.torch_jobs import torch_job

        job = torch_job(network, settings, runtime, export_to)
    return replace(
        job, command=settings.command, timeout_s=settings.timeout_s, dtype=settings.dtype
    )


def _file_job(path: Path, settings: TimingSettings, runtime: Runtime) -> RuntimeJob:
    if runtime.takes != "onnx":
        raise LatencyError(
            f"runtime {runtime.name} runs architectures, not ONNX files such as {path}; use"
            " onnxruntime"
        )
    shape = input_shape(path, batch_size=settings.batch_size, resolution_px=settings.resolution_px)
    return RuntimeJob(shape, settings.threads, model=path)
