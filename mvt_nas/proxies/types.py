"""Types that proxies share: the batch, the value read off the passes, and the reported score.

Torch is imported for the type checker only, so that the types can be used without loading it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvt_nas.errors import MetricError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Images with their labels.

    Attributes:
        images: Images (B, C, H, W), floating point.
        labels: Class labels (B,), integers from 0.

    Raises:
        MetricError: the tensors have other shapes.
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
    """Number of units that a pass has reached, out of all units that a score is about.

    Attributes:
        units: Name of the units, such as ``"blocks"``.
        seen: Number of units that the pass reached.
        exist: Number of units in the network.
    """

    units: str
    seen: int
    exist: int

    @property
    def gap(self) -> str:
        """Short description of the missing units; empty if none is missing."""
        return "" if self.seen == self.exist else f"{self.seen} of {self.exist} {self.units} seen"


@dataclass(frozen=True, slots=True)
class ProxyReading:
    """Value of a proxy, read off the passes.

    Attributes:
        value: The score, no unit; NaN or an infinity where it is not defined.
        coverage: Parts of the network that the value is based on.
        note: Reason why the value is not finite, if it is known.
    """

    value: float
    coverage: tuple[Coverage, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """Reported score of a network.

    Attributes:
        value: The score, no unit; NaN or an infinity if ``finite`` is false.
        status: ``"ok"``, or what is wrong with the value.
    """

    value: float
    status: str = "ok"

    @property
    def finite(self) -> bool:
        """Whether the value can be compared with others."""
        return math.isfinite(self.value)

    @staticmethod
    def of(reading: ProxyReading) -> Score:
        """Return the score of a reading.

        Its status reports a value that is not finite, and units that the passes did not reach.
        """
        broken = "" if math.isfinite(reading.value) else f"not finite ({reading.value})"
        parts = [broken, reading.note, *(coverage.gap for coverage in reading.coverage)]
        return Score(reading.value, "; ".join(part for part in parts if part) or "ok")
