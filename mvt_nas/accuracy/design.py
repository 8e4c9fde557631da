"""Choice of the networks to train for an accuracy table.

Networks drawn uniformly from a space are mostly of one size, and a proxy that only counts does well
on the rest. So there are two subsets: one spread evenly over sizes, and one of equal size, in which
counting is of no use. The published designs are added, shrunk to the protocol's size.

Both subsets are taken from a pool, drawn in one of two ways. Uniformly over architectures, nearly
all networks have a transformer in every stage that allows one, as most architectures do. Uniformly
over choices, plain convolutional stages are as frequent as others: a search explores these too, so
a table needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import gcd

import numpy as np

from mvt_nas._typing import FloatArray
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
"""Largest relative difference of the MACs of a network in the matched subset from its budget."""

SPREAD, MATCHED, PUBLISHED = "spread", "matched", "published"
"""Subsets: spread over sizes, of equal size, and published designs."""

ARCHITECTURES, CHOICES = "architectures", "choices"
"""Ways to draw the pool: uniformly over architectures, or over the choices of the space."""

_POOL = 20_000
# Codes drawn independently, of which few obey the rules of a space.
_CODES = 400_000
# Strata of sizes, and the quantiles of log-MACs between which they are.
_STRATA = 12
_TAILS = (0.01, 0.99)
# Widths of shrunk networks are multiples of this.
_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class PlannedNetwork:
    """A network to train.

    Attributes:
        subset: ``spread``, ``matched`` or ``published``.
        title: Name of the network.
        architecture: Architecture as trained.
    """

    subset: str
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
    """Return distinct networks of the spread and the matched subset, and the MACs of the latter.

    Args:
        space: Space as trained.
        spread: Number of networks spread over sizes.
        matched: Number of networks of equal size.
        num_classes: Number of outputs of the classifier.
        seed: Seed of the draw.
        budget: MACs of the matched subset; by default the median of the pool.
        most_macs: MACs of the largest network.
        draw: What the pool is uniform over, :data:`ARCHITECTURES` or :data:`CHOICES`.

    Raises:
        SpaceError: the space has too few networks of that size.
    """
    rows = space.sample(_POOL, seed) if draw == ARCHITECTURES else _by_choices(space, seed)
    # Distinct rows, in the order in which they were drawn.
    rows = rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
    macs = CostTable(space, num_classes=num_classes).costs(rows)["macs"].astype(float)
    if most_macs is not None:
        small = macs <= most_macs
        rows = rows[small]
        macs = macs[small]
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
    # Shuffled, so that an interrupted run has trained networks of all sizes.
    chosen = [int(free[index]) for index in rng.permutation(by_size)]
    # Titles of another seed must not collide with those of seed 0.
    mark = f"{seed}." if seed else ""
    named = [(SPREAD, f"spread{mark}{n}", index) for n, index in enumerate(chosen, start=1)]
    named += [(MATCHED, f"matched{mark}{n}", index) for n, index in enumerate(chosen_near, start=1)]
    planned = [
        PlannedNetwork(subset, title, space.decode(rows[index])) for subset, title, index in named
    ]
    return planned, budget


def _by_choices(space: SearchSpace, seed: int) -> Rows:
    """Return canonical rows with independently drawn codes that obey the rules, (n, dimensions)."""
    sizes = [len(dimension.values) for dimension in space.dimensions]
    rows = space.canonical(
        np.random.default_rng(seed).integers(0, sizes, size=(_CODES, len(sizes)))
    )
    return rows[space.obeys(rows)][:_POOL]


def scaled_down(architecture: Architecture, macs: float, *, num_classes: int) -> Architecture:
    """Return the architecture with all widths and dims scaled down to at most ``macs`` MACs.

    All are multiplied by the largest factor up to 1 that suffices; widths are multiples of 8, at
    least 8. If not even the smallest factor suffices, the smallest network is returned.
    """
    for factor in np.linspace(1.0, 0.05, 96):
        scaled = _scaled(architecture, float(factor))
        if count(scaled, num_classes=num_classes).macs <= macs:
            break
    return scaled


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
    # The least common multiple: the dim has to be divisible by the number of heads.
    heads = block.heads or 1
    unit = _CHANNELS * heads // gcd(_CHANNELS, heads)
    dim = max(unit, int(make_divisible(block.dim * factor, unit)))
    return replace(
        block,
        dim=dim,
        ffn_dim=max(_CHANNELS, int(make_divisible(block.ffn_dim * factor, _CHANNELS))),
    )


def _by_size(macs: FloatArray, features: FloatArray, n: int, rng: np.random.Generator) -> list[int]:
    """Return the indices of n networks in equal numbers from strata of log-MACs.

    Within each stratum the networks are spread out over the features.
    """
    logs = np.log(macs)
    low, high = np.quantile(logs, _TAILS)
    edges = np.linspace(low, high, min(_STRATA, n) + 1)
    found: list[int] = []
    for number, (start, end) in enumerate(pairwise(edges)):
        members = np.flatnonzero((logs >= start) & (logs <= end))
        # Differences of rounded multiples of n / strata add up to n exactly.
        strata = len(edges) - 1
        wanted = (n * (number + 1)) // strata - (n * number) // strata
        found += [
            int(members[index])
            for index in _spread_out(features[members], min(wanted, len(members)), rng)
        ]
    return found


def _spread_out(features: FloatArray, n: int, rng: np.random.Generator) -> list[int]:
    """Return the indices of n rows, each far from those before it.

    Each next row is the farthest of a random tenth of all rows from the chosen ones.
    """
    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    if not n:
        return []
    chosen = [int(rng.integers(len(scaled)))]
    # Squared distance of every row to the nearest chosen one.
    distance = ((scaled - scaled[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < n:
        candidates = rng.permutation(len(scaled))[: max(2, len(scaled) // 10)]
        best = int(candidates[np.argmax(distance[candidates])])
        if best not in chosen:
            chosen.append(best)
        distance = np.minimum(distance, ((scaled - scaled[best]) ** 2).sum(axis=1))
    return chosen


def repeats(planned: Sequence[PlannedNetwork], n: int) -> list[PlannedNetwork]:
    """Return n evenly spaced networks of a plan, which are to be trained with more seeds.

    The plan is sorted by subset, so each subset has its share of them.
    """
    if not n:
        return []
    indices = np.unique(np.linspace(0, len(planned) - 1, n).round().astype(int))
    return [planned[index] for index in indices]
