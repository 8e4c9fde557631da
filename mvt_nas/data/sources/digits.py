"""The 1797 handwritten digits of scikit-learn, 8 x 8 pixels, which need no download.

The file is read directly, since importing ``sklearn.datasets`` takes over a second.

Source: Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI machine learning
repository (1998).
"""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mvt_nas.data.source import SOURCES, ImageCatalogue, ImageSource
from mvt_nas.errors import DataError

_SIDE = 8
_LARGEST = 16


def catalogue(source: str) -> ImageCatalogue:
    """Return the digits, with grey values scaled to 0 to 255.

    Raises:
        DataError: scikit-learn or its data is not installed.
    """
    spec = find_spec("sklearn")
    try:
        if spec is None or spec.origin is None:
            raise DataError("digits: scikit-learn is not installed; pip install scikit-learn")
        with gzip.open(Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz") as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.int64)
    except OSError as error:
        raise DataError(f"digits: scikit-learn's file cannot be read ({error})") from None
    labels = table[:, -1].copy()
    images = (table[:, :-1].reshape(-1, _SIDE, _SIDE) * 255 // _LARGEST).astype(np.uint8)
    return ImageCatalogue(
        where="digits",
        labels=labels,
        class_names=tuple("0123456789"),
        held_out=np.zeros(len(labels), bool),
        stamp="digits",
        image=images.__getitem__,
        name=lambda index: f"digit {index}",
        cached=False,
    )


SOURCES.register("digits")(
    ImageSource("'digits', embedded", lambda source: source == "digits", catalogue)
)
