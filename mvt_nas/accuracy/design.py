"""Which networks to train for a table that scores can be judged by.

Networks drawn uniformly from a space are mostly of one size, and a score that only counts does well
on the rest. So there are two panels: one spread evenly over sizes, and one of equal size, in which
counting knows nothing. The published designs come with both, shrunk to the protocol's size.

Both are taken from a pool, drawn in one of two ways. Uniformly over architectures, nearly all have
a transformer in every stage that may have one, since that is what most architectures have.
Uniformly over choices, plain convolutional stages are as frequent as others: a search goes there,
so a table has to have been there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import gcd

import numpy as np
from numpy.typing import NDArray

from mvt_nas.accuracy.features import FeatureTable
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.cost.counts import count
from mvt_nas.cost.table import CostTable
from mvt_nas.errors import SpaceError
from mvt_nas.space.architecture import Architecture, Block
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.space.widths import make_divisible

MATCHED_WITHIN = 0.05
"""By which share the MACs of a network of the matched panel may differ from its budget."""

_POOL = 20_000
_CODES = 400_000  # few of them obey the rules of a space
_STRATA = 12
_TAILS = (0.01, 0.99)
_CHANNELS = 8

SPREAD, MATCHED, PUBLISHED = "spread", "matched", "published"
ARCHITECTURES, CHOICES = "architectures", "choices"


@dataclass(frozen=True, slots=True)
class PlannedNetwork:
    """A network to train.

    Attributes:
        panel: ``spread``, ``matched`` or ``published``.
        title: what it is called.
        architecture: as it is trained.
    """

    panel: str
    title: str
    architecture: Architecture


def plan_networks(
    space: SearchSpace,
    *,
    spread: int,
    matched: int,
    num_classes: int,
    seed: int,
    budget: float | None = None,
    most_macs: float | None = None,
    draw: str = CHOICES,
) -> tuple[list[PlannedNetwork], float]:
    """Return networks of both panels, no two of them equal, and the MACs of the matched panel.

    Args:
        space: as it is trained.
        spread: networks spread over sizes.
        matched: networks of one size.
        num_classes: outputs of the classifier.
        seed: of the draw.
        budget: MACs of the matched panel; the median of what is drawn without.
        most_macs: of the largest network.
        draw: :data:`ARCHITECTURES` or :data:`CHOICES`: over which the pool is uniform.

    Raises:
        SpaceError: the space has too few networks of that size.
    """
    rows = space.sample(_POOL, seed) if draw == ARCHITECTURES else _by_choices(space, seed)
    rows = rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
    macs = CostTable(space, num_classes=num_classes).costs(rows)["macs"].astype(float)
    if most_macs is not None:
        rows, macs = rows[macs <= most_macs], macs[macs <= most_macs]
    if len(rows) < spread + matched:
        raise SpaceError(
            f"{space.name}: {len(rows)} networks of {_POOL} drawn are small enough;"
            f" {spread + matched} are needed"
        )
    features = FeatureTable(space, num_classes=num_classes).features(rows)
    budget = float(np.median(macs)) if budget is None else budget
    near = np.flatnonzero(np.abs(macs / budget - 1) <= MATCHED_WITHIN)
    if len(near) < matched:
        raise SpaceError(
            f"{space.name}: {len(near)} of {len(rows)} networks have about {budget:.4g} MACs;"
            f" {matched} are needed"
        )
    rng = np.random.default_rng(seed)
    chosen_near = [int(near[index]) for index in _spread_out(features[near], matched, rng)]
    free = np.setdiff1d(np.arange(len(rows)), chosen_near)
    by_size = _by_size(macs[free], features[free], spread, rng)
    chosen = [
        int(free[index]) for index in rng.permutation(by_size)
    ]  # an early end leaves networks of all sizes
    mark = f"{seed}." if seed else ""
    named = [(SPREAD, f"spread{mark}{n}", index) for n, index in enumerate(chosen, start=1)]
    named += [(MATCHED, f"matched{mark}{n}", index) for n, index in enumerate(chosen_near, start=1)]
    return [
        PlannedNetwork(panel, title, space.decode(rows[index])) for panel, title, index in named
    ], budget


def _by_choices(space: SearchSpace, seed: int) -> Rows:
    """Return canonical rows whose codes were drawn independently, without those that break the rules, (n, dimensions)."""
    sizes = [len(dimension.values) for dimension in space.dimensions]
    rows = space.canonical(
        np.random.default_rng(seed).integers(0, sizes, size=(_CODES, len(sizes)))
    )
    return rows[space.obeys(rows)][:_POOL]


def scaled_down(architecture: Architecture, macs: float, *, num_classes: int) -> Architecture:
    """Return the architecture with all widths and dims times one factor, the largest with which it has at most ``macs`` MACs.

    Widths are multiples of 8, at least 8. The factor is at most 1. Where not even the smallest has
    so few, the smallest is returned.
    """
    for factor in np.linspace(1.0, 0.05, 96):
        found = _scaled(architecture, float(factor))
        if count(found, num_classes=num_classes).macs <= macs:
            return found
    return found


def _scaled(architecture: Architecture, factor: float) -> Architecture:
    def width(value: int) -> int:
        return int(make_divisible(value * factor, _CHANNELS))

    stages = tuple(
        replace(stage, width=width(stage.width), block=_scaled_block(stage.block, factor))
        for stage in architecture.stages
    )
    head = None if architecture.head_width is None else width(architecture.head_width)
    return replace(
        architecture, stem_width=width(architecture.stem_width), head_width=head, stages=stages
    )


def _scaled_block(block: Block | None, factor: float) -> Block | None:
    if not isinstance(block, MobileViT):
        return block
    unit = _CHANNELS * (block.heads or 1) // gcd(_CHANNELS, block.heads or 1)
    dim = max(unit, int(make_divisible(block.dim * factor, unit)))
    return replace(
        block,
        dim=dim,
        ffn_dim=max(_CHANNELS, int(make_divisible(block.ffn_dim * factor, _CHANNELS))),
    )


def _by_size(
    macs: NDArray[np.float64], features: NDArray[np.float64], n: int, rng: np.random.Generator
) -> list[int]:
    """Return the indices of n networks, as many from each of some strata of log-MACs, spread out within each."""
    logs = np.log(macs)
    low, high = np.quantile(logs, _TAILS)
    edges = np.linspace(low, high, min(_STRATA, n) + 1)
    found: list[int] = []
    for number, (start, end) in enumerate(pairwise(edges)):
        members = np.flatnonzero((logs >= start) & (logs <= end))
        wanted = (n * (number + 1)) // (len(edges) - 1) - (n * number) // (len(edges) - 1)
        found += [
            int(members[index])
            for index in _spread_out(features[members], min(wanted, len(members)), rng)
        ]
    return found


def _spread_out(features: NDArray[np.float64], n: int, rng: np.random.Generator) -> list[int]:
    """Return the indices of n rows, each far from those before it: the farthest of a random tenth of the rest."""
    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    if not n:
        return []
    chosen = [int(rng.integers(len(scaled)))]
    distance = ((scaled - scaled[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < n:
        some = rng.permutation(len(scaled))[: max(2, len(scaled) // 10)]
        best = int(some[np.argmax(distance[some])])
        if best not in chosen:
            chosen.append(best)
        distance = np.minimum(distance, ((scaled - scaled[best]) ** 2).sum(axis=1))
    return chosen


def repeats(planned: Sequence[PlannedNetwork], n: int) -> list[PlannedNetwork]:
    """Return n of the networks that are to be trained with more seeds: as many of each panel as its share, evenly over each."""
    if not n:
        return []
    places = np.unique(np.linspace(0, len(planned) - 1, n).round().astype(int))
    return [planned[place] for place in places]
