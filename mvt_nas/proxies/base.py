"""What a training-free score takes, what it gives, and what it says about itself.

Torch is imported for the type checker only, so that the contract can be read without loading it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mvt_nas.errors import MetricError
from mvt_nas.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mvt_nas.proxies.observers import ForwardObserver
    from mvt_nas.proxies.passes import Passes


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
            raise MetricError(
                f"batch with {shapes}: images (B, C, H, W) and labels (B,) are needed"
            )


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the units that a score is about were reached by the pass that it read.

    Attributes:
        units: what was counted, such as ``"blocks"``.
        seen: how many of them the pass reached.
        exist: how many the network has.
    """

    units: str
    seen: int
    exist: int

    @property
    def gap(self) -> str:
        """What is missing, in a few words; empty where nothing is."""
        return "" if self.seen == self.exist else f"{self.seen} of {self.exist} {self.units} seen"


@dataclass(frozen=True, slots=True)
class ProxyReading:
    """What a score reads off the passes.

    Attributes:
        value: the score, no unit; NaN or an infinity where it is not defined.
        coverage: what the value rests on.
        note: why the value is not finite, where that is known.
    """

    value: float
    coverage: tuple[Coverage, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """A score as it is reported.

    Attributes:
        value: no unit; NaN or an infinity where ``finite`` is false.
        status: ``"ok"``, or what is wrong with the value.
    """

    value: float
    status: str = "ok"

    @property
    def finite(self) -> bool:
        """Whether the value is a number to compare with others."""
        return math.isfinite(self.value)

    @staticmethod
    def of(reading: ProxyReading) -> Score:
        """Return the score of a reading: its status tells of values that are not finite and of units that were not seen."""
        broken = "" if math.isfinite(reading.value) else f"not finite ({reading.value})"
        parts = [broken, reading.note, *(coverage.gap for coverage in reading.coverage)]
        return Score(reading.value, "; ".join(part for part in parts if part) or "ok")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A training-free score of a network.

    Attributes:
        name: the name in the registry, which is the name of the module too.
        score: returns the score of a network on a batch, no unit. A NaN or an infinity is returned
            as it is: the caller marks it.
        direction: whether good networks have high (``"max"``) or low (``"min"``) scores.
        passes: the cost in forward and backward passes, such as ``"1 forward + 1 backward of the
            batch"``.
        source: authors, title and year of the publication.
        labelled: whether the score reads the labels of the batch.
        worst: a bound that no network falls short of, for the reference point of a hypervolume.
        read: the same score, read off passes that other scores read as well; ``None`` for a score
            that shares none.
        watches: what ``read`` needs to have watched the forward pass of the batch.
        version: of the values; scores that were kept under another one are computed anew.
    """

    name: str
    score: Callable[[nn.Module, Batch], float]
    direction: Literal["max", "min"]
    passes: str
    source: str
    labelled: bool
    worst: float
    read: Callable[[Passes], ProxyReading] | None = None
    watches: tuple[type[ForwardObserver], ...] = ()
    # raised by whoever changes what the score gives for some network, in this file or in one that
    # it uses
    version: int = 1


PROXIES: Registry[Proxy] = Registry("proxy", "mvt_nas.proxies")
