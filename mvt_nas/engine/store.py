"""The run's truth: ``candidates.jsonl``, one line per candidate or finished batch, appended whole or not at all.

Lines are written by one process with one call each and carry a checksum. A last line that was torn when the process died is cut off
when the store is opened; damage anywhere else is refused. Candidates stand in the order in which they finished.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from mvt_nas.engine.candidates import Candidate
from mvt_nas.errors import RunError

NAME = "candidates.jsonl"


@dataclass(frozen=True, slots=True)
class Batch:
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
class Content:
    """What a store holds.

    Attributes:
        candidates: by number.
        batches: the finished batches by the number of their first trial; one that was finished again with another size counts as last.
        exhausted: whether the space had nothing left.
        intact: bytes up to the end of the last whole line.
    """

    candidates: dict[int, Candidate] = field(default_factory=dict)
    batches: dict[int, Batch] = field(default_factory=dict)
    exhausted: bool = False
    intact: int = 0

    @property
    def finished(self) -> int:
        """The number of trials in finished batches."""
        number = 0
        while number in self.batches:
            number += self.batches[number].size
        return number


class Store:
    """The open store of a run folder; only one process has it at a time (see ``folder.py``).

    Args:
        folder: of the run.

    Raises:
        RunError: it is damaged (see :func:`read`), or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.content = read(folder)
        try:
            self._file: IO[bytes] = open(self._path, "ab", buffering=0)  # noqa: SIM115  # lives as long as the run
            self._file.truncate(self.content.intact)
        except OSError as error:
            raise self._unwritable(error) from None

    def add(self, candidate: Candidate) -> None:
        """Append a candidate."""
        self._append({"candidate": candidate.to_dict()})
        self.content.candidates[candidate.number] = candidate

    def finish_batch(self, batch: Batch) -> None:
        """Append the end of a batch, and wait until all is on the disk."""
        if self.content.batches.get(batch.number) == batch:
            return
        self._append({"batch": {"number": batch.number, "size": batch.size, "notes": dict(batch.notes)}})
        self.content.batches[batch.number] = batch
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from None

    def exhaust(self) -> None:
        """Append that the space has nothing left."""
        self._append({"exhausted": True})
        self.content.exhausted = True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, separators=(",", ":"))
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(f"{written} of {len(line)} bytes were written")
        except OSError as error:
            self._cut()
            raise self._unwritable(error) from None
        self.content.intact += len(line)

    def _cut(self) -> None:
        """Take back a line that was written in part; where even that fails, the next reader leaves it out."""
        try:
            self._file.truncate(self.content.intact)
        except OSError:
            return

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(f"{self._path}: cannot be written ({error.strerror or error}); nothing finished is lost, --resume goes on")


def read(folder: Path) -> Content:
    """Return what the store of a run folder holds; a torn last line is left out.

    Raises:
        RunError: a line other than the last is damaged, or two candidates have the same number.
    """
    path = folder / NAME
    content = Content()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return content
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None
    lines = data.split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            _take(content, line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path}: line {number} is damaged ({error}); restore the file or start a new run") from None
    content.intact = len(data) - len(lines[-1])
    return content


def _take(content: Content, line: bytes) -> None:
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        raise ValueError("the checksum does not fit")
    record = json.loads(text)
    if "candidate" in record:
        candidate = Candidate.from_dict(record["candidate"])
        if candidate.number in content.candidates:
            raise ValueError(f"candidate {candidate.number} stands twice")
        content.candidates[candidate.number] = candidate
    elif "batch" in record:
        batch = Batch(int(record["batch"]["number"]), int(record["batch"]["size"]), dict(record["batch"]["notes"]))
        if batch.size < 1:
            raise ValueError(f"a batch of {batch.size}")
        content.batches[batch.number] = batch
    elif "exhausted" in record:
        content.exhausted = True
    else:
        raise ValueError("an unknown record")
