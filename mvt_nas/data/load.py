"""A source by its name or path to an image set: catalogue, choice of pictures, cache, decoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvt_nas.data import cache as stored
from mvt_nas.data.dataset import ImageDataset, digest, fingerprint
from mvt_nas.data.decode import TooLarge, Unreadable, decode, strict_warnings
from mvt_nas.data.source import SOURCES, ImageCatalogue, ImageSource
from mvt_nas.data.stratify import at_most
from mvt_nas.errors import DataError, listing, nearest

SMALL_SHARE = 0.01
"""Share of pictures that may be unreadable before a source is refused; one may always be."""

_VERSION = b"1"  # of what decoding does: a change makes old entries of the cache useless
_SIDES = (8, 1024)
_ARRAYS_BYTES = 32 * 2**30


def load_images(
    source: str | Path,
    pixels: int,
    *,
    limit: int | None = None,
    seed: int = 0,
    cache: Path | None = None,
    listener: Callable[[int, int], None] | None = None,
) -> ImageDataset:
    """Return the pictures of a source, each (pixels, pixels, 3).

    Args:
        source: ``"digits"``, or the path of a folder of pictures by class, an ``.npz`` or a Parquet
            file, or a folder of those.
        pixels: side to bring the pictures to.
        limit: pictures per class (and part, where the source has its own validation pictures); all
            without one.
        seed: of the choice that a limit makes.
        cache: folder for decoded pictures (see :func:`mvt_nas.data.cache.cache_folder`).
        listener: is told after every picture how many of how many are decoded.

    Raises:
        DataError: there is no such source, it holds fewer than two classes, or too much of it is
            unreadable.
    """
    _check(pixels, limit)
    catalogue = find_source(str(source)).catalogue(str(source))
    if len(catalogue.class_names) < 2:
        raise DataError(
            f"{catalogue.where}: the only class is {listing(catalogue.class_names) or 'none'}; two"
            " or more are needed"
        )
    folder = cache or stored.cache_folder()
    key = digest(
        _VERSION,
        repr((catalogue.stamp, catalogue.where, pixels, limit, seed if limit else 0)).encode(),
    )
    found = stored.read(folder, key) if catalogue.cached else None
    if found is not None:
        return found
    images = _decoded(
        catalogue, _chosen(catalogue, limit, seed), pixels, listener or (lambda done, total: None)
    )
    if catalogue.cached:
        stored.write(folder, key, images)
    return images


def find_source(source: str) -> ImageSource:
    """Return the kind of source that ``source`` is.

    Raises:
        DataError: no kind takes it.
    """
    if source in SOURCES and SOURCES.get(source).claims(source):
        return SOURCES.get(source)
    for name in sorted(
        SOURCES.names(), key=lambda name: name == "folder"
    ):  # any folder is a folder: ask the others first
        if SOURCES.get(name).claims(source):
            return SOURCES.get(name)
    kinds = "; ".join(SOURCES.get(name).summary for name in SOURCES.names())
    state = "cannot be used" if Path(source).exists() else "no such file or folder"
    raise DataError(f"{source}: {state}{nearest(source, ['digits'])} (sources: {kinds})")


def _check(pixels: int, limit: int | None) -> None:
    if type(pixels) is not int or not _SIDES[0] <= pixels <= _SIDES[1]:
        raise DataError(
            f"pixels = {pixels!r} is not allowed; an integer from {_SIDES[0]} to {_SIDES[1]}"
        )
    if limit is not None and (type(limit) is not int or limit < 1):
        raise DataError(
            f"limit = {limit!r} is not allowed; pictures per class, 1 or more, or none for all"
        )


def _chosen(catalogue: ImageCatalogue, limit: int | None, seed: int) -> NDArray[np.int64]:
    if limit is None:
        return np.arange(len(catalogue.labels))
    part = catalogue.labels + catalogue.held_out * len(catalogue.class_names)
    return at_most(part, limit, np.random.default_rng(seed))


def _decoded(
    catalogue: ImageCatalogue,
    chosen: NDArray[np.int64],
    pixels: int,
    listener: Callable[[int, int], None],
) -> ImageDataset:
    if len(chosen) * pixels**2 * 3 > _ARRAYS_BYTES:
        raise DataError(
            f"{catalogue.where}: {len(chosen)} pictures of {pixels} px are more than 32 GB; fewer"
            " pixels or a limit is needed"
        )
    images = np.empty((len(chosen), pixels, pixels, 3), np.uint8)
    kept: list[int] = []
    skipped: list[str] = []
    with strict_warnings():
        for done, index in enumerate(chosen.tolist(), start=1):
            try:
                images[len(kept)] = decode(catalogue.picture(index), pixels)
                kept.append(index)
            except (Unreadable, OSError) as error:
                skipped.append(
                    f"{catalogue.name(index)} ({getattr(error, 'strerror', None) or error})"
                )
                _check_share(catalogue, skipped, len(chosen))
            except TooLarge as error:
                raise DataError(
                    f"{catalogue.name(index)}: {error}; this may be a decompression bomb"
                ) from None
            listener(done, len(chosen))
    return _image_set(catalogue, images[: len(kept)], np.array(kept, np.int64), tuple(skipped))


def _check_share(catalogue: ImageCatalogue, skipped: list[str], total: int) -> None:
    if len(skipped) > max(1, SMALL_SHARE * total):
        raise DataError(
            f"{catalogue.where}: {len(skipped)} of {total} pictures are unreadable and others may"
            f" be, such as {skipped[0]}; at most {max(1, int(SMALL_SHARE * total))} may be"
        )


def _image_set(
    catalogue: ImageCatalogue,
    images: NDArray[np.uint8],
    kept: NDArray[np.int64],
    skipped: tuple[str, ...],
) -> ImageDataset:
    labels, held_out = catalogue.labels[kept], catalogue.held_out[kept]
    empty = [name for label, name in enumerate(catalogue.class_names) if label not in labels]
    if empty:
        raise DataError(f"{catalogue.where}: no picture of class {listing(empty)} can be read")
    mark = fingerprint(images, labels, catalogue.class_names, held_out)
    return ImageDataset(
        images, labels, catalogue.class_names, held_out, catalogue.where, mark, skipped
    )
