"""Errors of predicted latencies of detectors and segmenters, next to those of classifiers.

A profile is fitted to classifiers. A head consists of the same classes of kernels, but with feature
map sizes and widths that no classifier has. The current speed of the machine, one factor, is taken
from the classifiers and removed from all figures, so that those of a task are what the task adds.
Measures the published backbones, in about ten minutes. ``python -m benchmarks task_latency:NAME``
uses the profile of this machine that ``mvt-nas latency profile --name NAME`` has written; without a
name, the default profile of the package is used, which is of another machine.
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
SECONDS = 4.0
"""Seconds of timing per network."""

TOGETHER = 4
"""Number of networks timed in turn: few, since networks at 512 px are large."""


def run() -> list[Figure]:
    """Return the errors of the predictions of each task by the default profile."""
    return run_part(default_profile_name())


def run_part(
    device: str, names: Sequence[str] = tuple(published_names()), seconds: float = SECONDS
) -> list[Figure]:
    """Return the errors of the predictions of each task by a device's profile.

    Args:
        device: Name of the profile; the names of the figures begin with it.
        names: Names of the backbones.
        seconds: Seconds of timing per network.
    """
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
            "of classifiers: the machine's speed, removed from the figures below",
        )
    ]
    for kind in TASKS:
        figures += _figures(f"{device}, {kind}", names, predicted[kind] * speed, measured[kind])
    return figures


def _measured(names: Sequence[str], task: Task | None, seconds: float) -> FloatArray:
    """Return the latency of each network relative to the reference model, (names,)."""
    settings = TimingSettings(seconds=seconds, task=task)
    ratios = []
    for start in range(0, len(names), TOGETHER):
        networks = [(name, zoo(name)) for name in names[start : start + TOGETHER]]
        for measurement in measure(networks, settings):
            ms = measurement.timing.ms
            reference_ms = measurement.timing.reference_ms
            assert reference_ms is not None
            ratios.append(ms / reference_ms)
            print(
                f"{task or 'classification'}: {measurement.network} {ms:.2f} ms,"
                f" reference model {reference_ms:.3f} ms",
                file=sys.stderr,
            )
    return np.array(ratios)


def _predicted(names: Sequence[str], task: Task | None, predictor: Predictor) -> FloatArray:
    return np.array([predictor.predict(zoo(name), task=task).ms for name in names])


def _figures(
    title: str, names: Sequence[str], predicted: FloatArray, measured: FloatArray
) -> list[Figure]:
    summary = prediction_error(predicted, measured)
    ratios = measured / predicted
    note = f"{names[int(ratios.argmin())]} to {names[int(ratios.argmax())]}"
    return [
        Figure(f"{title}: mean error", 100 * summary["mape"], "%", 0, 0, len(names)),
        Figure(f"{title}: within 10 %", 100 * summary["within10"], "%", 0, 0, len(names)),
        Figure(f"{title}: Spearman", summary["spearman"], "", 0, 0, len(names)),
        Figure(
            f"{title}: slower than predicted",
            float(np.median(ratios)),
            "x",
            float(ratios.min()),
            float(ratios.max()),
            len(names),
            note,
        ),
    ]
