"""Where the space files are that ship with the package.

The table of trained networks that ships.
"""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import AccuracyError, SpaceError, listing, nearest


def shipped_spaces() -> Path:
    """Return the folder of the space files that ship: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent
    inside = package / "search_spaces"
    return inside if inside.is_dir() else package.parent / "search_spaces"


def shipped_names() -> list[str]:
    """Return the names of the spaces that ship."""
    return sorted(file.stem for file in shipped_spaces().glob("*.yaml"))


def find_space(path: str | Path) -> Path:
    """Return the file that is meant: one that exists, or one that ships under that name (``mobilevit``).

    Raises:
        SpaceError: there is neither; the message lists what ships.
    """
    given = Path(path)
    if len(given.parts) != 1 or given.suffix or _exists(given):
        return given
    if _exists(shipped_spaces() / f"{given}.yaml"):
        return shipped_spaces() / f"{given}.yaml"
    names = shipped_names()
    raise SpaceError(
        f"{path}: no such file, and no shipped space of that name{nearest(str(path), names)}"
        f" (shipped: {listing(names)})"
    )


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


_PACKAGE = Path(__file__).resolve().parent
NAME = "small_images-cifar10.csv"


def default_table() -> Path:
    """Return the path of the table that ships.

    Raises:
        AccuracyError: it is not there.
    """
    # In a clone, the table stands among the results; an installed package carries it.
    for folder in (_PACKAGE / "benchmark", _PACKAGE.parent / "results" / "benchmark"):
        if (folder / NAME).is_file():
            return folder / NAME
    raise AccuracyError(f"the table {NAME} is not there; make one with mvt-nas bench train")
