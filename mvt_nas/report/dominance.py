"""Which points dominate another, and which of them does so most evenly. Points are costs: less is better in each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]


def dominating(own: Costs, costs: Costs) -> NDArray[np.bool_]:
    """Return which of several points, (n, objectives), are nowhere worse than ``own``, (objectives,), and somewhere better."""
    gains = own - costs
    return np.asarray((gains >= 0).all(axis=1) & (gains > 0).any(axis=1))


def most_evenly(own: Costs, costs: Costs, spans: Costs) -> int | None:
    """Return the place of the dominating point whose smallest gain is the largest; ``None`` where none dominates.

    Args:
        own: the point that is dominated, (objectives,).
        costs: the others, (n, objectives).
        spans: what a gain is measured by, (objectives,).
    """
    better = dominating(own, costs)
    return int(np.argmax(np.where(better, ((own - costs) / spans).min(axis=1), -np.inf))) if better.any() else None
