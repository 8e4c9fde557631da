"""Measuring the latency of networks, interleaved with each other and with a reference model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mvt_nas.cost.counts import count
from mvt_nas.hardware import usable_cores
from mvt_nas.latency.runtime import Runtime, RuntimeJob, Session, usable_runtime
from mvt_nas.latency.timing.jobs import Network, job_for
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.latency.timing.stopwatch import Clock, Timing, interleaved_timing
from mvt_nas.onnx.file import file_key
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo

# Small enough to cost little next to the measured networks, large enough that its computation takes
# longer than the call itself.
REFERENCE_MODEL = "mobilevit_xxs"
REFERENCE_RESOLUTION_PX = 128


@dataclass(frozen=True, slots=True)
class LatencyMeasurement:
    """The latency of one network.

    Attributes:
        network: Title of the network.
        key: Hash of the architecture at the measured resolution, or of the ONNX file; empty for a
            module.
        input_shape: Shape of the images, (B, C, H, W).
        macs: Multiply-adds of one inference of the batch; ``None`` unless it is an architecture.
        timing: Statistics of the timed calls.
    """

    network: str
    key: str
    input_shape: tuple[int, int, int, int]
    macs: int | None
    timing: Timing


def measure(
    networks: Sequence[tuple[str, Network]],
    settings: TimingSettings,
    *,
    clock: Clock | None = None,
    on_jobs: Callable[[Sequence[RuntimeJob]], None] | None = None,
) -> list[LatencyMeasurement]:
    """Measure the latency of networks, timed against each other in one runtime.

    Args:
        networks: title and network of each.
        settings: settings of the measurement.
        clock: source of time; the clocks of this process by default.
        on_jobs: called with the jobs of the networks before they are timed.

    Returns:
        The measurements, in the order of the networks.

    Raises:
        LatencyError: the runtime cannot be used here, or does not support the data type or one of
            the networks.
        PluginError: there is no such runtime.
    """
    runtime = usable_runtime(settings.runtime, settings.dtype)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="mvt-nas-latency-")))
        jobs = [
            job_for(network, settings, runtime, folder / f"network{n}.onnx")
            for n, (_, network) in enumerate(networks)
        ]
        if on_jobs:
            on_jobs(jobs)
        timings = interleaved_timing(
            [stack.enter_context(runtime.session(job)) for job in jobs],
            _reference_session(settings, runtime, folder, stack),
            seconds=settings.seconds * len(networks),
            threads=settings.threads,
            warmups=1 if runtime.own_clock else 3,
            seed=settings.seed,
            clock=clock,
        )
    warnings = () if runtime.own_clock else _core_warnings(settings.threads)
    measurements = []
    for (title, network), job, timing in zip(networks, jobs, timings, strict=True):
        complete = replace(timing, warnings=(*timing.warnings, *warnings))
        measurements.append(_measurement(title, network, job.input_shape, complete, settings))
    return measurements


def _reference_session(
    settings: TimingSettings, runtime: Runtime, folder: Path, stack: ExitStack
) -> Session | None:
    """Open the reference model, always with the same settings; ``None`` where it is too slow."""
    if not runtime.reference_model:
        return None
    fixed = replace(
        settings,
        batch_size=1,
        resolution_px=REFERENCE_RESOLUTION_PX,
        num_classes=1000,
        task=None,
        seed=0,
        dtype="fp32",
    )
    job = job_for(zoo(REFERENCE_MODEL), fixed, runtime, folder / "reference.onnx")
    return stack.enter_context(runtime.session(job))


def _core_warnings(threads: int) -> tuple[str, ...]:
    cores = usable_cores()
    return (f"{threads} threads share {cores} core{'s' * (cores > 1)}",) if threads > cores else ()


def _measurement(
    title: str,
    network: Network,
    input_shape: tuple[int, int, int, int],
    timing: Timing,
    settings: TimingSettings,
) -> LatencyMeasurement:
    if isinstance(network, Architecture):
        sized = settings.sized(network)
        macs = count(
            sized,
            batch_size=input_shape[0],
            num_classes=settings.num_classes,
            task=settings.sized_task,
        ).macs
        return LatencyMeasurement(title, sized.key, input_shape, macs, timing)
    key = file_key(network) if isinstance(network, Path) else ""
    return LatencyMeasurement(title, key, input_shape, None, timing)
