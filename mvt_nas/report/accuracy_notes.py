"""Sentences on the accuracies of a run: their source, their quality, and extrapolation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mvt_nas.accuracy.imagenet.constants import shipped_constants
from mvt_nas.accuracy.imagenet.domain import Domain
from mvt_nas.accuracy.imagenet.law import columns
from mvt_nas.accuracy.protocol import protocol_of
from mvt_nas.accuracy.ranking_metrics import kendall
from mvt_nas.metrics.metric import Source
from mvt_nas.metrics.names import ACCURACY_BEYOND, IMAGENET, extrapolated
from mvt_nas.nas.problem.default_accuracy import LARGE_PX, resolutions
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.trained_accuracy import trained_accuracy_notes
from mvt_nas.space.architecture import CONV

_LEAST_ON_FRONT = 3
"""Candidates on a front from which its order is worth a sentence."""


def accuracy_notes(run: Run) -> Iterator[str]:
    """Yield sentences on the accuracies of a run."""
    objectives = [objective.metric for objective in run.config.objectives]
    sources = {metric.source for metric in objectives}
    if run.inputs.accuracy is not None:
        yield from _predicted_accuracy(run)
    yield from trained_accuracy_notes(run)
    if Source.PROXY in sources:
        yield (
            "A proxy is a training-free score, not an accuracy; the share of candidates that are"
            " not better is in brackets."
        )
    if any(IMAGENET in candidate.scores for candidate in run.complete()):
        yield from _imagenet_accuracy(run)
    if any(metric.name == IMAGENET or metric.from_surrogate for metric in objectives):
        yield from _kinds_on_front(run)


def _predicted_accuracy(run: Run) -> Iterator[str]:
    accuracy = run.inputs.accuracy
    assert accuracy is not None
    protocol = protocol_of(accuracy.table)
    yield (
        f"Accuracy is predicted for trainings as in {accuracy.name} ({protocol.train_images}"
        f" images of {protocol.pixels} px, {protocol.epochs} epochs), with its 90 % interval;"
        f" {accuracy.quality.describe()}."
    )
    if any(dimension.name == "resolution_px" for dimension in run.space.dimensions):
        yield (
            "It does not depend on the resolution: all networks are compared at"
            f" {protocol.pixels} px. If the resolution matters, fix resolution_px."
        )
    if protocol.pixels < LARGE_PX <= resolutions(run.space)[0]:
        yield (
            "It orders published networks of this resolution worse than counting MACs does;"
            f" {IMAGENET} is made for them."
        )
    complete = run.complete()
    outside = [candidate for candidate in complete if extrapolated(candidate.scores)]
    if outside:
        largest_factor = max(candidate.scores[ACCURACY_BEYOND] for candidate in outside)
        yield (
            f"*: {len(outside)} of {len(complete)} candidates are larger or smaller than all"
            f" trained networks, by up to {largest_factor:.3g} times: there accuracy is an"
            " extrapolation, and its interval promises nothing."
        )


def _imagenet_accuracy(run: Run) -> Iterator[str]:
    figures = shipped_constants().figures
    papers = ", ".join(f"{error:.1f} ({name})" for name, error in figures["family_out"].items())
    yield (
        "ImageNet top-1 is estimated from published networks, for a training at the network's own"
        f" resolution, with its 90 % interval: {figures['loo_mae']:.1f} points off for a published"
        f" model that was left out, {papers} for a whole paper,"
        f" {figures['families_mae']:.1f} for a family of other networks."
    )
    objectives = {objective.metric.name for objective in run.config.objectives}
    front = run.front()
    if IMAGENET in objectives and len(front) >= _LEAST_ON_FRONT:
        yield (
            f"Size and resolution alone put {100 * _ordered_by_size(run, front):.0f} % of the pairs"
            " on the front in the same order; what shape adds was never measured at this scale, and"
            " differences within the intervals mean nothing."
        )
    complete = run.complete()
    outside = [candidate for candidate in complete if extrapolated(candidate.scores, IMAGENET)]
    if outside:
        domain = Domain()
        yield (
            f"*: for {len(outside)} of {len(complete)} candidates ImageNet top-1 is an"
            f" extrapolation: outside of {_millions(domain.params)} M parameters,"
            f" {_billions(domain.macs)} GMACs or {domain.resolution_px[0]:.0f} to"
            f" {domain.resolution_px[1]:.0f} px, or of a shape unlike all that was published."
        )


def _ordered_by_size(run: Run, front: Sequence[Candidate]) -> float:
    """Return the share of pairs whose order the law of sizes gives without any shape, 0 to 1."""
    scores = [candidate.scores for candidate in front]
    pixels = [run.architecture(candidate.number).resolution_px for candidate in front]
    law = shipped_constants().law
    # The classifier's size is that of the run; the order hardly depends on it.
    values = columns([one["params"] for one in scores], [one["macs"] for one in scores], pixels)
    tau = kendall(-law.z(values), np.array([one[IMAGENET] for one in scores]))
    return (tau + 1) / 2


def _kinds_on_front(run: Run) -> Iterator[str]:
    """Yield what a front lacks that people ask for: transformers, resolutions."""
    front = run.front()
    if len(front) < _LEAST_ON_FRONT:
        return
    architectures = [run.architecture(candidate.number) for candidate in front]
    has_blocks = any(stage.kind != CONV for one in architectures for stage in one.stages)
    choices = {dimension.name: dimension.values for dimension in run.space.dimensions}
    blocks = [
        name for name, values in choices.items() if name.endswith(".block") and CONV in values
    ]
    if not has_blocks and blocks:
        other = next(value for value in choices[blocks[-1]] if value != CONV)
        yield (
            "No network on the front has a transformer; to search among those that have one, fix a"
            f" block, such as {blocks[-1]}={other}."
        )
    least, most = resolutions(run.space)
    if least < most and all(one.resolution_px == least for one in architectures):
        yield (
            f"All networks on the front have the lowest resolution, {least} px; to search others,"
            f" fix it, such as resolution_px={most}."
        )


def _millions(values: tuple[float, float]) -> str:
    return f"{values[0] / 1e6:g} to {values[1] / 1e6:g}"


def _billions(values: tuple[float, float]) -> str:
    return f"{values[0] / 1e9:g} to {values[1] / 1e9:g}"
