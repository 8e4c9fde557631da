"""The sample against which aggregates compare a network, and how its figures were made.

``python -m mvt_nas.proxies.reference_sample`` draws the sample again and prints the constants below: 200 architectures, uniformly from
the space ``mobilevit`` with seed 0; networks with 10 classes and weights from seed 0; 32 digits of 64 x 64 pixels from seed 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas.proxies.contract import Batch

SIZE = 200
SPACE = "mobilevit"
RESOLUTION_PX = 64
IMAGES = 32
SEED = 0
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Sampled:
    """How a quantity is distributed over the sample.

    Attributes:
        mean: of the values.
        deviation: of the values.
        quantiles: the 21 values below which 0 %, 5 % to 100 % of the sample lie.
    """

    mean: float
    deviation: float
    quantiles: tuple[float, ...]

    @staticmethod
    def of(values: Sequence[float]) -> Sampled:
        """Return the distribution of some values, rounded to six figures."""
        mean, deviation, *quantiles = (
            float(f"{value:.{_DIGITS}g}") for value in (np.mean(values), np.std(values), *np.quantile(values, np.linspace(0.0, 1.0, 21)))
        )
        return Sampled(mean, deviation, tuple(quantiles))

    def standard(self, value: float) -> float:
        """Return by how many deviations a value is above the mean."""
        return (value - self.mean) / self.deviation


LOG_PARAMS = Sampled(0.0, 1.0, tuple(range(21)))
LOG_MACS = Sampled(0.0, 1.0, tuple(range(21)))
DEPTH = Sampled(0.0, 1.0, tuple(range(21)))
CHANNEL_ENTROPY = Sampled(0.0, 1.0, tuple(range(21)))


def log_macs_at_64px(macs: int, batch: Batch) -> float:
    """Return the logarithm of the multiply-adds for one image, scaled by the pixels to an image of 64 x 64."""
    height, width = batch.images.shape[2:]
    return math.log(max(macs, 1)) + math.log(RESOLUTION_PX**2 / (height * width))


def measure(architectures: int = SIZE) -> Iterator[dict[str, float]]:
    """Yield what is known of each of the first architectures of the sample, by the name of the constant."""
    from mvt_nas.network import build_model
    from mvt_nas.proxies.channel_entropy import channel_entropy
    from mvt_nas.proxies.counts import count_layers, count_macs, count_params
    from mvt_nas.proxies.data import DIGIT_CLASSES, digits_batch
    from mvt_nas.space.search_space import load_space

    space, batch = load_space(SPACE), digits_batch(IMAGES, RESOLUTION_PX, SEED)
    for architecture in space.decode_many(space.sample(SIZE, SEED)[:architectures]):
        network = build_model(architecture, num_classes=DIGIT_CLASSES, seed=SEED)
        yield {
            "LOG_PARAMS": math.log(count_params(network)),
            "LOG_MACS": log_macs_at_64px(count_macs(network, batch.images), batch),
            "DEPTH": float(count_layers(network)),
            "CHANNEL_ENTROPY": channel_entropy(network, batch),
        }


def main() -> None:
    """Print the constants."""
    found = list(measure())
    for name in found[0]:
        print(f"{name} = {Sampled.of([entry[name] for entry in found])}")


if __name__ == "__main__":
    main()
