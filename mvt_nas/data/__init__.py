"""Image datasets: read once, resized, cached on disk, and split with a seed.

``load_images("digits", 16)`` needs no file; ``load_images("images/", 64)`` reads a folder of images
by class. A kind of source is one file in ``mvt_nas/data/sources``.
"""

from __future__ import annotations

from mvt_nas.data.dataset import ImageDataset, Split
from mvt_nas.data.load import load_images
from mvt_nas.data.source import SOURCES, ImageCatalogue, ImageSource

__all__ = ["SOURCES", "ImageCatalogue", "ImageDataset", "ImageSource", "Split", "load_images"]
