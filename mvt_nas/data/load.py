"""Loading of a dataset from a name or path: catalogue, choice of images, cache, decoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvt_nas.data import cache as dataset_cache
from mvt_nas.data.dataset import ImageDataset, digest, fingerprint
from mvt_nas.data.decode import TooLarge, Unreadable, decode, strict_warnings
from mvt_nas.data.source import ImageCatalogue, find_source
from mvt_nas.data.stratify import at_most
from mvt_nas.errors import DataError, listing

SMALL_SHARE = 0.01
"""Largest share of unreadable images before a source is refused; one image may always be."""

# Version of the decoding: a change makes old entries of the cache useless.
_VERSION = b"1"
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
    """Return the images of a source, each (pixels, pixels, 3).

    Args:
        source: ``"digits"``, or the path of a folder of images by class, of an ``.npz`` or Parquet
            file, or of a folder of Parquet files.
        pixels: Side of the resized images.
        limit: Largest number of images per class (and part, if the source has its own validation
            images); all images by default.
        seed: Seed of the choice that a limit makes.
        cache: Folder for decoded images (see :func:`mvt_nas.data.cache.cache_folder`).
        listener: Function called after every image with the number of decoded images and the total.

    Raises:
        DataError: there is no such source, it has fewer than two classes, or too many of its images
            are unreadable.
    """
    _check(pixels, limit)
    catalogue = find_source(str(source)).catalogue(str(source))
    if len(catalogue.class_names) < 2:
        raise DataError(
            f"{catalogue.where}: the only class is {listing(catalogue.class_names) or 'none'}; two"
            " or more are needed"
        )
    folder = cache or dataset_cache.cache_folder()
    key = digest(
        _VERSION,
        repr((catalogue.stamp, catalogue.where, pixels, limit, seed if limit else 0)).encode(),
    )
    found = dataset_cache.read(folder, key) if catalogue.cached else None
    if found is not None:
        return found
    rows = _choose_rows(catalogue, limit, seed)
    images = _decode_all(catalogue, rows, pixels, listener or (lambda done, total: None))
    if catalogue.cached:
        dataset_cache.write(folder, key, images)
    return images


def _check(pixels: int, limit: int | None) -> None:
    if type(pixels) is not int or not _SIDES[0] <= pixels <= _SIDES[1]:
        raise DataError(
            f"pixels = {pixels!r} is not allowed; an integer from {_SIDES[0]} to {_SIDES[1]}"
        )
    if limit is not None and (type(limit) is not int or limit < 1):
        raise DataError(
            f"limit = {limit!r} is not allowed; images per class, 1 or more, or none for all"
        )


def _choose_rows(catalogue: ImageCatalogue, limit: int | None, seed: int) -> NDArray[np.int64]:
    if limit is None:
        return np.arange(len(catalogue.labels))
    # One number per class and part, so that the limit counts in each part of its own.
    part = catalogue.labels + catalogue.held_out * len(catalogue.class_names)
    return at_most(part, limit, np.random.default_rng(seed))


def _decode_all(
    catalogue: ImageCatalogue,
    rows: NDArray[np.int64],
    pixels: int,
    listener: Callable[[int, int], None],
) -> ImageDataset:
    if len(rows) * pixels**2 * 3 > _ARRAYS_BYTES:
        raise DataError(
            f"{catalogue.where}: {len(rows)} images of {pixels} px are more than 32 GB; fewer"
            " pixels or a limit is needed"
        )
    images = np.empty((len(rows), pixels, pixels, 3), np.uint8)
    kept: list[int] = []
    skipped: list[str] = []
    with strict_warnings():
        for done, index in enumerate(rows.tolist(), start=1):
            try:
                images[len(kept)] = decode(catalogue.image(index), pixels)
                kept.append(index)
            except (Unreadable, OSError) as error:
                skipped.append(
                    f"{catalogue.name(index)} ({getattr(error, 'strerror', None) or error})"
                )
                _check_share(catalogue, skipped, len(rows))
            except TooLarge as error:
                raise DataError(
                    f"{catalogue.name(index)}: {error}; this may be a decompression bomb"
                ) from None
            listener(done, len(rows))
    return _dataset(catalogue, images[: len(kept)], np.array(kept, np.int64), tuple(skipped))


def _check_share(catalogue: ImageCatalogue, skipped: list[str], total: int) -> None:
    if len(skipped) > max(1, SMALL_SHARE * total):
        raise DataError(
            f"{catalogue.where}: {len(skipped)} of {total} images are unreadable and others may"
            f" be, such as {skipped[0]}; at most {max(1, int(SMALL_SHARE * total))} may be"
        )


def _dataset(
    catalogue: ImageCatalogue,
    images: NDArray[np.uint8],
    kept: NDArray[np.int64],
    skipped: tuple[str, ...],
) -> ImageDataset:
    labels = catalogue.labels[kept]
    held_out = catalogue.held_out[kept]
    empty = [name for label, name in enumerate(catalogue.class_names) if label not in labels]
    if empty:
        raise DataError(f"{catalogue.where}: no image of class {listing(empty)} can be read")
    mark = fingerprint(images, labels, catalogue.class_names, held_out)
    return ImageDataset(
        images, labels, catalogue.class_names, held_out, catalogue.where, mark, skipped
    )
