"""Training-free scores of the networks of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mvt_nas.accuracy.networks import Networks
from mvt_nas.proxies.contract import PROXIES, Batch

Array = NDArray[np.float64]

IMAGES = 32


def score_networks(
    networks: Networks, names: Sequence[str], *, seeds: int = 1, images: int = IMAGES, listener: Callable[[int, int], None] | None = None
) -> dict[str, Array]:
    """Return the scores by proxy, (seeds, n), each multiplied by -1 where low is good; NaN where one is not finite.

    Args:
        networks: of a table.
        names: of the proxies.
        seeds: of weights and batch.
        images: in the batch, at the networks' own resolution.
        listener: is told after each network how many of how many are done.
    """
    from mvt_nas.network import build_model
    from mvt_nas.proxies.suite import score_all

    signs = {name: 1.0 if PROXIES.get(name).direction == "max" else -1.0 for name in names}
    result = {name: np.full((seeds, len(networks)), np.nan) for name in names}
    for place, architecture in enumerate(networks.architectures):
        for seed in range(seeds):
            model = build_model(architecture, num_classes=networks.num_classes, seed=seed)
            found = score_all(model, _batch(images, architecture.resolution_px, seed, networks.num_classes), names)
            for name, score in found.items():
                result[name][seed, place] = signs[name] * score.value if np.isfinite(score.value) else np.nan
        if listener:
            listener(place + 1, len(networks))
    return result


def _batch(images: int, resolution_px: int, seed: int, num_classes: int) -> Batch:
    from mvt_nas.proxies.data import DIGIT_CLASSES, digits_batch, noise_batch

    if num_classes < DIGIT_CLASSES:
        return noise_batch(images, resolution_px, seed, classes=num_classes)
    return digits_batch(images, resolution_px, seed)
