"""Run folders: creation, locking, reading and listing.

A folder contains ``run.yaml`` (written first, atomically), the store of candidates, and files of
reports. A process that works on the folder holds its lock, which the system releases when the
process dies.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import yaml

from mvt_nas import _io
from mvt_nas.errors import RunError, SpaceError
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runs.store import NAME as STORE
from mvt_nas.nas.runs.store import StoreContent
from mvt_nas.nas.runs.store import read as read_store
from mvt_nas.space.search_space import SearchSpace

CONFIG = "run.yaml"
_BUSY = "in use by another search; wait for it, or choose another folder"


def locked(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of a run folder inside a block.

    Raises:
        RunError: Another process holds the lock, or the folder cannot be written.
    """
    return _io.locked(folder, error=RunError, busy=_BUSY)


def make_folder(folder: Path) -> None:
    """Create the folder of a new run.

    Raises:
        RunError: The folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror or error})") from None


def exists(folder: Path) -> bool:
    """Return True if the folder contains a run."""
    return (folder / CONFIG).exists() or (folder / STORE).exists()


def write_config(folder: Path, config: RunConfig) -> None:
    """Write ``run.yaml`` atomically.

    Raises:
        RunError: The file cannot be written.
    """
    text = yaml.safe_dump(config.to_dict(), sort_keys=False, allow_unicode=True, width=140)
    _io.write_text(folder / CONFIG, text, error=RunError)


def read_config(folder: Path) -> RunConfig:
    """Return the configuration of the run in a folder.

    Raises:
        RunError: There is none, or it is damaged or of a newer format.
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
        RunError: There is no run, or a damaged one.
    """
    config = read_config(folder)
    space = config.search_space()
    content = read_store(folder)
    check_rows(folder, space, content)
    return config, space, content


def check_rows(folder: Path, space: SearchSpace, content: StoreContent) -> None:
    """Check that all candidates of a store are points of the space.

    Raises:
        RunError: A candidate is no point of the space.
    """
    try:
        space.canonical(np.asarray([candidate.row for candidate in content.candidates.values()]))
    except (SpaceError, ValueError) as error:
        raise RunError(
            f"{folder / STORE}: does not belong to {CONFIG} ({error}); restore both, or start a"
            " new run"
        ) from None


def list_runs(folder: Path) -> list[Path]:
    """Return the run folders in a folder, sorted by name."""
    return sorted(path.parent for path in folder.glob(f"*/{CONFIG}")) if folder.is_dir() else []
