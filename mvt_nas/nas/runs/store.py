"""The run's truth: ``candidates.jsonl``, one line per candidate or finished batch (see ``mvt_nas/journal.py`` for what a line survives).

Candidates stand in the order in which they finished.
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
        number: of its first trial.
        size: number of its trials.
        notes: what samplers wrote beside the study since the batch before.
    """

    number: int
    size: int
    notes: Mapping[str, Any]


@dataclass(slots=True)
class StoreContent:
    """What a store holds.

    Attributes:
        candidates: by number.
        batches: the finished batches by the number of their first trial; one that was finished
            again with another size counts as last.
        exhausted: whether the space had nothing left.
        rungs: who went on to be trained further, where trainings have rungs.
        results: what they reached.
        climbs: numbers of candidates from which the last rung was reached.
        intact: bytes up to the end of the last whole line.
    """

    candidates: dict[int, Candidate] = field(default_factory=dict)
    batches: dict[int, BatchRecord] = field(default_factory=dict)
    exhausted: bool = False
    rungs: Rungs = field(default_factory=dict)
    results: Results = field(default_factory=dict)
    climbs: set[int] = field(default_factory=set)
    intact: int = 0

    @property
    def finished(self) -> int:
        """The number of trials in finished batches."""
        number = 0
        while number in self.batches:
            number += self.batches[number].size
        return number

    def settled(self) -> dict[int, Candidate]:
        """Return the candidates of finished batches, by number: what an interruption left of another one is not among them."""
        return {
            number: self.candidates[number]
            for number in range(self.finished)
            if number in self.candidates
        }


class Store:
    """The open store of a run folder; only one process has it at a time (see ``folder.py``).

    Args:
        folder: of the run.

    Raises:
        RunError: it is damaged (see :func:`read`), or cannot be written.
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
        """Append the end of a batch, and wait until all is on the disk."""
        if self.content.batches.get(batch.number) == batch:
            return
        self._log.append(
            {"batch": {"number": batch.number, "size": batch.size, "notes": dict(batch.notes)}}
        )
        self.content.batches[batch.number] = batch
        self._log.sync()

    def exhaust(self) -> None:
        """Append that the space has nothing left."""
        self._log.append({"exhausted": True})
        self.content.exhausted = True

    def add_rung(self, rung: Rung) -> None:
        """Append who goes on to a rung."""
        known = self.content.rungs.get((rung.of, rung.epochs))
        if known is not None and known.numbers[: len(rung.numbers)] == rung.numbers:
            return
        self._log.append({"rung": rung.to_dict()})
        self.content.rungs[rung.of, rung.epochs] = rung

    def add_reached(self, reached: RungResult) -> None:
        """Append what a training reached."""
        self._log.append({"reached": reached.to_dict()})
        self.content.results[reached.number, reached.epochs] = reached

    def finish_climb(self, of: int) -> None:
        """Append that the last rung was reached from so many candidates, and wait until all is on the disk."""
        self._log.append({"climb": of})
        self.content.climbs.add(of)
        self._log.sync()

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def read(folder: Path) -> StoreContent:
    """Return what the store of a run folder holds; a torn last line is left out.

    Raises:
        RunError: a line other than the last is damaged, or two candidates have the same number.
    """
    content = StoreContent()
    content.intact = read_journal(
        folder / NAME,
        lambda record: apply_record(content, record),
        "restore the file or start a new run",
    )
    return content


def apply_record(content: StoreContent, record: Mapping[str, Any]) -> None:
    """Take a record into what a store holds.

    Raises:
        ValueError: it is damaged, of no known kind, or a second candidate of its number.
    """
    if "candidate" in record:
        candidate = Candidate.from_dict(record["candidate"])
        if candidate.number in content.candidates:
            raise ValueError(f"candidate {candidate.number} stands twice")
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
        reached = RungResult.from_dict(record["reached"])
        content.results[reached.number, reached.epochs] = reached
    elif "climb" in record:
        content.climbs.add(int(record["climb"]))
    else:
        raise ValueError("an unknown record")
