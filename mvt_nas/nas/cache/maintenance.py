"""What the cache of evaluations holds, and making it smaller."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mvt_nas.errors import MvtNasError
from mvt_nas.nas.cache.store import cached_values, connect, format_bytes

_SECONDS_PER_DAY = 86_400.0
_PARTS = ("", "-wal", "-shm")  # of the name of the file and of those that SQLite keeps beside it


class CacheError(MvtNasError):
    """A cache that cannot be read, or not be made smaller."""


@dataclass(frozen=True, slots=True)
class CacheContents:
    """What a cache holds.

    Attributes:
        path: of its file.
        size_bytes: on the disk.
        by_metric: number of entries by metric.
        oldest: when the first entry was made, in seconds since 1970; ``None`` where there is none.
        newest: when the last entry was made.
    """

    path: Path
    size_bytes: int
    by_metric: Mapping[str, int]
    oldest: float | None
    newest: float | None

    @property
    def entries(self) -> int:
        """The number of all entries."""
        return sum(self.by_metric.values())


def cache_contents(path: Path) -> CacheContents:
    """Return what a cache holds; nothing where there is no file.

    Raises:
        CacheError: it cannot be read.
    """
    if not path.exists():
        return CacheContents(path, 0, {}, None, None)
    with _opened(path) as database:
        counts = dict(
            database.execute(
                "SELECT metric, COUNT(*) FROM evaluations GROUP BY metric ORDER BY metric"
            )
        )
        oldest, newest = database.execute("SELECT MIN(made), MAX(made) FROM evaluations").fetchone()
    return CacheContents(path, _size_bytes(path), counts, oldest, newest)


def prune(path: Path, *, older_than_days: float | None = None, metric: str | None = None) -> int:
    """Remove the entries that are older and of the metric; return their number.

    Raises:
        CacheError: it cannot be read or written.
    """
    if not path.exists():
        return 0
    newest = None if older_than_days is None else time.time() - older_than_days * _SECONDS_PER_DAY
    with _opened(path) as database:
        condition = "(:newest IS NULL OR made < :newest) AND (:metric IS NULL OR metric = :metric)"
        removed = database.execute(
            f"DELETE FROM evaluations WHERE {condition}", {"newest": newest, "metric": metric}
        ).rowcount
        with contextlib.suppress(
            sqlite3.OperationalError
        ):  # busy, or no room for the copy: the space is used for what comes
            database.execute("VACUUM")
    return removed


def remove(path: Path) -> None:
    """Remove the whole cache, readable or not; searches that are under way keep theirs to their end.

    Raises:
        CacheError: it cannot be removed.
    """
    if not path.exists():
        return
    try:
        with cached_values(path):
            for part in _PARTS:
                path.with_name(path.name + part).unlink(missing_ok=True)
    except Exception as error:  # SQLite has many errors, and a damaged text is a ValueError
        raise CacheError(f"{path}: cannot be removed ({format_bytes(error)})") from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(connect(path)) as database:
            yield database
    except Exception as error:
        raise CacheError(
            f"{path}: cannot be used ({format_bytes(error)}); mvt-nas cache prune --all removes it"
        ) from None


def _size_bytes(path: Path) -> int:
    sizes = []
    for part in _PARTS:
        with contextlib.suppress(OSError):
            sizes.append(path.with_name(path.name + part).stat().st_size)
    return sum(sizes)
