"""Which networks to measure for a profile: some spread as wide as the space, some drawn from it and published ones to judge by.

Spread means spread in what latency depends on: the logarithm of the time in each group of kernels,
by the roofline. So attention of both kinds, patches, widths, depths and resolutions all vary, and
together. Most of a space is large networks, and most searches want small ones: so a third of the
candidates are published networks with a dozen changes.

Source: farthest-first traversal, T. F. Gonzalez, Theoretical Computer Science 38 (1985).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.model.scaling_groups import BY_GROUP
from mvt_nas.models.lowering import lower
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace

_DRAWN = 300
_CHANGED = 100
_CHANGES = 12
_HEAVIEST = 0.97  # the few largest networks of a draw take as long as all others
_SMALLEST_MS = 1e-3


@dataclass(frozen=True, slots=True)
class ReferenceNetworks:
    """Networks with titles.

    Attributes:
        to_fit: what a model is fitted to.
        to_judge: what it is judged by.
    """

    to_fit: tuple[tuple[str, Architecture], ...]
    to_judge: tuple[tuple[str, Architecture], ...]


def choose_reference_networks(
    space: SearchSpace, *, to_fit: int, to_judge: int, seed: int
) -> ReferenceNetworks:
    """Return networks of a space, no two of them equal; a third of those to judge by are published ones, as far as the space has any."""
    pool, features = _pool(space, seed)
    spread = farthest_first(features, min(to_fit, len(pool)))
    taken = {pool[index].key for index in spread}
    judges = [
        (name, zoo(name))
        for name in _published(space, to_judge // 3, seed)
        if zoo(name).key not in taken
    ]
    rest = [architecture for index, architecture in enumerate(pool) if index not in set(spread)]
    strangers = [a for a in rest if a.key not in {found.key for _, found in judges}]
    judges += [
        (f"judge{number}", architecture)
        for number, architecture in enumerate(strangers[: to_judge - len(judges)], start=1)
    ]
    return ReferenceNetworks(
        tuple((f"reference{n}", pool[index]) for n, index in enumerate(spread, start=1)),
        tuple(judges),
    )


def _pool(space: SearchSpace, seed: int) -> tuple[list[Architecture], NDArray[np.float64]]:
    """Return different architectures in random order, the heaviest left out, and their features."""
    rng = np.random.default_rng(seed)
    drawn = space.decode_many([*space.sample(_DRAWN, seed), *_walks(space, rng)])
    drawn = [drawn[index] for index in rng.permutation(len(drawn))]
    different = list({architecture.key: architecture for architecture in drawn}.values())
    times = np.stack(
        [BY_GROUP.times(lower(architecture), ROOFLINE)[:-1] for architecture in different]
    )
    total = times.sum(axis=1)
    kept = np.flatnonzero(total <= np.quantile(total, _HEAVIEST))
    return [different[index] for index in kept], np.log(np.maximum(times[kept], _SMALLEST_MS))


def _walks(space: SearchSpace, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """Return networks some random steps away from published ones; none where the space has no published network."""
    starts = [space.encode(zoo(name)) for name in published_names() if space.contains(zoo(name))]
    found = []
    for number in range(_CHANGED if starts else 0):
        row = starts[number % len(starts)]
        for _ in range(_CHANGES):
            row = rng.choice(space.neighbours(row))
        found.append(row)
    return found


def _published(space: SearchSpace, n: int, seed: int) -> list[str]:
    names = [name for name in published_names() if space.contains(zoo(name))]
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[index] for index in sorted(order[:n])]


def farthest_first(features: NDArray[np.float64], n: int) -> list[int]:
    """Return the indices of n rows, each as far as possible from those before it; the first is the most central."""
    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    chosen = [int(np.argmin((scaled**2).sum(axis=1)))]
    distance = ((scaled - scaled[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < n:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((scaled - scaled[chosen[-1]]) ** 2).sum(axis=1))
    return chosen
