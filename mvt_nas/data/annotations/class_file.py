"""``classes.txt`` in a folder of annotated images: class names by label, one per line."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import DataError

NAME = "classes.txt"
_MOST_BYTES = 16 * 2**20


def named_classes(folder: Path) -> tuple[str, ...]:
    """Return the names in a folder's file, or an empty tuple if there is no file.

    Raises:
        DataError: the file cannot be read or is empty, or a name is duplicated.
    """
    path = folder / NAME
    if not path.exists():
        return ()
    names = read_lines(path)
    if not names:
        raise DataError(f"{path}: empty; the names of the classes are needed, one per line")
    duplicate = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if duplicate is not None:
        raise DataError(f"{path}: {duplicate!r} is duplicated; every class needs a unique name")
    return tuple(names)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a small text file, stripped, without empty ones.

    Raises:
        DataError: the file cannot be read, or is too large for a list of names.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(
                f"{path}: larger than {_MOST_BYTES // 2**20} MB; a list of names is expected"
            )
        return [
            line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
        ]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None
