"""Arrays in an ``.npz`` file: ``images`` in uint8, (N, H, W), (N, H, W, 1) or (N, H, W, 3), ``labels``, perhaps ``class_names``."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.data.labels import named, stamp
from mvt_nas.data.source import SOURCES, ImageCatalogue, ImageSource
from mvt_nas.errors import DataError, listing


def catalogue(source: str) -> ImageCatalogue:
    """Return what an ``.npz`` file holds.

    Raises:
        DataError: it cannot be read, or does not hold what is needed.
    """
    arrays = _arrays(source)
    images, labels = arrays["images"], arrays["labels"]
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.dtype != np.uint8 or not (
        images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    ):
        raise DataError(
            f"{source}: images {images.shape} in {images.dtype}; (N, H, W) or (N, H, W, 3) in uint8"
            " is needed"
        )
    if not len(images) or labels.shape != images.shape[:1]:
        raise DataError(
            f"{source}: labels {labels.shape} for images {images.shape}; one each, and one at"
            " least, is needed"
        )
    codes, names = named(labels, arrays.get("class_names"), source)
    held_out = np.zeros(len(codes), bool)
    return ImageCatalogue(
        source,
        codes,
        names,
        held_out,
        stamp([Path(source)]),
        images.__getitem__,
        lambda index: f"{source}: picture {index}",
        cached=True,
    )


def _arrays(source: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(source, allow_pickle=False) as file:
            missing = [name for name in ("images", "labels") if name not in file.files]
            if missing:
                raise DataError(
                    f"{source}: holds {listing(file.files) or 'nothing'}; images and labels are"
                    " needed"
                )
            return {
                name: file[name]
                for name in ("images", "labels", "class_names")
                if name in file.files
            }
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise DataError(f"{source}: cannot be read ({error})") from None


SOURCES.register("npz")(
    ImageSource(
        "an .npz file",
        lambda source: Path(source).suffix == ".npz" and Path(source).is_file(),
        catalogue,
    )
)
