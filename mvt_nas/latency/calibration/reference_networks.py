"""Selection of the networks to measure for a profile.

Fitted networks are spread as widely as the space allows; test networks are drawn from the space,
and some are published ones. Networks are spread in what latency depends on: the logarithm of the
time in each group of kernels, by the roofline. So attention of both kinds, patches, widths, depths
and resolutions all vary together. Most of a space is large networks, while most searches look for
small ones, so a third of the candidates are published networks with a dozen changes.

Source: farthest-first traversal, T. F. Gonzalez, Theoretical Computer Science 38 (1985).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.model.scaling_groups import BY_GROUP
from mvt_nas.models.lowering import lower
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace

_DRAWN = 300
_CHANGED = 100
_CHANGES = 12
# The few largest networks of a sample take as long as all others together.
_HEAVIEST_QUANTILE = 0.97
_SMALLEST_MS = 1e-3


@dataclass(frozen=True, slots=True)
class ReferenceNetworks:
    """The networks to measure for a profile, with titles.

    Attributes:
        to_fit: Networks to fit the model to.
        to_test: Other networks to evaluate the model on.
    """

    to_fit: tuple[tuple[str, Architecture], ...]
    to_test: tuple[tuple[str, Architecture], ...]

    @property
    def all(self) -> tuple[tuple[str, Architecture], ...]:
        """All networks, those to fit first."""
        return (*self.to_fit, *self.to_test)


def choose_reference_networks(
    space: SearchSpace, *, to_fit: int, to_test: int, seed: int
) -> ReferenceNetworks:
    """Return different networks of a space.

    A third of the test networks are published ones, as far as the space contains any.

    Args:
        space: space to choose from.
        to_fit: number of networks to fit to.
        to_test: number of test networks.
        seed: random seed.
    """
    pool, features = _pool(space, seed)
    spread = farthest_first(features, min(to_fit, len(pool)))
    fitted_keys = {pool[index].key for index in spread}
    test = [
        (name, zoo(name))
        for name in _published(space, to_test // 3, seed)
        if zoo(name).key not in fitted_keys
    ]
    taken = fitted_keys | {architecture.key for _, architecture in test}
    others = [architecture for architecture in pool if architecture.key not in taken]
    test += [
        (f"test{number}", architecture)
        for number, architecture in enumerate(others[: to_test - len(test)], start=1)
    ]
    return ReferenceNetworks(
        tuple((f"reference{n}", pool[index]) for n, index in enumerate(spread, start=1)),
        tuple(test),
    )


def _pool(space: SearchSpace, seed: int) -> tuple[list[Architecture], FloatArray]:
    """Return different architectures in random order, without the heaviest, and their features.

    Features are the logarithms of the times by group, (n, groups).
    """
    rng = np.random.default_rng(seed)
    drawn = space.decode_many([*space.sample(_DRAWN, seed), *_random_walks(space, rng)])
    shuffled = [drawn[index] for index in rng.permutation(len(drawn))]
    different = list({architecture.key: architecture for architecture in shuffled}.values())
    # The last column is the fixed time, always 1.
    times = np.stack(
        [BY_GROUP.times(lower(architecture), ROOFLINE)[:-1] for architecture in different]
    )
    total = times.sum(axis=1)
    kept = np.flatnonzero(total <= np.quantile(total, _HEAVIEST_QUANTILE))
    # Groups without any kernel take 0 ms, whose logarithm does not exist.
    return [different[index] for index in kept], np.log(np.maximum(times[kept], _SMALLEST_MS))


def _random_walks(space: SearchSpace, rng: np.random.Generator) -> list[NDArray[np.int32]]:
    """Return networks some random steps away from published ones, (dimensions,) each.

    The list is empty where the space contains no published network.
    """
    starts = [space.encode(zoo(name)) for name in published_names() if space.contains(zoo(name))]
    ends = []
    for number in range(_CHANGED if starts else 0):
        row = starts[number % len(starts)]
        for _ in range(_CHANGES):
            row = rng.choice(space.neighbours(row))
        ends.append(row)
    return ends


def _published(space: SearchSpace, n: int, seed: int) -> list[str]:
    names = [name for name in published_names() if space.contains(zoo(name))]
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[index] for index in sorted(order[:n])]


def farthest_first(features: FloatArray, n: int) -> list[int]:
    """Return the indices of ``n`` rows, each as far as possible from the previous ones.

    The first is the most central.
    """
    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    chosen = [int(np.argmin((scaled**2).sum(axis=1)))]
    # Squared distance of each row to the nearest chosen one.
    distance = ((scaled - scaled[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < n:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((scaled - scaled[chosen[-1]]) ** 2).sum(axis=1))
    return chosen
