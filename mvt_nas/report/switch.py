"""Whether to replace a baseline by a candidate of a run: yes, no, or not known.

A switch is only advised to a candidate that is within every cost of the baseline that is known, and
more accurate beyond the intervals. So no network is advised that is predicted to be less accurate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from mvt_nas.metrics.names import ACCURACY, IMAGENET, TRAINED, extrapolated
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.runs.baseline import Baseline
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import cost_signs, most_evenly
from mvt_nas.report.comparable_scores import comparable_scores
from mvt_nas.report.confidence import BETTER, has_interval, probability_better, verdict
from mvt_nas.report.insights import spans

_ACCURACIES = (IMAGENET, ACCURACY, TRAINED)


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether to switch from a baseline to a candidate.

    Attributes:
        answer: The answer.
        reason: The reason, a phrase.
        candidate: Number of the candidate to switch to; ``None`` unless the answer is yes.
    """

    answer: Literal["yes", "no", "not known"]
    reason: str
    candidate: int | None = None

    def __str__(self) -> str:
        return f"{self.answer}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Option:
    """A candidate that costs no more than the baseline, and the probability that it is better."""

    number: int
    scores: Mapping[str, float]
    probability: float


def should_switch(run: Run, baseline: Baseline) -> Switch:
    """Return whether to switch from a baseline to a candidate on the front of a run.

    Candidates whose predicted accuracy is an extrapolation are left out.
    """
    objectives = run.config.objectives
    accuracy = next((one for one in objectives if one.metric.name in _ACCURACIES), None)
    if accuracy is None:
        return Switch("not known", "the search has no accuracy among its objectives")
    if accuracy.name not in baseline.scores:
        return Switch("not known", f"its {accuracy.name} is neither given nor predicted")
    costs = [one for one in objectives if one.metric.is_cost]
    known = [one for one in costs if one.name in baseline.scores]
    if costs and not known:
        return Switch("not known", f"its {_joined(costs)} {_are(costs)} not known")
    options = _options(run, baseline, accuracy, known)
    reason = _unknown([one for one in costs if one not in known])
    better = [one for one in options if verdict(one.probability) == BETTER]
    if better:
        best = _most_even(run, baseline, [accuracy, *known], better)
        text = f"candidate {best.number} is {_description(baseline, accuracy, known, best)}"
        return Switch("yes", f"{text}{reason}", best.number)
    return Switch("no", f"{_why_not(baseline, accuracy, known, options)}{reason}")


def _options(
    run: Run, baseline: Baseline, accuracy: Objective, costs: Sequence[Objective]
) -> list[_Option]:
    front = run.front()
    return [
        _Option(
            candidate.number, scores, probability_better(accuracy.name, scores, baseline.scores)
        )
        for candidate, scores in zip(front, comparable_scores(run, baseline, front), strict=True)
        if not extrapolated(scores, accuracy.name)
        and all(scores[cost.name] <= baseline.scores[cost.name] for cost in costs)
    ]


def _most_even(
    run: Run, baseline: Baseline, objectives: Sequence[Objective], options: Sequence[_Option]
) -> _Option:
    """Return the option whose smallest gain, relative to the ranges of the front, is largest."""
    signs = cost_signs([one.direction for one in objectives])
    ranges = spans(run)[[run.config.objectives.index(one) for one in objectives]]
    own = np.array([baseline.scores[one.name] for one in objectives]) * signs
    values = np.array([[option.scores[one.name] for one in objectives] for option in options])
    best = most_evenly(own, values * signs, ranges)
    assert best is not None, "every option is more accurate, at no higher cost"
    return options[best]


def _why_not(
    baseline: Baseline,
    accuracy: Objective,
    costs: Sequence[Objective],
    options: Sequence[_Option],
) -> str:
    within = f" within its {_joined(costs)}" if costs else ""
    if not options:
        return f"no candidate on the front is{within}" if costs else "no accuracy is within reach"
    certain = not any(_uncertain(baseline, accuracy, option) for option in options)
    text = f"no candidate{within} is better{'' if certain else ' with 90 %'}"
    closest = max(options, key=lambda option: option.probability)
    # One that is predicted to be worse must not be read as an advice.
    if closest.probability <= 0.5:
        return text
    return (
        f"{text}; closest: candidate {closest.number},"
        f" {_description(baseline, accuracy, costs, closest)}"
    )


def _description(
    baseline: Baseline, accuracy: Objective, costs: Sequence[Objective], option: _Option
) -> str:
    """Return how a candidate compares, such as ``better with 97 % (78.3 against 71.9) at ...``."""
    confidence = ""
    if _uncertain(baseline, accuracy, option):
        sure = verdict(option.probability) == BETTER
        confidence = " with 90 %" if sure else f" with {100 * option.probability:.0f} %"
    values = f"({option.scores[accuracy.name]:.1f} against {baseline.scores[accuracy.name]:.1f})"
    ratios = [
        f"{option.scores[cost.name] / baseline.scores[cost.name]:.2g} times its {cost.name}"
        for cost in costs
    ]
    at = f" at {' and '.join(ratios)}" if ratios else ""
    return f"better{confidence} {values}{at}"


def _uncertain(baseline: Baseline, accuracy: Objective, option: _Option) -> bool:
    return has_interval(accuracy.name, baseline.scores) or has_interval(
        accuracy.name, option.scores
    )


def _unknown(costs: Sequence[Objective]) -> str:
    return f" (its {_joined(costs)} {_are(costs)} not known)" if costs else ""


def _joined(objectives: Sequence[Objective]) -> str:
    return " and ".join(one.name for one in objectives)


def _are(objectives: Sequence[Objective]) -> str:
    return "is" if len(objectives) == 1 and objectives[0].name != "params" else "are"
