"""What chance finds under the budgets of a run: as many architectures, drawn uniformly, whose objectives are known.

A report compares the search with it. To draw needs the tables of the space, which a search has and
a report does not; so a search that ends leaves behind, in its folder, those that nothing drawn
before them dominates, and the corners of all. They may be deleted: whoever misses them draws anew,
and finds the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.runs.folder import write_whole
from mvt_nas.pareto import cost_signs, pareto_front
from mvt_nas.space.columns import Rows

FILE = "chance.json"
_SEED = 2**31  # none that a search is likely to have
_AT_ONCE = 20_000  # rows of a draw
_STEP = 256  # rows that are compared with a front at once


@dataclass(frozen=True, slots=True)
class RandomBaseline:
    """What was drawn.

    Attributes:
        count: of all architectures.
        places: of those that may have been on the front when they were drawn, ascending, (k,).
        scores: their objectives, (k, objectives).
        corners: the least and the largest value of all in each objective, (2, objectives); (0,
            objectives) of none.
    """

    count: int
    places: NDArray[np.intp]
    scores: FloatArray
    corners: FloatArray

    def whole(self) -> FloatArray:
        """Return the objectives of all, (count, objectives); NaN where something drawn before dominates it."""
        result = np.full((self.count, self.scores.shape[1]), np.nan)
        result[self.places] = self.scores
        return result


def sample_random_baseline(
    feasibility: Feasibility, objectives: Sequence[Objective], count: int
) -> RandomBaseline:
    """Return what ``count`` draws find; of fewer, where the budgets leave four times as many draws fewer."""
    known = feasibility.known.of(_rows(feasibility, count))
    scores = np.column_stack([np.asarray(known[one.name], dtype=float) for one in objectives])
    corners = np.stack([scores.min(axis=0), scores.max(axis=0)]) if len(scores) else scores
    places = _leading(scores * cost_signs([one.direction for one in objectives]))
    return RandomBaseline(len(scores), places, scores[places], corners)


def write_random_baseline(
    folder: Path, config: RunConfig, chance: RandomBaseline, trials: int
) -> None:
    """Write what chance finds in so many trials into a run folder.

    Raises:
        RunError: it cannot be written.
    """
    content = {"of": _of(config, trials), "count": chance.count, "places": chance.places.tolist()}
    content |= {"scores": chance.scores.tolist(), "corners": chance.corners.tolist()}
    write_whole(folder / FILE, json.dumps(content, separators=(",", ":")) + "\n")


def read_random_baseline(folder: Path, config: RunConfig, trials: int) -> RandomBaseline | None:
    """Return what lies in a run folder; ``None`` where there is nothing, or not that of so many trials."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if found["of"] != _of(config, trials):
            return None
        width = len(config.objectives)
        scores = np.array(found["scores"], dtype=np.float64).reshape(-1, width)
        corners = np.array(found["corners"], dtype=np.float64).reshape(-1, width)
        return RandomBaseline(
            int(found["count"]), np.array(found["places"], dtype=np.intp), scores, corners
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of(config: RunConfig, trials: int) -> str:
    """Return a hash of all that decides on a draw."""
    asked = [
        list(map(str, config.objectives)),
        list(map(str, config.known_budgets)),
        config.num_classes,
        trials,
    ]
    content = [config.space_hash, dict(config.devices), dict(config.accuracy), *asked]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _rows(feasibility: Feasibility, count: int) -> Rows:
    """Return up to ``count`` feasible rows of four times as many draws; many are drawn part by part, until there are enough."""
    if count <= _AT_ONCE:
        return feasibility.sample(count, _SEED)
    rng, parts, found = np.random.default_rng(_SEED), [], 0
    for _ in range(0, 4 * count, _AT_ONCE):
        parts.append(feasibility.draw(_AT_ONCE, rng))
        found += len(parts[-1])
        if found >= count:
            break
    return np.concatenate(parts)[:count] if found else feasibility.sample(count, _SEED)


def _leading(costs: FloatArray) -> NDArray[np.intp]:
    """Return the places of costs, (n, objectives), that nothing before their part of the rows dominates or equals."""
    places, front = [np.zeros(0, dtype=np.intp)], costs[:0]
    for start in range(0, len(costs), _STEP):
        part = costs[start : start + _STEP]
        leads = np.array([not (front <= one).all(axis=1).any() for one in part])
        places.append(start + np.flatnonzero(leads))
        both = np.concatenate([front, part[leads]])
        front = both[pareto_front(both, ["min"] * costs.shape[1])]
    return np.concatenate(places)
