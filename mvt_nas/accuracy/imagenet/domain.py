"""Where the ImageNet estimate holds, and what real networks of a cost reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.imagenet.law import DISTILLED_RECIPE, EXTRA_DATA_RECIPE
from mvt_nas.accuracy.imagenet.observations import MODEL, PublishedObservations
from mvt_nas.accuracy.imagenet.published_results import PublishedResult
from mvt_nas.cost.counts import count


@dataclass(frozen=True, slots=True)
class DomainDistance:
    """How far networks are outside of the domain.

    Attributes:
        factor: Largest factor by which a quantity leaves its range, (n,); 1 inside.
        total: Sum of the logarithms of these factors over the quantities, (n,); 0 inside.
    """

    factor: FloatArray
    total: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Ranges in which published networks of this kind lie, with a margin.

    Attributes:
        params: Parameters with 1000 classes.
        macs: MACs at the network's resolution.
        resolution_px: Side of the images.
        least_known: Share of the variance of the shape that published networks must explain.
        widening: Standard deviation of z that is added per unit of the distance from the domain.
    """

    params: tuple[float, float] = (1.1e6, 19e6)
    macs: tuple[float, float] = (0.03e9, 17e9)
    resolution_px: tuple[float, float] = (160, 384)
    least_known: float = 0.1
    widening: float = 0.1

    def distance(
        self, params: ArrayLike, macs: ArrayLike, resolution_px: ArrayLike
    ) -> DomainDistance:
        """Return the distances of networks from the domain."""
        logs = []
        for values, (least, most) in (
            (params, self.params),
            (macs, self.macs),
            (resolution_px, self.resolution_px),
        ):
            given = np.asarray(values, dtype=float)
            logs.append(np.log(np.maximum(np.maximum(given / most, least / given), 1.0)))
        stacked = np.array(logs)
        return DomainDistance(np.exp(stacked.max(axis=0)), stacked.sum(axis=0))


ROOM = 1.25
"""Factor of parameters and MACs within which a real network counts as one of equal cost."""


class Envelope:
    """The best accuracy of real networks by their cost, without teachers and further data.

    Args:
        steps: Parameters, MACs and accuracy in percent of networks that are better than all of at
            most their cost, from the worst to the best.
    """

    def __init__(self, steps: Sequence[tuple[float, float, float]]) -> None:
        self.steps = tuple(steps)

    @staticmethod
    def of(results: Sequence[PublishedResult], found: PublishedObservations) -> Envelope:
        """Return the envelope of published results and of the 19 published models."""
        kept = [one for one in results if one.recipe not in (DISTILLED_RECIPE, EXTRA_DATA_RECIPE)]
        points = [(float(one.params), float(one.macs), one.top1) for one in kept]
        for index in found.of_kind(MODEL):
            counts = count(found.architectures[index])
            points.append((float(counts.params), float(counts.macs), float(found.top1[index])))
        return Envelope(
            sorted(
                (point for point in points if not any(_beats(other, point) for other in points)),
                key=lambda point: point[2],
            )
        )

    def best(self, params: ArrayLike, macs: ArrayLike) -> FloatArray:
        """Return the best accuracy of real networks of up to 1.25 times the costs, (n,).

        Networks smaller than all real ones have the accuracy of the worst of these.
        """
        most_params = ROOM * np.asarray(params, dtype=float)
        most_macs = ROOM * np.asarray(macs, dtype=float)
        result = np.full(most_params.shape, self.steps[0][2])
        # From the worst to the best, so that the best that fits is written last.
        for step_params, step_macs, top1 in self.steps:
            result[(step_params <= most_params) & (step_macs <= most_macs)] = top1
        return result


def _beats(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    """Return True if a network is better than another one at no higher cost."""
    return one[0] <= other[0] and one[1] <= other[1] and one[2] > other[2]
