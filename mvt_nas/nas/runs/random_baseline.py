"""Random baseline of a run: uniform random architectures under its known budgets.

A report compares the search with as many random architectures, whose objectives are known. Sampling
them needs the tables of the space, which a search has and a report has not. So a finished search
writes the random architectures that no earlier one dominates, and the range of all, to
``chance.json`` in its folder. Without that file, the same architectures are sampled again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mvt_nas._io import content_hash, write_text
from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.errors import RunError
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.pareto import cost_signs, pareto_front
from mvt_nas.space.columns import Rows

FILE = "chance.json"
# A seed that no search is likely to have.
_SEED = 2**31
# Rows that are sampled at once.
_AT_ONCE = 20_000
# Rows that are compared with the front at once.
_STEP = 256


@dataclass(frozen=True, slots=True)
class RandomBaseline:
    """Random architectures and their objectives.

    Attributes:
        count: Number of all sampled architectures.
        places: Ascending positions of those that may have been on the front when sampled, (k,).
        scores: Their objectives, (k, objectives).
        corners: Smallest and largest value of all in each objective, (2, objectives); (0,
            objectives) if there are none.
    """

    count: int
    places: IndexArray
    scores: FloatArray
    corners: FloatArray

    def whole(self) -> FloatArray:
        """Return the objectives of all, (count, objectives); NaN where an earlier one dominates."""
        result = np.full((self.count, self.scores.shape[1]), np.nan)
        result[self.places] = self.scores
        return result


def sample_random_baseline(
    feasibility: Feasibility, objectives: Sequence[Objective], count: int
) -> RandomBaseline:
    """Return ``count`` random architectures; fewer where four times as many draws give fewer."""
    known = feasibility.known.of(_rows(feasibility, count))
    scores = np.column_stack(
        [np.asarray(known[objective.name], dtype=float) for objective in objectives]
    )
    corners = np.stack([scores.min(axis=0), scores.max(axis=0)]) if len(scores) else scores
    signs = cost_signs([objective.direction for objective in objectives])
    places = _running_front(scores * signs)
    return RandomBaseline(len(scores), places, scores[places], corners)


def write_random_baseline(
    folder: Path, config: RunConfig, baseline: RandomBaseline, trials: int
) -> None:
    """Write the random baseline for a number of trials into a run folder.

    Raises:
        RunError: The file cannot be written.
    """
    content = {
        "of": _inputs_hash(config, trials),
        "count": baseline.count,
        "places": baseline.places.tolist(),
        "scores": baseline.scores.tolist(),
        "corners": baseline.corners.tolist(),
    }
    text = json.dumps(content, separators=(",", ":")) + "\n"
    write_text(folder / FILE, text, error=RunError)


def read_random_baseline(folder: Path, config: RunConfig, trials: int) -> RandomBaseline | None:
    """Return the random baseline in a run folder; None if missing or of other inputs."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if content["of"] != _inputs_hash(config, trials):
            return None
        width = len(config.objectives)
        return RandomBaseline(
            count=int(content["count"]),
            places=np.array(content["places"], dtype=np.intp),
            scores=np.array(content["scores"], dtype=np.float64).reshape(-1, width),
            corners=np.array(content["corners"], dtype=np.float64).reshape(-1, width),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _inputs_hash(config: RunConfig, trials: int) -> str:
    """Return a hash of everything that determines the random baseline."""
    return content_hash(
        [
            config.space_hash,
            dict(config.devices),
            dict(config.accuracy),
            list(map(str, config.objectives)),
            list(map(str, config.known_budgets)),
            config.num_classes,
            trials,
        ]
    )


def _rows(feasibility: Feasibility, count: int) -> Rows:
    """Return up to ``count`` feasible rows of four times as many draws.

    Many rows are drawn part by part, until there are enough.
    """
    if count <= _AT_ONCE:
        return feasibility.sample(count, _SEED)
    rng = np.random.default_rng(_SEED)
    parts = []
    found = 0
    for _ in range(0, 4 * count, _AT_ONCE):
        part = feasibility.draw(_AT_ONCE, rng)
        parts.append(part)
        found += len(part)
        if found >= count:
            break
    return np.concatenate(parts)[:count] if found else feasibility.sample(count, _SEED)


def _running_front(costs: FloatArray) -> IndexArray:
    """Return the positions of costs, (n, objectives), that no cost of an earlier part dominates.

    Costs that equal an earlier one are left out as well. Within a part, rows are compared with the
    front of the parts before only.
    """
    places = [np.zeros(0, dtype=np.intp)]
    front = costs[:0]
    for start in range(0, len(costs), _STEP):
        part = costs[start : start + _STEP]
        new = np.array([not (front <= cost).all(axis=1).any() for cost in part])
        places.append(start + np.flatnonzero(new))
        both = np.concatenate([front, part[new]])
        front = both[pareto_front(both, ["min"] * costs.shape[1])]
    return np.concatenate(places)
