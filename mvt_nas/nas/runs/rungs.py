"""Rungs of a run: promotions, their results, and their effect on the candidates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mvt_nas.metrics.names import TRAINED, TRAINED_EPOCHS
from mvt_nas.nas.problem.objectives import Budget, worst_excess
from mvt_nas.nas.runs.candidate import Candidate, Status


@dataclass(frozen=True, slots=True)
class RungResult:
    """Result of a training on a rung.

    Attributes:
        number: Number of the candidate.
        epochs: Epochs of the rung.
        accuracy: Accuracy in percent; None if the training failed.
        error: Message of the failure, or None.
        seconds: Wall time of the training on this rung.
    """

    number: int
    epochs: int
    accuracy: float | None
    error: str | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the object as plain data."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "seconds": round(self.seconds, 4)
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RungResult:
        """Return the result from plain data."""
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
    """Promotions to a rung; of several records of a rung the last one counts.

    Attributes:
        of: Number of candidates of the search when these were promoted.
        epochs: Epochs of the rung.
        numbers: Numbers of the promoted candidates, in the order of promotion.
    """

    of: int
    epochs: int
    numbers: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the object as plain data."""
        return {"of": self.of, "epochs": self.epochs, "numbers": list(self.numbers)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Rung:
        """Return the rung from plain data."""
        return Rung(
            int(data["of"]), int(data["epochs"]), tuple(int(number) for number in data["numbers"])
        )


Rungs = dict[tuple[int, int], Rung]
"""Rungs by number of candidates of the search, and epochs."""

Results = dict[tuple[int, int], RungResult]
"""Results by number of the candidate, and epochs."""


def apply_rungs(
    candidates: Mapping[int, Candidate],
    rungs: Rungs,
    results: Results,
    budgets: list[Budget],
    first: int,
) -> dict[int, Candidate]:
    """Return the candidates with the results of their highest rungs.

    Accuracies after different numbers of epochs are not comparable. So where some candidates have
    reached a higher rung than others, the others are ``stopped``. Only rungs that were chosen from
    exactly these candidates count.

    Args:
        candidates: Candidates by number, with accuracies on the first rung.
        rungs: Promotions.
        results: Results of the promoted candidates.
        budgets: Budgets on costly metrics.
        first: Epochs of the first rung.
    """
    top = _highest_rungs(candidates, rungs, results, first)
    # The highest rung on which any training succeeded.
    highest = first
    for number, epochs in top.items():
        if epochs > highest and results[number, epochs].accuracy is not None:
            highest = epochs
    seconds = {number: candidate.seconds for number, candidate in candidates.items()}
    for result in results.values():
        if result.number in seconds:
            seconds[result.number] += result.seconds
    return {
        number: _with_result(
            replace(candidate, seconds=seconds[number]),
            top[number],
            highest,
            results.get((number, top[number])),
            budgets,
        )
        for number, candidate in candidates.items()
    }


def _highest_rungs(
    candidates: Mapping[int, Candidate], rungs: Rungs, results: Results, first: int
) -> dict[int, int]:
    """Return the epochs of the highest rung with a result of each candidate, by number."""
    top = dict.fromkeys(candidates, first)
    # Sorted by number of candidates, then by epochs: higher rungs overwrite lower ones.
    for (of, epochs), rung in sorted(rungs.items()):
        if of == len(candidates):
            top |= {number: epochs for number in rung.numbers if (number, epochs) in results}
    return top


def _with_result(
    candidate: Candidate,
    epochs: int,
    highest: int,
    result: RungResult | None,
    budgets: list[Budget],
) -> Candidate:
    """Return a candidate with the result of its highest rung, after ``epochs`` epochs."""
    scores = dict(candidate.scores)
    if result is not None and result.accuracy is None:
        scores.pop(TRAINED, None)
        return replace(candidate, status="failed", scores=scores, error=result.error)
    if not candidate.scored:
        return candidate
    scores[TRAINED_EPOCHS] = float(epochs)
    if result is not None and result.accuracy is not None:
        scores[TRAINED] = result.accuracy
    status: Status = "complete" if worst_excess(budgets, scores) <= 0 else "infeasible"
    return replace(candidate, status="stopped" if epochs < highest else status, scores=scores)
