"""What a training-free score takes and what it says about itself.

Torch is imported for the type checker only, so that the scores can be listed without loading it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mvt_nas.errors import MetricError
from mvt_nas.plugins import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Images with their labels.

    Attributes:
        images: (B, C, H, W), floating point.
        labels: (B,), integers from 0.

    Raises:
        MetricError: the shapes are others.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or tuple(self.labels.shape) != (len(self.images),):
            shapes = f"images {tuple(self.images.shape)}, labels {tuple(self.labels.shape)}"
            raise MetricError(f"batch with {shapes}: images (B, C, H, W) and labels (B,) are needed")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A training-free score of a network.

    Attributes:
        name: the name in the registry, which is the name of the module too.
        score: returns the score of a network on a batch, no unit. A NaN or an infinity is returned as it is: the caller marks it.
        direction: whether good networks have high (``"max"``) or low (``"min"``) scores.
        passes: the cost in forward and backward passes, such as ``"1 forward + 1 backward of the batch"``.
        source: authors, title and year of the publication.
        labelled: whether the score reads the labels of the batch.
        worst: a bound that no network falls short of, for the reference point of a hypervolume.
    """

    name: str
    score: Callable[[nn.Module, Batch], float]
    direction: Literal["max", "min"]
    passes: str
    source: str
    labelled: bool
    worst: float


PROXIES: Registry[Proxy] = Registry("proxy", "mvt_nas.proxies")
