"""A candidate: an architecture with what is known of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["complete", "infeasible", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One evaluated architecture of a run.

    Attributes:
        number: of the trial, which is also its name in the run.
        key: content hash of the architecture.
        row: its codes in the run's space.
        status: ``complete``; ``infeasible`` where it breaks a budget on a costly metric; ``failed``
            where a score could not be had; ``stopped`` where others were trained further.
        scores: metric to value; all finite.
        error: why it failed.
        seconds: that the evaluation took.
        origin: ``sampler``, or the published model that it is.
        notes: what the sampler wrote beside the trial.
    """

    number: int
    key: str
    row: tuple[int, ...]
    status: Status
    scores: Mapping[str, float]
    error: str | None = None
    seconds: float = 0.0
    origin: str = "sampler"
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scored(self) -> bool:
        """Whether all scores are there."""
        return self.status != "failed"

    def to_dict(self) -> dict[str, Any]:
        """Return the candidate as plain data."""
        return {
            "number": self.number,
            "key": self.key,
            "row": list(self.row),
            "status": self.status,
            "scores": dict(self.scores),
            "error": self.error,
            "seconds": round(self.seconds, 4),
            "origin": self.origin,
            "notes": dict(self.notes),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Candidate:
        """Return the candidate in plain data.

        Raises:
            ValueError: something misses or is of the wrong kind.
        """
        try:
            scores = {str(name): float(value) for name, value in data["scores"].items()}
            if data["status"] not in ("complete", "infeasible", "failed") or not all(
                map(math.isfinite, scores.values())
            ):
                raise ValueError(f"status {data['status']!r} with scores {scores}")
            row = tuple(map(int, data["row"]))
            number, key, error, origin = (
                int(data["number"]),
                str(data["key"]),
                data["error"],
                str(data["origin"]),
            )
            return Candidate(
                number,
                key,
                row,
                data["status"],
                scores,
                error,
                float(data["seconds"]),
                origin,
                dict(data["notes"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a candidate ({type(error).__name__}: {error})") from None
