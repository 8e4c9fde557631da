"""What is counted of a network beside its loss, by task: names of columns and titles. By the first, the best epoch is chosen."""

from __future__ import annotations

SHARES = {
    "classification": {"top1": "top-1", "top5": "top-5"},
    "detection": {"ap": "AP", "ap50": "AP50"},
    "segmentation": {"miou": "mIoU", "pixel_accuracy": "pixel accuracy"},
}
"""All are shares from 0 to 1."""
