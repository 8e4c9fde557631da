"""Networks in, timings out: opens all of them in one runtime and races them against each other and the probe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mvt_nas.cost.counts import count
from mvt_nas.latency.fingerprint import usable_cores
from mvt_nas.latency.onnx_file import file_key
from mvt_nas.latency.runtime import Runtime, RuntimeJob, Session, usable_runtime
from mvt_nas.latency.timing.jobs import Network, at_resolution, job_for
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.latency.timing.stopwatch import Clock, Timing, interleaved_timing
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo

# Small enough to cost little beside what is measured, large enough to compute rather than to be
# called.
PROBE_NAME, PROBE_RESOLUTION_PX = "mobilevit_xxs", 128


@dataclass(frozen=True, slots=True)
class LatencyMeasurement:
    """One network's latency.

    Attributes:
        network: what it was called.
        key: hash of the architecture, at the resolution measured, or of the ONNX file; empty for a
            module.
        input_shape: of the images, (B, C, H, W).
        macs: multiply-adds of one inference of the batch; ``None`` for what is no architecture.
        timing: how long it takes.
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
    """Return the latency of each network, in their order, timed against each other in one runtime.

    Args:
        networks: of each a title and itself.
        settings: how.
        clock: where the time comes from.
        on_jobs: is given what the networks became before they are timed.

    Raises:
        LatencyError: the runtime cannot be used here, not with the data type, or not with one of
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
            _probe(settings, runtime, folder, stack),
            seconds=settings.seconds * len(networks),
            threads=settings.threads,
            warmups=1 if runtime.own_clock else 3,
            seed=settings.seed,
            clock=clock,
        )
    doubts = () if runtime.own_clock else _doubts(settings.threads)
    return [
        _measured(
            title,
            network,
            job.input_shape,
            replace(timing, warnings=(*timing.warnings, *doubts)),
            settings,
        )
        for (title, network), job, timing in zip(networks, jobs, timings, strict=True)
    ]


def _probe(
    settings: TimingSettings, runtime: Runtime, folder: Path, stack: ExitStack
) -> Session | None:
    if not runtime.probe:
        return None
    fixed = replace(
        settings,
        batch_size=1,
        resolution_px=PROBE_RESOLUTION_PX,
        num_classes=1000,
        task=None,
        seed=0,
        dtype="fp32",
    )
    return stack.enter_context(
        runtime.session(job_for(zoo(PROBE_NAME), fixed, runtime, folder / "probe.onnx"))
    )


def _doubts(threads: int) -> tuple[str, ...]:
    cores = usable_cores()
    return (f"{threads} threads share {cores} core{'s' * (cores > 1)}",) if threads > cores else ()


def _measured(
    title: str,
    network: Network,
    input_shape: tuple[int, int, int, int],
    timing: Timing,
    settings: TimingSettings,
) -> LatencyMeasurement:
    if not isinstance(network, Architecture):
        return LatencyMeasurement(
            title, file_key(network) if isinstance(network, Path) else "", input_shape, None, timing
        )
    found = at_resolution(network, settings.resolution_px)
    macs = count(
        found, batch_size=input_shape[0], num_classes=settings.num_classes, task=settings.sized_task
    ).macs
    return LatencyMeasurement(title, found.key, input_shape, macs, timing)
