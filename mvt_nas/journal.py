"""An append-only file of records, one JSON document with a checksum per line.

Each line is written by one process with one call. A last line that is incomplete, since the process
died, is cut off when the file is opened; damage anywhere else is refused.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from mvt_nas.errors import RunError

# json.loads does more around this call, which takes as long as decoding a short record.
_DECODE = json.JSONDecoder().raw_decode


class Journal:
    """A file of records, open for appending.

    Args:
        path: Path of the file, which is created if it does not exist.
        intact: Bytes up to the end of its last complete line (see :func:`read_journal`).
        advice: End of error messages, with what to do after an error.

    Raises:
        RunError: The file cannot be written.
    """

    def __init__(self, path: Path, intact: int, advice: str) -> None:
        self._path = path
        self._intact = intact
        self._advice = advice
        try:
            # Stays open as long as the run, and unbuffered, so that one append is one call.
            self._file: IO[bytes] = open(path, "ab", buffering=0)  # noqa: SIM115  # see close()
            self._file.truncate(intact)
        except OSError as error:
            raise self._unwritable(error) from None

    def append(self, record: Mapping[str, Any]) -> None:
        """Append a record.

        Raises:
            RunError: The file cannot be written.
        """
        text = json.dumps(record, separators=(",", ":"))
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(f"{written} of {len(line)} bytes were written")
        except OSError as error:
            self._cut()
            raise self._unwritable(error) from None
        self._intact += len(line)

    def sync(self) -> None:
        """Wait until all records are on the disk.

        Raises:
            RunError: The file cannot be written.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut(self) -> None:
        """Remove a partly written line. If that fails, the next reader leaves it out."""
        try:
            self._file.truncate(self._intact)
        except OSError:
            return

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"{self._path}: cannot be written ({error.strerror or error}); nothing finished is"
            f" lost, {self._advice}"
        )


def read_journal(path: Path, take: Callable[[Any], None], advice: str, start: int = 0) -> int:
    """Pass each record of a file to a function.

    Args:
        path: Path of the file.
        take: Called with one record after the other. A ``ValueError``, ``KeyError``, ``TypeError``
            or ``AttributeError`` refuses the record.
        advice: End of error messages, with what to do about damage.
        start: Bytes of complete lines that were read before, and are skipped.

    Returns:
        Bytes up to the end of the last complete line; 0 if the file does not exist.

    Raises:
        RunError: A line other than the last is damaged or refused.
    """
    try:
        with open(path, "rb") as file:
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None
    # The part after the last line break is empty, or the line of a process that died.
    lines = data.split(b"\n")
    with _without_collecting():
        for number, line in enumerate(lines[:-1], start=1):
            try:
                take(_record(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                before = path.read_bytes()[:start].count(b"\n")
                raise RunError(
                    f"{path}: line {before + number} is damaged ({error}); {advice}"
                ) from None
    return start + len(data) - len(lines[-1])


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Disable Python's garbage collection inside the block.

    Records hold no cycles, and the collector would traverse all of them again and again.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _record(line: bytes) -> Any:
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        raise ValueError("the checksum does not fit")
    decoded = text.decode()
    value, end = _DECODE(decoded)
    if end != len(decoded):
        raise ValueError("more than one record")
    return value
