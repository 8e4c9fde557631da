"""What a run says to whoever has to choose: which published models it beats and by how much, what its front agrees on, what matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import cost_signs, most_evenly

_TREES = 100
_OTHERS = 5000  # candidates beside the front that are looked at
_LEAST, _MOST = (
    20,
    2000,
)  # candidates below which importance would be chance, and beyond which more would only take longer


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A candidate worth a look.

    Attributes:
        number: of the candidate.
        why: in words.
        name: what it is called on the command line, behind the colon of ``RUN:NAME``.
    """

    number: int
    why: str
    name: str


@dataclass(frozen=True, slots=True)
class DominatedModel:
    """A network that a candidate of the front dominates.

    Attributes:
        model: its name: of a published model, or of a baseline.
        by: number of the candidate, of several that with the largest gain in the objective in which
            it gains least.
        gains: by objective, how much better the candidate is, in the objective's unit; positive is
            better.
    """

    model: str
    by: int
    gains: dict[str, float]


@dataclass(frozen=True, slots=True)
class CommonChoice:
    """A choice that recurs on a front.

    Attributes:
        dimension: name.
        value: the most frequent one.
        on_front: its share on the front, 0 to 1.
        elsewhere: its share among the other candidates.
    """

    dimension: str
    value: object
    on_front: float
    elsewhere: float


def recommendations(run: Run) -> list[Recommendation]:
    """Return the knee of the front, and the best in each objective."""
    front, knee = run.front(), run.knee()
    found = (
        [
            Recommendation(
                knee, "the knee: giving up a little of one objective gains most of another", "knee"
            )
        ]
        if knee is not None
        else []
    )
    for objective in run.config.objectives if front else ():
        best = min(front, key=lambda c: (objective.cost(c.scores[objective.name]), c.number))
        found.append(Recommendation(best.number, f"best {objective.name}", objective.name))
    return found


def dominated_models(run: Run) -> list[DominatedModel]:
    """Return the published models among the candidates that the front dominates, best gains first of all in the run's order."""
    front = [candidate for candidate in run.front() if candidate.origin == "sampler"]
    costs, by = _costs(run, front), spans(run)
    found = []
    for model in (candidate for candidate in run.complete() if candidate.origin != "sampler"):
        own = _costs(run, [model])[0]
        place = most_evenly(own, costs, by)
        if place is not None:
            gains = zip(run.config.objectives, own - costs[place], strict=True)
            found.append(
                DominatedModel(
                    model.origin,
                    front[place].number,
                    {objective.name: float(gain) for objective, gain in gains},
                )
            )
    return found


def common_choices(run: Run) -> list[CommonChoice]:
    """Return the most frequent value of each dimension on the front, that by which the front differs most from the rest first.

    Shares are of the networks in which the dimension has an effect; one that has none in half of
    the front has no habit.
    """
    on_front = {candidate.number for candidate in run.front()}
    front = np.array(
        [candidate.row for candidate in run.complete() if candidate.number in on_front],
        dtype=np.int32,
    )
    others = np.array(
        [candidate.row for candidate in run.complete() if candidate.number not in on_front][
            :_OTHERS
        ],
        dtype=np.int32,
    )
    if not len(front):
        return []
    found = []
    in_front, in_others = (
        run.space.effective(front),
        run.space.effective(others.reshape(-1, front.shape[1])),
    )
    for place, dimension in enumerate(run.space.dimensions):
        codes = front[in_front[:, place], place]
        if len(dimension.values) > 1 and len(codes) > len(front) / 2:
            code, count = Counter(codes.tolist()).most_common(1)[0]
            rest = others.reshape(-1, front.shape[1])[in_others[:, place], place]
            found.append(
                CommonChoice(
                    dimension.name,
                    dimension.values[code],
                    count / len(codes),
                    float(np.mean(rest == code)) if len(rest) else 0.0,
                )
            )
    return sorted(found, key=lambda habit: (-(habit.on_front - habit.elsewhere), habit.dimension))


def importances(run: Run) -> dict[str, dict[str, float]]:
    """Return by objective how much of its variance among the candidates each dimension explains; shares that sum to 1.

    Empty where there are too few candidates to tell; 2,000 drawn evenly stand for more. By the
    impurity decrease of extremely randomised trees on the codes.

    Source: Geurts, Ernst and Wehenkel, "Extremely randomized trees" (2006).
    """
    from sklearn.ensemble import ExtraTreesRegressor

    candidates = run.complete()
    if len(candidates) < _LEAST or not run.space.dimensions:
        return {}
    if sampled(run) is not None:
        drawn = np.random.default_rng(0).choice(len(candidates), _MOST, replace=False)
        candidates = [candidates[place] for place in sorted(drawn.tolist())]
    codes = np.array([candidate.row for candidate in candidates], dtype=float)
    scores = run.scores(candidates)
    result = {}
    for objective, values in zip(run.config.objectives, scores.T, strict=True):
        if np.ptp(values) > 0:
            trees = ExtraTreesRegressor(_TREES, random_state=0, min_samples_leaf=3, n_jobs=-1).fit(
                codes, _ranks(values)
            )
            shares = dict(
                zip(
                    (dimension.name for dimension in run.space.dimensions),
                    trees.feature_importances_.tolist(),
                    strict=True,
                )
            )
            result[objective.name] = dict(
                sorted(shares.items(), key=lambda item: (-item[1], item[0]))
            )
    return result


def sampled(run: Run) -> int | None:
    """Return how many candidates stand for all where it is asked what matters; ``None`` where all are looked at."""
    return _MOST if len(run.complete()) > _MOST else None


def failures(run: Run) -> list[tuple[str, int]]:
    """Return the reasons for which candidates failed, with their numbers, the most frequent first."""
    return Counter(
        candidate.error or "unknown"
        for candidate in run.candidates.values()
        if candidate.status == "failed"
    ).most_common()


def spans(run: Run) -> NDArray[np.float64]:
    """Return the range of each objective among the complete candidates, (objectives,); 1 where all are alike."""
    costs = _costs(run, run.complete())
    ranges = np.ptp(costs, axis=0) if len(costs) else np.zeros(len(run.directions))
    return np.asarray(np.where(ranges > 0, ranges, 1.0))


def _costs(run: Run, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    return np.asarray(run.scores(list(candidates)) * cost_signs(run.directions))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 0 to 1: objectives that span decades count alike."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values) / len(values))
