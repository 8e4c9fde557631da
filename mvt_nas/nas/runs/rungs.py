"""The rungs of a run: which trainings went on, how far they came, and what a run's candidates are worth by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mvt_nas.metrics.names import TRAINED, TRAINED_EPOCHS
from mvt_nas.nas.problem.objectives import Budget, worst_excess
from mvt_nas.nas.runs.candidate import Candidate, Status


@dataclass(frozen=True, slots=True)
class RungResult:
    """How far one training came on one rung.

    Attributes:
        number: of the candidate.
        epochs: of the rung.
        accuracy: in percent; ``None`` where the training failed.
        error: why.
        seconds: that it took.
    """

    number: int
    epochs: int
    accuracy: float | None
    error: str | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "seconds": round(self.seconds, 4)
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RungResult:
        """Return what plain data describe."""
        accuracy = None if data["accuracy"] is None else float(data["accuracy"])
        return RungResult(
            int(data["number"]),
            int(data["epochs"]),
            accuracy,
            data["error"],
            float(data["seconds"]),
        )


@dataclass(frozen=True, slots=True)
class Rung:
    """Who went on to a rung; the last that is written of a rung counts.

    Attributes:
        of: candidates that the search had when they were chosen.
        epochs: of the rung.
        numbers: of the candidates, in the order in which they went on.
    """

    of: int
    epochs: int
    numbers: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"of": self.of, "epochs": self.epochs, "numbers": list(self.numbers)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Rung:
        """Return what plain data describe."""
        return Rung(
            int(data["of"]), int(data["epochs"]), tuple(int(number) for number in data["numbers"])
        )


Rungs = dict[tuple[int, int], Rung]
"""By number of candidates and epochs."""

Results = dict[tuple[int, int], RungResult]
"""By number of the candidate and epochs."""


def apply_rungs(
    candidates: Mapping[int, Candidate],
    rungs: Rungs,
    results: Results,
    budgets: list[Budget],
    first: int,
) -> dict[int, Candidate]:
    """Return the candidates by what they reached on their highest rungs.

    Accuracies after different numbers of epochs do not compare. So where some have reached a higher
    rung than others, the others are ``stopped``. Rungs count that were chosen from just these
    candidates.

    Args:
        candidates: by number, with accuracies on the first rung.
        rungs: who went on.
        results: what came of it.
        budgets: on what had to be evaluated.
        first: epochs of the first rung.
    """
    top = dict.fromkeys(candidates, first)
    for (of, epochs), rung in sorted(rungs.items()):
        if of == len(candidates):
            top |= {number: epochs for number in rung.numbers if (number, epochs) in results}
    reached = (
        epochs
        for number, epochs in top.items()
        if epochs == first or results[number, epochs].accuracy is not None
    )
    highest = max(reached, default=first)
    spent = dict.fromkeys(candidates, 0.0)
    for done in results.values():
        if done.number in spent:
            spent[done.number] += done.seconds
    return {
        number: _at(
            replace(one, seconds=one.seconds + spent[number]),
            top[number],
            highest,
            results.get((number, top[number])),
            budgets,
        )
        for number, one in candidates.items()
    }


def _at(
    candidate: Candidate,
    epochs: int,
    highest: int,
    reached: RungResult | None,
    budgets: list[Budget],
) -> Candidate:
    scores = dict(candidate.scores)
    if reached is not None and reached.accuracy is None:
        scores.pop(TRAINED, None)
        return replace(candidate, status="failed", scores=scores, error=reached.error)
    if not candidate.scored:
        return candidate
    scores |= {TRAINED_EPOCHS: float(epochs)} | (
        {TRAINED: reached.accuracy} if reached and reached.accuracy is not None else {}
    )
    status: Status = "complete" if worst_excess(budgets, scores) <= 0 else "infeasible"
    return replace(candidate, status="stopped" if epochs < highest else status, scores=scores)
