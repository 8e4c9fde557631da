"""What metrics are called where people read them."""

from __future__ import annotations

from mvt_nas.metrics.names import (
    ACCURACY,
    ACCURACY_BEYOND,
    ACCURACY_HIGH,
    ACCURACY_LOW,
    IMAGENET,
    TRAINED,
    bare,
    device_of,
    task_of,
)

_LABELS = {
    "macs": "MACs",
    "params": "parameters",
    "memory_mb": "peak activation memory (MB)",
    ACCURACY: "predicted accuracy (%)",
    ACCURACY_LOW: "predicted accuracy, low end (%)",
    ACCURACY_HIGH: "predicted accuracy, high end (%)",
    ACCURACY_BEYOND: "beyond the sizes that were trained (times)",
    TRAINED: "accuracy after a short training (%)",
    IMAGENET: "ImageNet top-1, estimated (%)",
}

_SHORT = {
    "memory_mb": "memory (MB)",
    ACCURACY: "accuracy (%)",
    ACCURACY_LOW: "accuracy, low (%)",
    ACCURACY_HIGH: "accuracy, high (%)",
    ACCURACY_BEYOND: "beyond trained (×)",
    TRAINED: "trained (%)",
    IMAGENET: "ImageNet (%)",
}


def label(metric: str) -> str:
    """Return the words for a metric, with its unit."""
    if task_of(metric) is not None:
        return f"{task_of(metric)}: {label(bare(metric))}"
    device = device_of(metric)
    return (
        _LABELS.get(metric, f"{metric} (training-free score)")
        if device is None
        else f"predicted latency on {device} (ms)"
    )


def short_label(metric: str) -> str:
    """Return the words for a metric where there is little room, with its unit."""
    if task_of(metric) is not None:
        return f"{task_of(metric)}: {short_label(bare(metric))}"
    device = device_of(metric)
    return _SHORT.get(metric, _LABELS.get(metric, metric)) if device is None else f"{device} (ms)"


def short_name(model: str) -> str:
    """Return the name of a published model as there is room for beside its point."""
    return model.replace("mobilevitv", "v").replace("mobilevit_", "v1 ").replace("_", " ")
