"""Design and shape of networks, as numbers: what the law of sizes does not see.

The same code reads encoded rows of a space and single architectures, so both have equal values.
Networks may have any number of stages; a field that a block does not have counts as the published
default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.cost.counts import count
from mvt_nas.cost.table import Costs
from mvt_nas.space.architecture import CONV, Architecture
from mvt_nas.space.columns import Columns, Rows
from mvt_nas.space.search_space import SearchSpace

DESIGN = (
    "blocks",
    "separable attention",
    "no fusion",
    "local fusion",
    "pointwise fusion",
    "residual",
    "depthwise local convolution",
    "few heads",
    "large patches",
)
"""Effects of designs, each averaged over the blocks and weighted by the share of stages with one.

``blocks`` is that share itself: blocks per stage after the first two. ``few heads`` is log2(4 /
heads) below 4 heads, ``large patches`` log2(patch / 3) above 3: with larger patches the 3 x 3
kernels no longer connect every pixel with every other one (arXiv 2110.02178, section 3.1).
"""

SHAPE = (
    "growth of the width",
    "expansion",
    "stem",
    "transformer channels",
    "feed-forward channels",
    "transformer layers",
    "convolutional layers",
    "head",
    "early width",
)
"""Proportions of a network, all logarithms to base 2."""

_ROWS = 8192
_FIRST_BLOCK_STAGE = 2
_USUAL_HEADS = 4
_USUAL_KERNEL = 3


class Fields(Protocol):
    """Fields of n networks with the same number of stages."""

    def __len__(self) -> int:
        """Return the number of networks."""

    @property
    def stages(self) -> int:
        """Number of stages."""

    def value(self, path: str) -> NDArray[Any]:
        """Return the values of a field, (n,)."""

    def active(self, path: str) -> BoolArray:
        """Return where a field exists and has an effect, (n,)."""


class _RowFields:
    """Fields of encoded rows of a space."""

    def __init__(self, space: SearchSpace, rows: Rows) -> None:
        self._columns = Columns(space.plan, rows)
        self._known = space.plan.nodes
        self.stages = space.plan.stages

    def __len__(self) -> int:
        return len(self._columns)

    def value(self, path: str) -> NDArray[Any]:
        if path not in self._known:
            return np.zeros(len(self))
        return self._columns.value(path)

    def active(self, path: str) -> BoolArray:
        if path not in self._known:
            return np.zeros(len(self), dtype=bool)
        return self._columns.active(path)


class _ArchitectureFields:
    """Fields of one architecture."""

    def __init__(self, architecture: Architecture) -> None:
        self.stages = len(architecture.stages)
        self._values: dict[str, Any] = {
            "stem.width": architecture.stem_width,
            "head.width": architecture.head_width,
        }
        for number, stage in enumerate(architecture.stages, start=1):
            for name, value in stage.to_dict().items():
                self._values[f"stage{number}.{name}"] = value

    def __len__(self) -> int:
        return 1

    def value(self, path: str) -> NDArray[Any]:
        value = self._values.get(path)
        return np.array([0 if value is None else value])

    def active(self, path: str) -> BoolArray:
        return np.array([self._values.get(path) is not None])


@dataclass(frozen=True, slots=True)
class NetworkSizes:
    """Size and shape of n networks: all of them that the estimate looks at.

    Attributes:
        params: Parameters with 1000 classes, (n,).
        macs: MACs with 1000 classes at the networks' resolution, (n,).
        resolution_px: Side of the images, (n,).
        shape: Columns :data:`DESIGN` and :data:`SHAPE`, (n, columns).
    """

    params: NDArray[np.int64]
    macs: NDArray[np.int64]
    resolution_px: FloatArray
    shape: FloatArray

    def __len__(self) -> int:
        return len(self.params)

    @staticmethod
    def of(architectures: Sequence[Architecture]) -> NetworkSizes:
        """Return those of architectures."""
        counts = [count(architecture) for architecture in architectures]
        shapes = [_columns(_ArchitectureFields(architecture)) for architecture in architectures]
        return NetworkSizes(
            np.array([one.params for one in counts], dtype=np.int64),
            np.array([one.macs for one in counts], dtype=np.int64),
            np.array([architecture.resolution_px for architecture in architectures], dtype=float),
            np.concatenate([np.zeros((0, len(DESIGN) + len(SHAPE))), *shapes]),
        )

    @staticmethod
    def of_rows(space: SearchSpace, rows: Rows, costs: Costs) -> NetworkSizes:
        """Return those of encoded architectures.

        Args:
            space: Space of the rows.
            rows: Encoded architectures, (n, dimensions).
            costs: Their costs with 1000 classes.
        """
        resolution = np.empty(len(rows))
        shape = np.empty((len(rows), len(DESIGN) + len(SHAPE)))
        # In parts whose many intermediate columns fit into the processor's cache.
        for start in range(0, len(rows), _ROWS):
            part = slice(start, start + _ROWS)
            fields = _RowFields(space, rows[part])
            resolution[part] = fields.value("resolution_px")
            shape[part] = _columns(fields)
        return NetworkSizes(costs.params, costs.macs, resolution, shape)


def _columns(fields: Fields) -> FloatArray:
    return np.column_stack([_design(fields), _shape(fields)])


class _BlockMeans:
    """Means over the blocks of n networks; 0 for a network without blocks."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        numbers = range(1, fields.stages + 1)
        self._there = {
            number: np.asarray(fields.value(f"stage{number}.block") != CONV) for number in numbers
        }
        self.blocks = sum((there.astype(float) for there in self._there.values()), np.zeros(1))
        self._divisor = np.maximum(self.blocks, 1.0)

    def share(self, name: str, value: object) -> FloatArray:
        """Return the share of blocks whose field has a value, (n,)."""
        return self._mean(name, lambda values: (values == value).astype(float))

    def log2(self, name: str, other: str) -> FloatArray:
        """Return the mean of the log2 of the ratio of two fields, (n,)."""
        total = np.zeros(len(self._fields))
        for number, there in self._there.items():
            first, second = f"stage{number}.{name}", f"stage{number}.{other}"
            has = there & self._fields.active(first) & self._fields.active(second)
            ratio = np.where(has, self._fields.value(first), 1) / np.where(
                has, self._fields.value(second), 1
            )
            total += np.log2(ratio)
        return total / self._divisor

    def few(self, name: str, usual: int) -> FloatArray:
        """Return the mean of log2(usual / value) where the value is below the usual one, (n,)."""
        return self._mean(
            name, lambda values: np.log2(usual / np.clip(values, 1, usual).astype(float))
        )

    def many(self, name: str, usual: int) -> FloatArray:
        """Return the mean of log2(value / usual) where the value is above the usual one, (n,)."""
        return self._mean(name, lambda values: np.log2(np.maximum(values, usual) / usual))

    def total(self, name: str) -> FloatArray:
        """Return the sum of a field over the blocks, (n,)."""
        return self._sum(name, lambda values: values.astype(float))

    def _mean(self, name: str, of: Any) -> FloatArray:
        result: FloatArray = self._sum(name, of) / self._divisor
        return result

    def _sum(self, name: str, of: Any) -> FloatArray:
        total = np.zeros(len(self._fields))
        for number, there in self._there.items():
            path = f"stage{number}.{name}"
            has = there & self._fields.active(path)
            if has.any():
                total += np.where(has, of(self._fields.value(path)), 0.0)
        return total


def _design(fields: Fields) -> FloatArray:
    means = _BlockMeans(fields)
    share = means.blocks / max(fields.stages - _FIRST_BLOCK_STAGE, 1)
    pointwise = means.share("fusion_kernel", 1)
    return np.column_stack(
        [
            share,
            share * means.share("attention", "separable"),
            share * means.share("fusion", "none"),
            share * means.share("fusion", "local"),
            share * pointwise,
            share * means.share("residual", True),
            share * means.share("local_conv", "depthwise"),
            share * means.few("heads", _USUAL_HEADS),
            share * means.many("patch", _USUAL_KERNEL),
        ]
    )


def _shape(fields: Fields) -> FloatArray:
    means = _BlockMeans(fields)
    numbers = range(1, fields.stages + 1)
    widths = [fields.value(f"stage{number}.width").astype(float) for number in numbers]
    depths = [fields.value(f"stage{number}.depth").astype(float) for number in numbers]
    expansions = [fields.value(f"stage{number}.expansion").astype(float) for number in numbers]
    first, last = widths[0], widths[-1]
    # Without a convolution before pooling the last stage is the head.
    wide = fields.value("head.width").astype(float)
    head = np.where(wide > 0, wide, last)
    return np.column_stack(
        [
            np.log2(last / first),
            sum((np.log2(value) for value in expansions), np.zeros(len(fields))) / len(expansions),
            np.log2(fields.value("stem.width") / first),
            means.log2("dim", "width"),
            means.log2("ffn_dim", "dim"),
            np.log2(1.0 + means.total("transformer_depth")),
            np.log2(sum(depths, np.zeros(len(fields)))),
            np.log2(head / last),
            np.log2(widths[min(1, fields.stages - 1)] / last),
        ]
    )
