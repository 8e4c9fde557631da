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


@dataclass(slots=True)
class Content:
    """What a store holds.

    Attributes:
        candidates: by number.
        batches: size and samplers' shared notes of the finished batches, in order.
        exhausted: whether the space had nothing left.
        intact: bytes up to the end of the last whole line.
    """

    candidates: dict[int, Candidate] = field(default_factory=dict)
    batches: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    exhausted: bool = False
    intact: int = 0


class Store:
    """The open store of a run folder; only one process has it at a time (see ``folder.py``).

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.content = read(folder) if self._path.exists() else Content()
        self._file: IO[bytes] = open(self._path, "ab", buffering=0)  # noqa: SIM115  # lives as long as the run
        self._file.truncate(self.content.intact)

    def add(self, candidate: Candidate) -> None:
        """Append a candidate."""
        self._append({"candidate": candidate.to_dict()})
        self.content.candidates[candidate.number] = candidate

    def finish_batch(self, size: int, notes: Mapping[str, Any]) -> None:
        """Append the end of a batch, and wait until all is on the disk."""
        self._append({"batch": {"size": size, "notes": dict(notes)}})
        os.fsync(self._file.fileno())

    def exhaust(self) -> None:
        """Append that the space has nothing left."""
        self._append({"exhausted": True})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, separators=(",", ":"))
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        start = os.fstat(self._file.fileno()).st_size
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(f"{written} of {len(line)} bytes were written")
        except OSError as error:
            self._file.truncate(start)
            raise RunError(f"{self._path}: cannot be written ({error}); nothing finished is lost, --resume goes on") from None


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
        raise RunError(f"{path}: cannot be read ({error})") from None
    lines = data.split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            _take(content, line)
        except ValueError as error:
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
        content.batches.append((int(record["batch"]["size"]), dict(record["batch"]["notes"])))
    elif "exhausted" in record:
        content.exhausted = True
    else:
        raise ValueError("an unknown record")
