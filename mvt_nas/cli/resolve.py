"""What people name architectures by: a published model, a JSON file, or a candidate of a run (``results/x:12``)."""

from __future__ import annotations

from pathlib import Path

from mvt_nas.errors import ArchitectureError, listing, nearest
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo


def resolve(name: str) -> tuple[str, Architecture]:
    """Return a title and the architecture.

    Raises:
        MvtNasError: nothing is called so.
    """
    if name in published_names():
        return name, zoo(name)
    folder, colon, number = name.rpartition(":")
    if colon and number.isdecimal():
        from mvt_nas.engine.run import Run

        return f"{folder}, candidate {number}", Run.load(folder).architecture(int(number))
    if Path(name).is_file():
        return name, Architecture.load(name)
    names = published_names()
    raise ArchitectureError(
        f"{name!r} is no published model, file or candidate RUN:NUMBER{nearest(name, names)} (models: {listing(names)})"
    )
