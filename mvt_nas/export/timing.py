"""How long exported networks take on this machine, raced against each other and the network itself in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from mvt_nas._threads_and_malloc import torch_threads
from mvt_nas.export.base import TARGETS, ExportModel
from mvt_nas.export.verification import ExportResult, reference
from mvt_nas.latency.timing.stopwatch import Timing, interleaved_timing
from mvt_nas.models.synthetic import random_images

ITSELF = "PyTorch"


def time_exports(
    subject: ExportModel, exported: Sequence[ExportResult], *, seconds: float
) -> dict[str, Timing]:
    """Return by target the latency of one image on one thread, of those that run in a runtime here, and of the network as ``PyTorch``.

    Args:
        subject: the network.
        exported: what came of it.
        seconds: of timing for each.
    """
    images = random_images(subject.input_shape)
    runs: dict[str, Callable[[], object]] = {ITSELF: partial(reference(subject), images)}
    runs |= {
        one.target: partial(one.run, images)
        for one in exported
        if one.run is not None and TARGETS.get(one.target).runtime
    }
    if len(runs) == 1:
        return {}
    with torch_threads(1):
        timings = interleaved_timing(
            [_silent(run) for run in runs.values()], None, seconds=seconds * len(runs), threads=1
        )
    return dict(zip(runs, timings, strict=True))


def _silent(run: Callable[[], object]) -> Callable[[], None]:
    """Return the call without its result: one that returned a number would be taken for its own milliseconds."""

    def call() -> None:
        run()

    return call
