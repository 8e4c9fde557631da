"""Labels of files (integers or text) as integers from 0 with names, and stamps of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import DataError

HELD_OUT = ("val", "valid", "validation", "dev")
TEST = ("test", "testing")
PARTS = ("train", "training", *HELD_OUT, *TEST)
"""Names of the parts of a dataset; a test part is never read, so that nobody selects a network by
it."""


def named(
    labels: NDArray[Any], names: Iterable[Any] | None, where: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels as int64 from 0, and the names of the classes.

    Args:
        labels: Integers or text, (N,).
        names: Names of the classes by integer label; by default, the labels found are the names,
            sorted.
        where: Beginning of the message.

    Raises:
        DataError: the labels are neither integers nor text, or a label has no name.
    """
    if labels.dtype.kind not in "iuUS":
        raise DataError(f"{where}: labels in {labels.dtype}; integers or text are needed")
    if names is None:
        found, codes = np.unique(labels, return_inverse=True)
        return codes.astype(np.int64), tuple(str(name) for name in found.tolist())
    given = tuple(str(name) for name in names)
    if labels.dtype.kind in "iu" and len(labels) and 0 <= labels.min() <= labels.max() < len(given):
        return _without_gaps(labels.astype(np.int64), given)
    raise DataError(
        f"{where}: labels do not fit the {len(given)} class names; integers from 0 to"
        f" {len(given) - 1} are needed"
    )


def _without_gaps(
    labels: NDArray[np.int64], names: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Remove classes without images and renumber the labels."""
    present, codes = np.unique(labels, return_inverse=True)
    return codes.astype(np.int64), tuple(names[label] for label in present.tolist())


def stamp(files: Iterable[Path]) -> str:
    """Return a text that changes with the path, size or modification time of any file.

    Raises:
        DataError: the status of a file cannot be read.
    """
    result = hashlib.sha256()
    for file in files:
        try:
            found = os.stat(file)
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({error.strerror})") from None
        result.update(
            repr((str(file.absolute()), found.st_size, found.st_mtime_ns)).encode(
                "utf-8", "surrogatepass"
            )
        )
    return result.hexdigest()
