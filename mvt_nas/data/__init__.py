"""Pictures to learn from: read once, brought to one size, kept in a cache, split with a seed.

``load_images("digits", 16)`` needs no file; ``load_images("pictures/", 64)`` reads a folder of
pictures by class. A kind of source is one file in ``mvt_nas/data/sources``.
"""

from __future__ import annotations

from mvt_nas.data.dataset import ImageDataset, Split
from mvt_nas.data.load import load_images
from mvt_nas.data.source import SOURCES, ImageCatalogue, ImageSource

__all__ = ["SOURCES", "ImageCatalogue", "ImageDataset", "ImageSource", "Split", "load_images"]
