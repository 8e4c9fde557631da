"""What a kind of source says about itself, and what it makes of a path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas.registry import Registry


@dataclass(frozen=True, slots=True, eq=False)
class ImageCatalogue:
    """What a source holds, before any picture is read.

    Attributes:
        where: the source in words.
        labels: (N,), int64, from 0.
        class_names: by label.
        held_out: (N,), whether the source itself keeps a picture for validation.
        stamp: changes when the content does; part of the key in the cache.
        picture: returns the picture with an index, as the bytes of a file or as pixels (H, W) or
            (H, W, 3); may raise ``OSError``.
        name: returns what to call that picture in messages.
        cached: whether decoded pictures are worth keeping on disk.
    """

    where: str
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    held_out: NDArray[np.bool_]
    stamp: str
    picture: Callable[[int], bytes | NDArray[np.uint8]]
    name: Callable[[int], str]
    cached: bool = True


@dataclass(frozen=True, slots=True)
class ImageSource:
    """A kind of source.

    Attributes:
        summary: what may be given, in a few words.
        claims: whether a name or path is of this kind.
        catalogue: returns what it holds; raises ``DataError``.
    """

    summary: str
    claims: Callable[[str], bool]
    catalogue: Callable[[str], ImageCatalogue]


SOURCES: Registry[ImageSource] = Registry("image source", "mvt_nas.data.sources")
"""Kinds of sources, by name."""
