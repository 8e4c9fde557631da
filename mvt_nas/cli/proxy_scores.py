"""The scores that ``mvt-nas proxy score`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mvt_nas._threads_and_malloc import one_torch_thread
from mvt_nas.models.network import build_model
from mvt_nas.proxies.batches import DIGIT_CLASSES, digits_batch, noise_batch
from mvt_nas.proxies.suite import score_all
from mvt_nas.proxies.types import Batch
from mvt_nas.space.architecture import Architecture


def make_batch(data: str, images: int, resolution_px: int, seed: int) -> Batch:
    """Return a batch of digits, or of noise.

    Args:
        data: ``"digits"`` or ``"noise"``.
        images: Number of images.
        resolution_px: Side of the images.
        seed: Random seed.
    """
    return (
        digits_batch(images, resolution_px, seed)
        if data == "digits"
        else noise_batch(images, resolution_px, seed)
    )


def score_networks_once(
    architectures: dict[str, Architecture], names: list[str], batch: Batch, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield one entry per architecture and proxy.

    Scores are computed on one thread, so that they repeat to the last digit.
    """
    for title, architecture in architectures.items():
        with one_torch_thread():
            scores = score_all(
                build_model(architecture, num_classes=DIGIT_CLASSES, seed=seed), batch, names
            )
        for name, score in scores.items():
            yield {
                "architecture": title,
                "proxy": name,
                "value": score.value if score.finite else None,
                "status": score.status,
            }
