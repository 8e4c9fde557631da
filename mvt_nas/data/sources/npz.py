"""An ``.npz`` file with the arrays ``images``, ``labels`` and possibly ``class_names``.

Images are (N, H, W), (N, H, W, 1) or (N, H, W, 3), uint8.
"""

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
    """Return the content of an ``.npz`` file.

    Raises:
        DataError: it cannot be read, or an array is missing or of the wrong shape or type.
    """
    arrays = _arrays(source)
    images = arrays["images"]
    labels = arrays["labels"]
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    has_colours = images.ndim == 4 and images.shape[3] == 3
    if images.dtype != np.uint8 or not (images.ndim == 3 or has_colours):
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
    return ImageCatalogue(
        where=source,
        labels=codes,
        class_names=names,
        held_out=np.zeros(len(codes), bool),
        stamp=stamp([Path(source)]),
        image=images.__getitem__,
        name=lambda index: f"{source}: image {index}",
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
