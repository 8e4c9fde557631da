"""Files shipped with the package: the search spaces and the table of trained networks."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import AccuracyError, SpaceError, listing, nearest

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent

NAME = "small_images-cifar10.csv"
"""File name of the shipped table of trained networks."""


def shipped_spaces() -> Path:
    """Return the folder of the shipped search spaces.

    An installed package has it inside, a checkout next to the package.
    """
    inside = _PACKAGE / "search_spaces"
    return inside if inside.is_dir() else _CHECKOUT / "search_spaces"


def shipped_names() -> list[str]:
    """Return the names of the shipped search spaces."""
    return sorted(file.stem for file in shipped_spaces().glob("*.yaml"))


def find_space(path: str | Path) -> Path:
    """Return the file of a search space.

    Args:
        path: Path of a file, or the name of a shipped space such as ``mobilevit``. A file takes
            precedence.

    Raises:
        SpaceError: There is neither; the message lists the shipped spaces.
    """
    given = Path(path)
    if len(given.parts) != 1 or given.suffix or _exists(given):
        return given
    shipped = shipped_spaces() / f"{given}.yaml"
    if _exists(shipped):
        return shipped
    names = shipped_names()
    raise SpaceError(
        f"{path}: no such file, and no shipped space of that name{nearest(str(path), names)}"
        f" (shipped: {listing(names)})"
    )


def default_table() -> Path:
    """Return the path of the shipped table of trained networks.

    Raises:
        AccuracyError: The table is missing.
    """
    return benchmark_file(NAME)


def benchmark_file(name: str) -> Path:
    """Return the path of a shipped file of results.

    Raises:
        AccuracyError: The file is missing.
    """
    # An installed package carries the files; in a checkout they are among the results.
    for folder in (_PACKAGE / "benchmark", _CHECKOUT / "results" / "benchmark"):
        if (folder / name).is_file():
            return folder / name
    raise AccuracyError(f"the shipped file {name} is missing; install mvt-nas again")


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # No file can have such a name.
        return False
