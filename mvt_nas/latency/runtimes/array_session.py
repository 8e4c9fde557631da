"""A session of anything that is a function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ArraySession:
    """A function from images (B, C, H, W) to logits (B, classes), with the images that are timed.

    What the function returns may be memory of its library that the next call writes to.
    """

    def __init__(self, run: Callable[[NDArray[np.float32]], NDArray[np.float32]], images: NDArray[np.float32]) -> None:
        self._run = run
        self._images = images

    def __call__(self) -> None:
        """Run one inference."""
        self._run(self._images)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return the logits, (B, classes), of images (B, C, H, W)."""
        return self._run(images).copy()
