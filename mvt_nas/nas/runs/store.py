"""Store of a run: ``candidates.jsonl``, one line per candidate, batch or rung result.

Candidates are in the order of completion. ``mvt_nas/journal.py`` describes the guarantees for
lines. The record keys ``reached`` (result of a rung) and ``climb`` (end of a promotion) are part of
the file format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mvt_nas.journal import Journal, read_journal
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.rungs import Results, Rung, RungResult, Rungs

NAME = "candidates.jsonl"


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A finished batch.

    Attributes:
        number: Number of its first trial.
        size: Number of its trials.
        notes: System attributes of the study set by samplers since the batch before.
    """

    number: int
    size: int
    notes: Mapping[str, Any]


@dataclass(slots=True)
class StoreContent:
    """Content of a store.

    Attributes:
        candidates: Candidates by number.
        batches: Finished batches by the number of their first trial; of several with the same
            number, the last one.
        exhausted: True if the space has no unproposed candidate left.
        rungs: Promotions, where trainings have rungs.
        results: Results of the promoted candidates.
        promotions: Numbers of candidates from which a promotion was finished up to the last rung.
        intact: Number of bytes up to the end of the last whole line.
    """

    candidates: dict[int, Candidate] = field(default_factory=dict)
    batches: dict[int, BatchRecord] = field(default_factory=dict)
    exhausted: bool = False
    rungs: Rungs = field(default_factory=dict)
    results: Results = field(default_factory=dict)
    promotions: set[int] = field(default_factory=set)
    intact: int = 0

    @property
    def finished(self) -> int:
        """Number of trials in finished batches."""
        number = 0
        while number in self.batches:
            number += self.batches[number].size
        return number

    def finished_candidates(self) -> dict[int, Candidate]:
        """Return the candidates of finished batches (not of an interrupted one) by number."""
        return {
            number: self.candidates[number]
            for number in range(self.finished)
            if number in self.candidates
        }


class Store:
    """Open store of a run folder; the folder's lock protects it (see ``folder.py``).

    Args:
        folder: Run folder.

    Raises:
        RunError: The store is damaged (see :func:`read`), or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.content = read(folder)
        self._log = Journal(folder / NAME, self.content.intact, "resume the run")

    def add(self, candidate: Candidate) -> None:
        """Append a candidate."""
        self._log.append({"candidate": candidate.to_dict()})
        self.content.candidates[candidate.number] = candidate

    def finish_batch(self, batch: BatchRecord) -> None:
        """Append the end of a batch, and flush all lines to disk."""
        if self.content.batches.get(batch.number) == batch:
            return
        self._log.append(
            {"batch": {"number": batch.number, "size": batch.size, "notes": dict(batch.notes)}}
        )
        self.content.batches[batch.number] = batch
        self._log.sync()

    def exhaust(self) -> None:
        """Append that the space has no unproposed candidate left."""
        self._log.append({"exhausted": True})
        self.content.exhausted = True

    def add_rung(self, rung: Rung) -> None:
        """Append the candidates promoted to a rung, unless an interrupted promotion has done so."""
        known = self.content.rungs.get((rung.of, rung.epochs))
        if known is not None and known.numbers[: len(rung.numbers)] == rung.numbers:
            return
        self._log.append({"rung": rung.to_dict()})
        self.content.rungs[rung.of, rung.epochs] = rung

    def add_rung_result(self, result: RungResult) -> None:
        """Append the result of a training on a rung."""
        self._log.append({"reached": result.to_dict()})
        self.content.results[result.number, result.epochs] = result

    def finish_promotion(self, of: int) -> None:
        """Append the end of a promotion among ``of`` candidates, and flush all lines to disk."""
        self._log.append({"climb": of})
        self.content.promotions.add(of)
        self._log.sync()

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def read(folder: Path) -> StoreContent:
    """Return the content of the store of a run folder; a torn last line is ignored.

    Raises:
        RunError: A line other than the last is damaged, or two candidates have the same number.
    """
    content = StoreContent()
    content.intact = read_journal(
        folder / NAME,
        lambda record: apply_record(content, record),
        "restore the file or start a new run",
    )
    return content


def apply_record(content: StoreContent, record: Mapping[str, Any]) -> None:
    """Apply a record to the content of a store.

    Raises:
        ValueError: The record is damaged or unknown, or repeats the number of a candidate.
    """
    if "candidate" in record:
        candidate = Candidate.from_dict(record["candidate"])
        if candidate.number in content.candidates:
            raise ValueError(f"candidate {candidate.number} appears twice")
        content.candidates[candidate.number] = candidate
    elif "batch" in record:
        batch = BatchRecord(
            int(record["batch"]["number"]),
            int(record["batch"]["size"]),
            dict(record["batch"]["notes"]),
        )
        if batch.size < 1:
            raise ValueError(f"a batch of {batch.size}")
        content.batches[batch.number] = batch
    elif "exhausted" in record:
        content.exhausted = True
    elif "rung" in record:
        rung = Rung.from_dict(record["rung"])
        content.rungs[rung.of, rung.epochs] = rung
    elif "reached" in record:
        result = RungResult.from_dict(record["reached"])
        content.results[result.number, result.epochs] = result
    elif "climb" in record:
        content.promotions.add(int(record["climb"]))
    else:
        raise ValueError("an unknown record")
