"""Atomic writes, locks of folders, hashes of content, and the cache folder of the user."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from typing import IO, Any

from mvt_nas.errors import MvtNasError

_HASH_DIGITS = 16


@contextmanager
def atomic_write(path: Path, *, error: type[MvtNasError], text: bool = False) -> Iterator[IO[Any]]:
    """Open a temporary file that replaces ``path`` when the block ends without an exception.

    A reader finds the old content or the new one, whole, even if the process is killed. The new
    content is on the disk before the old one goes.

    Args:
        path: File to write; missing folders are created.
        error: Class of the exception if the file cannot be written.
        text: Whether the file is text (UTF-8) instead of bytes.

    Yields:
        The open temporary file, in the folder of ``path``.

    Raises:
        MvtNasError: The file cannot be written; of the class ``error``.
    """
    # Named after the process and the thread, so that two writers of one file do not meet.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w" if text else "wb", encoding="utf-8" if text else None) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except MvtNasError:
        raise
    except (OSError, RuntimeError) as problem:
        # torch's writer raises a RuntimeError on a full disk.
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"{path}: cannot be written ({reason})") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, error: type[MvtNasError]) -> None:
    """Write a text file whole or not at all (see :func:`atomic_write`).

    Raises:
        MvtNasError: The file cannot be written; of the class ``error``.
    """
    with atomic_write(path, error=error, text=True) as file:
        file.write(text)


def read_text(path: Path, *, error: type[MvtNasError]) -> str:
    """Return the content of a text file (UTF-8), without the mark that spreadsheets begin it with.

    Raises:
        MvtNasError: The file cannot be read; of the class ``error``.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "not UTF-8"
        raise error(f"{path}: cannot be read ({reason})") from None


@contextmanager
def locked(folder: Path, *, error: type[MvtNasError], busy: str) -> Iterator[None]:
    """Hold the lock of a folder inside the block; the folder is created if it is missing.

    The system releases the lock when the process dies, for whatever reason.

    Args:
        folder: Folder to lock, by the file ``.lock`` in it.
        error: Class of the exceptions.
        busy: Message for a folder that another process has locked, after the folder's name.

    Raises:
        MvtNasError: Another process holds the lock, or the folder cannot be written; of the class
            ``error``.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise error(f"{folder}: {busy}") from None
    except OSError as problem:
        raise error(f"{folder}: cannot be written ({problem.strerror or problem})") from None
    try:
        yield
    finally:
        lock.release()


def content_hash(content: bytes | str | Any) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of bytes, text, or a value's sorted JSON."""
    if isinstance(content, bytes):
        data = content
    elif isinstance(content, str):
        data = content.encode()
    else:
        data = json.dumps(content, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()[:_HASH_DIGITS]


def cache_home(kind: str) -> Path:
    """Return the folder of one kind of cache: ``$XDG_CACHE_HOME/mvt-nas/KIND`` or ``~/.cache/...``.

    All caches may be deleted at any time; a missing one costs time only. The folder may not exist,
    and may not be writable.

    Source: the XDG Base Directory Specification, version 0.8, which also says that a relative
        ``$XDG_CACHE_HOME`` does not count.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else _user_cache()) / "mvt-nas" / kind


def _user_cache() -> Path:
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        # Without a home folder: nothing can be written below a file, which every cache expects.
        return Path(os.devnull)
