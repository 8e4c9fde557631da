"""How far predicted latencies of detectors and segmenters are from measured ones, beside those of the same backbones as classifiers.

A profile is fitted to classifiers; a head is made of the same classes of kernels, but on maps and
of widths that none of them had. The machine's speed now, one factor, is taken from the classifiers
and left out everywhere: what is said of a task is what the task adds. The published backbones,
about ten minutes. ``python -m benchmarks task_latency:NAME`` takes the profile that ``mvt-nas
latency profile --name NAME`` has made of this machine; without one, the profile that ships, which
is of another.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from benchmarks._figures import Figure
from mvt_nas._typing import FloatArray
from mvt_nas.latency.model.prediction_error import prediction_error, scale_between
from mvt_nas.latency.model.predictor import Predictor
from mvt_nas.latency.profile_lookup import default_profile_name, load_profile
from mvt_nas.latency.timing.measure import measure
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.space.published import published_names, zoo
from mvt_nas.tasks.base import Task, task_from_text

TASKS = ("classification", "detection", "segmentation")
SECONDS, TOGETHER = 4.0, 4
"""Of timing per network, and how many are timed against each other: few, since networks at 512 px
are large."""


def run() -> list[Figure]:
    """Return the errors of the predictions of each task by the profile that ships."""
    return run_part(default_profile_name())


def run_part(
    device: str, names: Sequence[str] = tuple(published_names()), seconds: float = SECONDS
) -> list[Figure]:
    """Return the errors of the predictions of each task by some device's profile, whose name they begin with."""
    profile = load_profile(device)
    measured = {
        kind: _measured(names, task_from_text(kind), seconds) * (profile.reference_ms or 1.0)
        for kind in TASKS
    }
    predicted = {kind: _predicted(names, task_from_text(kind), profile.predictor) for kind in TASKS}
    speed = scale_between(predicted["classification"], measured["classification"])
    figures = [
        Figure(
            f"{device}, measured / predicted",
            speed,
            "x",
            0,
            0,
            len(names),
            "of classifiers: the machine's speed, left out below",
        )
    ]
    for kind in TASKS:
        figures += _figures(f"{device}, {kind}", names, predicted[kind] * speed, measured[kind])
    return figures


def _measured(names: Sequence[str], task: Task | None, seconds: float) -> FloatArray:
    """Return the latency of each network relative to the reference model, (names,)."""
    found = []
    for start in range(0, len(names), TOGETHER):
        some = names[start : start + TOGETHER]
        for one in measure(
            [(name, zoo(name)) for name in some], TimingSettings(seconds=seconds, task=task)
        ):
            assert one.timing.reference_ms is not None
            found.append(one.timing.ms / one.timing.reference_ms)
            print(
                f"{task or 'classification'}: {one.network} {one.timing.ms:.2f} ms, reference model"
                f" {one.timing.reference_ms:.3f} ms",
                file=sys.stderr,
            )
    return np.array(found)


def _predicted(names: Sequence[str], task: Task | None, predictor: Predictor) -> FloatArray:
    return np.array([predictor.predict(zoo(name), task=task).ms for name in names])


def _figures(
    what: str, names: Sequence[str], predicted: FloatArray, measured: FloatArray
) -> list[Figure]:
    found = prediction_error(predicted, measured)
    ratios = measured / predicted
    slowest, quickest = names[int(ratios.argmax())], names[int(ratios.argmin())]
    note = f"{quickest} to {slowest}"
    return [
        Figure(f"{what}: mean error", 100 * found["mape"], "%", 0, 0, len(names)),
        Figure(f"{what}: within 10 %", 100 * found["within10"], "%", 0, 0, len(names)),
        Figure(f"{what}: Spearman", found["spearman"], "", 0, 0, len(names)),
        Figure(
            f"{what}: slower than predicted",
            float(np.median(ratios)),
            "x",
            float(ratios.min()),
            float(ratios.max()),
            len(names),
            note,
        ),
    ]
