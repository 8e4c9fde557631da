"""Candidates: architectures with their scores."""

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
        number: Number of the trial; identifies the candidate in the run.
        key: Content hash of the architecture.
        row: Codes of the architecture in the run's space.
        status: ``complete``; ``infeasible`` if it exceeds a budget on a costly metric; ``failed``
            if a score is missing; ``stopped`` if others were trained further.
        scores: Metric to value; all finite.
        error: Message of the failure, or None.
        seconds: Wall time of the evaluation.
        origin: ``sampler``, or the name of the published model.
        notes: System attributes that the sampler has set on the trial.
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
        """True if no score is missing."""
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
        """Return the candidate from plain data.

        Raises:
            ValueError: A value is missing or of the wrong type.
        """
        try:
            scores = {str(name): float(value) for name, value in data["scores"].items()}
            # "stopped" follows from the rungs and is never written.
            known_status = data["status"] in ("complete", "infeasible", "failed")
            if not known_status or not all(map(math.isfinite, scores.values())):
                raise ValueError(f"status {data['status']!r} with scores {scores}")
            return Candidate(
                number=int(data["number"]),
                key=str(data["key"]),
                row=tuple(map(int, data["row"])),
                status=data["status"],
                scores=scores,
                error=data["error"],
                seconds=float(data["seconds"]),
                origin=str(data["origin"]),
                notes=dict(data["notes"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a candidate ({type(error).__name__}: {error})") from None
