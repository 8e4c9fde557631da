"""Whether two tables order the same networks alike, such as one of short trainings and one of long ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mvt_nas.accuracy.ranking import kendall
from mvt_nas.accuracy.table import Table
from mvt_nas.errors import AccuracyError

_LEAST = 4


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike two tables are, over the networks that both hold.

    Attributes:
        n: number of these networks.
        tau: Kendall's rank correlation of their accuracies.
        spearman: Spearman's.
        mean: their mean accuracy in the one table, in percent.
        other_mean: in the other.
    """

    n: int
    tau: float
    spearman: float
    mean: float
    other_mean: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def agreement(table: Table, other: Table) -> Agreement:
    """Return how alike two tables order the networks that both hold; accuracies are averaged over seeds.

    Raises:
        AccuracyError: they share fewer than four networks.
    """
    from scipy.stats import spearmanr

    there, here = table.accuracies(), other.accuracies()
    shared = [key for key in there if key in here]
    if len(shared) < _LEAST:
        raise AccuracyError(f"{other.where}: shares {len(shared)} trained networks with {table.where}; at least {_LEAST} are needed")
    a, b = (np.array([found[key] for key in shared]) for found in (there, here))
    return Agreement(len(shared), kendall(a, b), float(spearmanr(a, b).statistic), float(a.mean()), float(b.mean()))
