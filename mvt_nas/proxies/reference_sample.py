"""Reference sample of architectures with which aggregate proxies compare a network.

``python -m mvt_nas.proxies.reference_sample_figures`` draws the sample again and prints the
constants below: 200 architectures, drawn uniformly from the space ``mobilevit`` with seed 0;
networks with 10 classes and weights from seed 0; 32 digits of 64 x 64 pixels from seed 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas.proxies.types import Batch

SIZE = 200
SPACE = "mobilevit"
RESOLUTION_PX = 64
IMAGES = 32
SEED = 0
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class SampleDistribution:
    """Distribution of a quantity over the sample.

    Attributes:
        mean: Mean of the values.
        deviation: Standard deviation of the values.
        quantiles: The 11 quantiles from 0 %, 10 %, ... to 100 %.
    """

    mean: float
    deviation: float
    quantiles: tuple[float, ...]

    @staticmethod
    def of(values: Sequence[float]) -> SampleDistribution:
        """Return the distribution of some values, rounded to six significant digits."""

        def rounded(value: np.floating) -> float:
            return float(f"{value:.{_DIGITS}g}")

        quantiles = np.quantile(values, np.linspace(0.0, 1.0, 11))
        return SampleDistribution(
            mean=rounded(np.mean(values)),
            deviation=rounded(np.std(values)),
            quantiles=tuple(rounded(quantile) for quantile in quantiles),
        )

    def standard(self, value: float) -> float:
        """Return the standard score of a value: its distance from the mean in deviations."""
        return (value - self.mean) / self.deviation


LOG_PARAMS = SampleDistribution(
    16.4349,
    0.754029,
    (
        14.697,
        15.386,
        15.7833,
        16.0858,
        16.3323,
        16.4841,
        16.7213,
        16.932,
        17.1335,
        17.3312,
        18.0523,
    ),
)
LOG_MACS = SampleDistribution(
    19.5257,
    0.635597,
    (
        18.0842,
        18.7543,
        18.9966,
        19.1602,
        19.3471,
        19.4996,
        19.6661,
        19.8455,
        20.0761,
        20.3352,
        21.2529,
    ),
)
DEPTH = SampleDistribution(
    76.685,
    10.6403,
    (51.0, 63.9, 67.8, 71.7, 74.0, 77.0, 79.0, 82.0, 85.0, 91.1, 105.0),
)
CHANNEL_ENTROPY = SampleDistribution(
    54.4917,
    9.07141,
    (
        37.7079,
        42.8019,
        46.1721,
        49.1503,
        51.4009,
        53.4348,
        56.3275,
        60.066,
        62.0173,
        67.4605,
        78.4257,
    ),
)


def log_macs_at_64px(macs: int, batch: Batch) -> float:
    """Return the logarithm of the multiply-adds for one image, scaled to 64 x 64 pixels."""
    height, width = batch.images.shape[2:]
    return math.log(max(macs, 1)) + math.log(RESOLUTION_PX**2 / (height * width))
