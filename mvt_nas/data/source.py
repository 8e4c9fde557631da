"""Kinds of sources of labelled images, and the look-up of a source's kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import BoolArray
from mvt_nas.errors import DataError, nearest
from mvt_nas.registry import Registry


@dataclass(frozen=True, slots=True, eq=False)
class ImageCatalogue:
    """Content of a source of labelled images, before any image is read.

    Attributes:
        where: Name of the source, for messages.
        labels: Labels (N,), int64, from 0.
        class_names: Names of the classes by label.
        held_out: Whether the source itself keeps an image for validation, (N,).
        stamp: Text that changes with the content; part of the key in the cache.
        image: Function that returns the image with an index, as the bytes of a file or as pixels
            (H, W) or (H, W, 3); it may raise ``OSError``.
        name: Function that returns the name of that image in messages.
        cached: Whether decoded images are worth caching on disk.
    """

    where: str
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    held_out: BoolArray
    stamp: str
    image: Callable[[int], bytes | NDArray[np.uint8]]
    name: Callable[[int], str]
    cached: bool = True


@dataclass(frozen=True, slots=True)
class ImageSource:
    """A kind of source of labelled images.

    Attributes:
        summary: Short description of the names or paths that it takes.
        claims: Function that returns whether a name or path is of this kind.
        catalogue: Function that returns the content of a source; raises ``DataError``.
    """

    summary: str
    claims: Callable[[str], bool]
    catalogue: Callable[[str], ImageCatalogue]


SOURCES: Registry[ImageSource] = Registry("image source", "mvt_nas.data.sources")
"""Kinds of sources of labelled images, by name."""


def find_source(source: str) -> ImageSource:
    """Return the kind of a source of labelled images.

    Raises:
        DataError: no kind takes the name or path.
    """
    # Any folder may be a folder of images by class: the other kinds come first.
    found = claimed(SOURCES, source, last="folder")
    if found is None:
        summaries = [kind.summary for kind in entries(SOURCES)]
        raise unknown_source(source, summaries, example="digits")
    return found


class SourceKind(Protocol):
    """What all kinds of sources have in common."""

    @property
    def summary(self) -> str:
        """Short description of the names or paths that it takes."""

    @property
    def claims(self) -> Callable[[str], bool]:
        """Function that returns whether a name or path is of this kind."""


Entry = TypeVar("Entry")
Kind = TypeVar("Kind", bound=SourceKind)


def entries(registry: Registry[Entry]) -> list[Entry]:
    """Return all kinds of a registry, in the order of their names."""
    return [registry.get(name) for name in registry.names()]


def claimed(registry: Registry[Kind], source: str, last: str = "") -> Kind | None:
    """Return the first kind of a registry that claims a source, or ``None``.

    Args:
        registry: Kinds of sources; tried in the order of their names.
        source: Name or path.
        last: Name of the kind that is tried after all others.
    """
    for name in sorted(registry.names(), key=lambda name: name == last):
        kind = registry.get(name)
        if kind.claims(source):
            return kind
    return None


def unknown_source(
    source: str, summaries: Iterable[str], *, example: str, purpose: str = ""
) -> DataError:
    """Return the error for a source that no kind claims.

    Args:
        source: Name or path.
        summaries: Summaries of the kinds that would have been possible.
        example: Name of the built-in source, proposed for a similar name.
        purpose: What the source was to be used for, such as ``" for detection"``.
    """
    state = "cannot be used" if Path(source).exists() else "no such file or folder"
    return DataError(
        f"{source}: {state}{purpose}{nearest(source, [example])} (sources: {'; '.join(summaries)})"
    )
