"""Labels of metrics and published models for people."""

from __future__ import annotations

from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import (
    ACCURACY,
    ACCURACY_BEYOND,
    ACCURACY_HIGH,
    ACCURACY_LOW,
    IMAGENET,
    IMAGENET_HIGH,
    IMAGENET_IN_DOMAIN,
    IMAGENET_LOW,
    TRAINED,
)

_LABELS = {
    "macs": "MACs",
    "params": "parameters",
    "memory_mb": "peak activation memory (MB)",
    ACCURACY: "predicted accuracy (%)",
    ACCURACY_LOW: "predicted accuracy, low end (%)",
    ACCURACY_HIGH: "predicted accuracy, high end (%)",
    ACCURACY_BEYOND: "beyond the trained sizes (times)",
    TRAINED: "accuracy after a short training (%)",
    IMAGENET: "ImageNet top-1, estimated (%)",
    IMAGENET_LOW: "ImageNet top-1, low end (%)",
    IMAGENET_HIGH: "ImageNet top-1, high end (%)",
    IMAGENET_IN_DOMAIN: "the estimate holds (1) or extrapolates (0)",
}

_SHORT = {
    "memory_mb": "memory (MB)",
    ACCURACY: "accuracy (%)",
    ACCURACY_LOW: "accuracy, low (%)",
    ACCURACY_HIGH: "accuracy, high (%)",
    ACCURACY_BEYOND: "beyond trained (×)",
    TRAINED: "trained (%)",
    IMAGENET: "ImageNet (%)",
    IMAGENET_LOW: "ImageNet, low (%)",
    IMAGENET_HIGH: "ImageNet, high (%)",
    IMAGENET_IN_DOMAIN: "estimate holds",
}

# The ends of the interval of a trained accuracy follow from it; they are no metrics of a search.
_TRAINED_ENDS = {
    f"{TRAINED}_low": "accuracy after a short training, low end (%)",
    f"{TRAINED}_high": "accuracy after a short training, high end (%)",
}
_SHORT_TRAINED_ENDS = {
    f"{TRAINED}_low": "trained, low (%)",
    f"{TRAINED}_high": "trained, high (%)",
}


def label(name: str) -> str:
    """Return the label of the metric with this full name, with its unit."""
    metric = Metric.find(name)
    if metric is None:
        return _TRAINED_ENDS.get(name, f"{name} (training-free score)")
    if metric.device is not None:
        text = f"predicted latency on {metric.device} (ms)"
    else:
        text = _LABELS.get(metric.name, f"{metric.name} (training-free score)")
    return _with_task(metric, text)


def short_label(name: str) -> str:
    """Return the short label of the metric with this full name, with its unit."""
    metric = Metric.find(name)
    if metric is None:
        return _SHORT_TRAINED_ENDS.get(name, name)
    if metric.device is not None:
        text = f"{metric.device} (ms)"
    else:
        text = _SHORT.get(metric.name, _LABELS.get(metric.name, metric.name))
    return _with_task(metric, text)


def _with_task(metric: Metric, text: str) -> str:
    return text if metric.task is None else f"{metric.task}: {text}"


def short_name(model: str) -> str:
    """Return a short name of a published model, for plots."""
    return model.replace("mobilevitv", "v").replace("mobilevit_", "v1 ").replace("_", " ")
