"""``classes.txt`` in a folder of annotated pictures: the names of its classes, one a line, in the order of their labels."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import DataError

NAME = "classes.txt"
_MOST_BYTES = 16 * 2**20


def named_classes(folder: Path) -> tuple[str, ...]:
    """Return the names in a folder's file, none where there is no file.

    Raises:
        DataError: it cannot be read, or a name is missing or there twice.
    """
    path = folder / NAME
    if not path.exists():
        return ()
    names = read_lines(path)
    if not names:
        raise DataError(f"{path}: empty; the names of the classes are needed, one a line")
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise DataError(f"{path}: {twice!r} is there twice; every class needs a name of its own")
    return tuple(names)


def read_lines(path: Path) -> list[str]:
    """Return what the lines of a small text file say, without those that are empty.

    Raises:
        DataError: it cannot be read.
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
        raise DataError(f"{path}: no text in UTF-8") from None
