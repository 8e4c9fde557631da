"""Figures of the reference sample, and the program that prints them as constants."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mvt_nas.models.network import build_model
from mvt_nas.proxies.batches import DIGIT_CLASSES, digits_batch
from mvt_nas.proxies.channel_entropy import channel_entropy
from mvt_nas.proxies.counts import count_layers, count_macs, count_params
from mvt_nas.proxies.reference_sample import (
    IMAGES,
    RESOLUTION_PX,
    SEED,
    SIZE,
    SPACE,
    SampleDistribution,
    log_macs_at_64px,
)
from mvt_nas.space.search_space import load_space


def measure(architectures: int = SIZE) -> Iterator[dict[str, float]]:
    """Yield the figures of the first architectures of the sample, by the name of the constant."""
    space = load_space(SPACE)
    batch = digits_batch(IMAGES, RESOLUTION_PX, SEED)
    for architecture in space.decode_many(space.sample(SIZE, SEED)[:architectures]):
        network = build_model(architecture, num_classes=DIGIT_CLASSES, seed=SEED)
        yield {
            "LOG_PARAMS": math.log(count_params(network)),
            "LOG_MACS": log_macs_at_64px(count_macs(network, batch.images), batch),
            "DEPTH": float(count_layers(network)),
            "CHANNEL_ENTROPY": channel_entropy.score(network, batch),
        }


def main() -> None:
    """Print the constants."""
    rows = list(measure())
    for name in rows[0]:
        print(f"{name} = {SampleDistribution.of([row[name] for row in rows])}")


if __name__ == "__main__":
    main()
