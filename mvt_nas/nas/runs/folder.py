"""Run folders: made, locked, opened, listed.

A folder holds ``run.yaml`` (written first, whole), the store of candidates, and what reports add.
While a process works on it, it holds a lock that the system takes back when the process dies,
however it dies.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from filelock import FileLock, Timeout

from mvt_nas.errors import RunError, SpaceError
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runs.store import NAME as STORE
from mvt_nas.nas.runs.store import StoreContent
from mvt_nas.nas.runs.store import read as read_store
from mvt_nas.space.search_space import SearchSpace

CONFIG = "run.yaml"
_LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for one process.

    Raises:
        RunError: another process holds it, or it cannot be written.
    """
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(
            f"{folder}: in use by another search; wait for it, or choose another folder"
        ) from None
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror or error})") from None
    try:
        yield
    finally:
        lock.release()


def make_folder(folder: Path) -> None:
    """Make the folder of a new run.

    Raises:
        RunError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror or error})") from None


def exists(folder: Path) -> bool:
    """Return whether there is a run in the folder."""
    return (folder / CONFIG).exists() or (folder / STORE).exists()


def write_config(folder: Path, config: RunConfig) -> None:
    """Write ``run.yaml`` (see :func:`write_whole`).

    Raises:
        RunError: it cannot be written.
    """
    write_whole(
        folder / CONFIG,
        yaml.safe_dump(config.to_dict(), sort_keys=False, allow_unicode=True, width=140),
    )


def write_whole(path: Path, text: str) -> None:
    """Write a file of a run whole: under another name first, then moved into place.

    Raises:
        RunError: it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error})") from None


def read_config(folder: Path) -> RunConfig:
    """Return the configuration of the run in a folder.

    Raises:
        RunError: there is none, or it is damaged or of a newer format.
    """
    path = folder / CONFIG
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{folder}: no run here ({CONFIG} is missing)") from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise RunError(
            f"{path}: damaged ({type(error).__name__}); restore it or start a new run"
        ) from None
    return RunConfig.from_dict(data, str(path))


def read_run(folder: Path) -> tuple[RunConfig, SearchSpace, StoreContent]:
    """Return the configuration, the space and the candidates of a run, finished or not.

    Raises:
        RunError: no run there, or a damaged one.
    """
    config = read_config(folder)
    space = config.search_space()
    content = read_store(folder)
    check_rows(folder, space, content)
    return config, space, content


def check_rows(folder: Path, space: SearchSpace, content: StoreContent) -> None:
    """Check that the candidates of a store are points of the space.

    Raises:
        RunError: one is not.
    """
    try:
        space.canonical(np.asarray([candidate.row for candidate in content.candidates.values()]))
    except (SpaceError, ValueError) as error:
        raise RunError(
            f"{folder / STORE}: does not belong to {CONFIG} ({error}); restore both, or start a"
            " new run"
        ) from None


def list_runs(folder: Path) -> list[Path]:
    """Return the run folders below a folder, by name."""
    return sorted(path.parent for path in folder.glob(f"*/{CONFIG}")) if folder.is_dir() else []
