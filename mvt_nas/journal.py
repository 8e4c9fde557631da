"""A file of records that is only ever appended to, a line each, whole or not at all.

Lines are written by one process with one call each and carry a checksum. A last line that was torn
when the process died is cut off when the file is opened; damage anywhere else is refused.
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

_DECODE = (
    json.JSONDecoder().raw_decode
)  # what json.loads does around it takes as long as a short record


class Journal:
    """An open file of records.

    Args:
        path: of the file, which is made where there is none.
        intact: bytes up to the end of its last whole line (see :func:`read_log`).
        go_on: what to do after an error, in a few words.

    Raises:
        RunError: it cannot be written.
    """

    def __init__(self, path: Path, intact: int, go_on: str) -> None:
        self._path = path
        self._intact = intact
        self._go_on = go_on
        try:
            # Stays open as long as the run.
            self._file: IO[bytes] = open(path, "ab", buffering=0)  # noqa: SIM115
            self._file.truncate(intact)
        except OSError as error:
            raise self._unwritable(error) from None

    def append(self, record: Mapping[str, Any]) -> None:
        """Append a record."""
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
        """Wait until all is on the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut(self) -> None:
        """Take back a line that was written in part; where even that fails, the next reader leaves it out."""
        try:
            self._file.truncate(self._intact)
        except OSError:
            return

    def _unwritable(self, error: OSError) -> RunError:
        return RunError(
            f"{self._path}: cannot be written ({error.strerror or error}); nothing finished is"
            f" lost, {self._go_on}"
        )


def read_journal(path: Path, take: Callable[[Any], None], mend: str, start: int = 0) -> int:
    """Give ``take`` every record of a file; return the bytes up to the end of its last whole line, 0 where there is no file.

    Args:
        path: of the file.
        take: is given one record after the other; a ``ValueError``, ``KeyError``, ``TypeError`` or
            ``AttributeError`` refuses it.
        mend: what to do about damage, in a few words.
        start: bytes of whole lines that were read before, and are left out.

    Raises:
        RunError: a line other than the last is damaged or refused.
    """
    try:
        with open(path, "rb") as file:
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None
    lines = data.split(b"\n")
    with _without_collecting():
        for number, line in enumerate(lines[:-1], start=1):
            try:
                take(_record(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                before = path.read_bytes()[:start].count(b"\n")
                raise RunError(
                    f"{path}: line {before + number} is damaged ({error}); {mend}"
                ) from None
    return start + len(data) - len(lines[-1])


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Keep Python from looking for garbage: records hold none, and all that were read would be looked through again and again."""
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
