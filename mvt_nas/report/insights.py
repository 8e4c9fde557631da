"""Insights from a run: recommendations, dominated published models, common choices, importances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.metrics.names import INTERVALS, extrapolated
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import cost_signs, dominating_points, most_evenly
from mvt_nas.report.confidence import intervals_confirm

_TREES = 100

# Candidates off the front whose choices are counted.
_MOST_OFF_FRONT = 5000

# With fewer candidates importances would be chance; with more they only take longer.
_LEAST_CANDIDATES = 20
_MOST_CANDIDATES = 2000


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A recommended candidate.

    Attributes:
        number: Number of the candidate.
        why: Reason for the recommendation, as a phrase.
        name: Name of the candidate on the command line, behind the colon of ``RUN:NAME``.
    """

    number: int
    why: str
    name: str


@dataclass(frozen=True, slots=True)
class DominatedModel:
    """A network that a candidate on the front dominates.

    Attributes:
        model: Name of the published model or of the baseline.
        by: Number of the dominating candidate; of several, the one whose smallest gain is largest.
        gains: Improvement by the candidate in each objective, in the objective's unit; positive is
            better.
        confident: Whether the intervals support it: the candidate is better with 90 % in each
            objective that has an interval, and no extrapolation. Otherwise these are about equal.
    """

    model: str
    by: int
    gains: dict[str, float]
    confident: bool = True


@dataclass(frozen=True, slots=True)
class CommonChoice:
    """A choice that recurs on a front.

    Attributes:
        dimension: Name of the dimension.
        value: Most frequent value on the front.
        on_front: Share of the value on the front, 0 to 1.
        elsewhere: Share of the value among the other candidates, 0 to 1.
    """

    dimension: str
    value: object
    on_front: float
    elsewhere: float


BEST = "best"
"""Name of the candidate with the best predicted accuracy within the budgets."""


def recommendations(run: Run) -> list[Recommendation]:
    """Return the best within the budgets, the knee of the front, and the best in each objective."""
    front = run.front()
    found = []
    best = best_within_budgets(run)
    if best is not None:
        found.append(best)
    knee = run.knee()
    if knee is not None:
        why = "the knee: giving up a little of one objective gains most of another"
        found.append(Recommendation(knee, why, "knee"))
    if not front:
        return found
    for objective in run.config.objectives:
        first = min(front, key=lambda c: (objective.cost(c.scores[objective.name]), c.number))
        found.append(Recommendation(first.number, f"best {objective.name}", objective.name))
    return found


def best_within_budgets(run: Run) -> Recommendation | None:
    """Return the candidate to take where accuracy counts most; ``None`` without an interval.

    It has the highest predicted accuracy of those whose low end is no lower than that of any
    published model within the budgets. So an uncertain prediction never replaces a model whose
    accuracy is known. Extrapolations are left out, unless there is nothing else.
    """
    name = next((one.name for one in run.config.objectives if one.name in INTERVALS), None)
    complete = run.complete()
    if name is None or not complete:
        return None
    low, _ = INTERVALS[name]
    pool = [one for one in complete if not extrapolated(one.scores, name)] or complete
    models = [one.scores[low] for one in pool if one.origin != "sampler"]
    floor = max(models, default=-np.inf)
    # The published model with the highest low end always remains.
    candidates = [one for one in pool if one.scores[low] >= floor]
    best = max(candidates, key=lambda one: (one.scores[name], one.scores[low], -one.number))
    what = "the published model" if best.origin != "sampler" else "the candidate"
    why = f"best within your budgets: {what} with the highest {name}"
    if models and best.origin == "sampler":
        why += " whose low end is no lower than any published model's"
    return Recommendation(best.number, why, BEST)


def dominated_models(run: Run) -> list[DominatedModel]:
    """Return the published models among the candidates that the front dominates.

    A candidate that dominates with 90 % goes before one that does so in the estimates alone.
    """
    front = [candidate for candidate in run.front() if candidate.origin == "sampler"]
    costs = _costs(run, front)
    ranges = spans(run)
    names = [objective.name for objective in run.config.objectives]
    found = []
    for model in run.complete():
        if model.origin == "sampler":
            continue
        own = _costs(run, [model])[0]
        sure = [
            index
            for index in np.flatnonzero(dominating_points(own, costs))
            if intervals_confirm(names, front[index].scores, model.scores)
        ]
        among = np.array(sure) if sure else np.arange(len(front))
        best = most_evenly(own, costs[among], ranges)
        if best is not None:
            index = among[best]
            gains = zip(names, (own - costs[index]).tolist(), strict=True)
            found.append(DominatedModel(model.origin, front[index].number, dict(gains), bool(sure)))
    return found


def dominance_summary(dominated: Sequence[DominatedModel], models: int) -> str:
    """Return how many of some published models are dominated, in each sense, as a sentence."""
    sure = sum(one.confident for one in dominated)
    if sure == len(dominated):
        return f"{sure} of {models} are dominated."
    return (
        f"{sure} of {models} are dominated with 90 %; {len(dominated) - sure} more have about the"
        " same accuracy as a candidate that is better in the estimates alone."
    )


def common_choices(run: Run) -> list[CommonChoice]:
    """Return the most frequent value of each dimension on the front.

    Those whose share differs most between the front and the other candidates come first. Shares are
    of the networks in which the dimension has an effect; dimensions without effect in half of the
    front are left out.
    """
    numbers = {candidate.number for candidate in run.front()}
    complete = run.complete()
    front = np.array([c.row for c in complete if c.number in numbers], dtype=np.int32)
    if not len(front):
        return []
    off_front = [c.row for c in complete if c.number not in numbers][:_MOST_OFF_FRONT]
    others = np.array(off_front, dtype=np.int32).reshape(-1, front.shape[1])
    effective_on_front = run.space.effective(front)
    effective_elsewhere = run.space.effective(others)

    found = []
    for index, dimension in enumerate(run.space.dimensions):
        codes = front[effective_on_front[:, index], index]
        if len(dimension.values) < 2 or len(codes) <= len(front) / 2:
            continue
        code, count = Counter(codes.tolist()).most_common(1)[0]
        other_codes = others[effective_elsewhere[:, index], index]
        elsewhere = float(np.mean(other_codes == code)) if len(other_codes) else 0.0
        value = dimension.values[code]
        found.append(CommonChoice(dimension.name, value, count / len(codes), elsewhere))
    return sorted(
        found, key=lambda choice: (-(choice.on_front - choice.elsewhere), choice.dimension)
    )


def importances(run: Run) -> dict[str, dict[str, float]]:
    """Return the share of each objective's variance that each dimension explains.

    Shares sum to 1 and are sorted from large to small. They are the impurity decreases of extremely
    randomised trees on the codes of the candidates, of 2,000 evenly drawn ones if there are more.
    The result is empty if there are too few candidates.

    Source: Geurts, Ernst and Wehenkel, "Extremely randomized trees" (2006).
    """
    candidates = run.complete()
    if len(candidates) < _LEAST_CANDIDATES or not run.space.dimensions:
        return {}
    if sampled(run) is not None:
        drawn = np.random.default_rng(0).choice(len(candidates), _MOST_CANDIDATES, replace=False)
        candidates = [candidates[index] for index in sorted(drawn.tolist())]
    codes = np.array([candidate.row for candidate in candidates], dtype=float)
    scores = run.scores(candidates)
    return {
        objective.name: _importance(run, codes, values)
        for objective, values in zip(run.config.objectives, scores.T, strict=True)
        if np.ptp(values) > 0
    }


def _importance(run: Run, codes: FloatArray, values: FloatArray) -> dict[str, float]:
    """Return the share of each dimension in the variance of values, largest first."""
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(_TREES, random_state=0, min_samples_leaf=3, n_jobs=-1)
    trees.fit(codes, _ranks(values))
    names = [dimension.name for dimension in run.space.dimensions]
    shares = zip(names, trees.feature_importances_.tolist(), strict=True)
    return dict(sorted(shares, key=lambda item: (-item[1], item[0])))


def sampled(run: Run) -> int | None:
    """Return the size of the sample for importances; ``None`` if all candidates are used."""
    return _MOST_CANDIDATES if len(run.complete()) > _MOST_CANDIDATES else None


def failures(run: Run) -> list[tuple[str, int]]:
    """Return the reasons of failures with their counts, the most frequent first."""
    return Counter(
        candidate.error or "unknown"
        for candidate in run.candidates.values()
        if candidate.status == "failed"
    ).most_common()


def spans(run: Run) -> FloatArray:
    """Return the range of each objective among the complete candidates, (objectives,).

    The range is 1 where all candidates are equal.
    """
    costs = _costs(run, run.complete())
    ranges = np.ptp(costs, axis=0) if len(costs) else np.zeros(len(run.directions))
    return np.asarray(np.where(ranges > 0, ranges, 1.0))


def _costs(run: Run, candidates: Sequence[Candidate]) -> FloatArray:
    """Return the objectives of candidates as costs, of which less is better, (n, objectives)."""
    return np.asarray(run.scores(list(candidates)) * cost_signs(run.directions))


def _ranks(values: FloatArray) -> FloatArray:
    """Return ranks from 0 to 1, so that objectives that span decades count alike."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values) / len(values))
