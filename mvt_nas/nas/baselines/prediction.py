"""Predicted metrics of baselines: ImageNet accuracy by their size, latency by their kernels.

A baseline is a network of an unknown family, so its accuracy follows the scaling law of published
networks, with a wide interval. Its latency on a device is the sum over its own kernels, as for the
candidates, and needs no measurement.
"""

from __future__ import annotations

from dataclasses import replace

from mvt_nas.accuracy.imagenet.other_network import estimate_other, unknown_size
from mvt_nas.external_models.base import ExternalModel
from mvt_nas.external_models.kernel_graph import KernelGraph
from mvt_nas.latency.latency_profile import LatencyProfile
from mvt_nas.metrics.names import IMAGENET, IMAGENET_HIGH, IMAGENET_LOW
from mvt_nas.nas.baselines.specification import LoadedBaseline
from mvt_nas.nas.runs.baseline import Baseline
from mvt_nas.nas.runs.run import Run

MISSING_SHARE = 0.1
"""Share of the data moved from which operations without a kernel prevent a prediction."""

_OUTSIDE_SHARE = 0.1
_IMAGENET_CLASSES = 1000


def with_predictions(loaded: LoadedBaseline, run: Run) -> LoadedBaseline:
    """Return a baseline with all metrics of a run that can be predicted and were not given.

    A note explains each that cannot be predicted.

    Args:
        loaded: Baseline and its network.
        run: Run with the metrics and devices.

    Raises:
        AccuracyError: The shipped constants of the estimate are missing or damaged.
    """
    baseline = loaded.baseline
    if loaded.task is None and any(metric.from_imagenet for metric in run.config.metrics):
        baseline = _with_accuracy(baseline, loaded.model)
    for metric, profile in run.devices.items():
        if metric.task == loaded.task and metric.full_name not in baseline.scores:
            baseline = _with_latency(baseline, metric.full_name, loaded.model.kernels, profile)
    return replace(loaded, baseline=baseline)


def _with_accuracy(baseline: Baseline, model: ExternalModel) -> Baseline:
    if IMAGENET in baseline.scores:
        return baseline
    kernels = model.kernels
    missing = "macs" if "macs" not in model.costs else None
    if missing or kernels.outputs is None:
        why = f"its {missing} are not known" if missing else "it does not return classes"
        return baseline.with_note(f"{IMAGENET} cannot be predicted: {why}")
    # Published sizes are those with 1000 classes.
    more = _IMAGENET_CLASSES - kernels.outputs
    inputs = kernels.classifier_inputs or 0
    params = model.costs["params"] + more * (inputs + 1 if inputs else 0)
    macs = model.costs["macs"] + more * inputs
    unknown = unknown_size(params, macs, model.resolution_px)
    if unknown is not None:
        size = {"params": params, "macs": macs, "resolution_px": model.resolution_px}[unknown]
        return baseline.with_note(
            f"{IMAGENET} cannot be predicted: no published network is like it in {unknown}"
            f" ({size:.3g})",
        )
    values = dict(
        zip(
            (IMAGENET, IMAGENET_LOW, IMAGENET_HIGH),
            estimate_other(params, macs, model.resolution_px),
            strict=True,
        )
    )
    return _with_values(baseline, values)


def _with_latency(
    baseline: Baseline, name: str, kernels: KernelGraph, profile: LatencyProfile
) -> Baseline:
    if kernels.uncounted or kernels.missing_share > MISSING_SHARE:
        operations = ", ".join(kernels.uncounted or sorted(kernels.missing))
        return baseline.with_note(
            f"{name} cannot be predicted: latency models know no kernel of {operations}"
        )
    prediction = profile.predictor.predict_graph(kernels.graph(profile.batch_size))
    baseline = _with_values(baseline, {name: prediction.ms})
    if kernels.missing:
        share = f"{100 * kernels.missing_share:.1f} % of the data moved"
        baseline = baseline.with_note(
            f"{name} is predicted without {', '.join(sorted(kernels.missing))} ({share}), of which"
            " latency models know no kernel"
        )
    if prediction.outside > _OUTSIDE_SHARE:
        share = f"{100 * prediction.outside:.0f} % of it"
        baseline = baseline.with_note(
            f"{name} is predicted; {share} are of kernels unlike all that were measured"
            f" ({', '.join(prediction.uncalibrated)})"
        )
    return baseline


def _with_values(baseline: Baseline, values: dict[str, float]) -> Baseline:
    return replace(
        baseline,
        scores={**baseline.scores, **values},
        predicted=(*baseline.predicted, *values),
    )
