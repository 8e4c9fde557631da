"""Non-negative least squares for columns of very different sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]

_ITERATIONS_PER_COLUMN = 100


def nonnegative_least_squares(design: Array, target: Array) -> Array:
    """Return the x >= 0, (columns,), that brings ``design @ x`` closest to ``target``, (rows,)."""
    norms = np.linalg.norm(design, axis=0)
    norms[norms == 0] = 1.0
    found: Array = nnls(design / norms, target, maxiter=_ITERATIONS_PER_COLUMN * design.shape[1])[0]
    result: Array = found / norms
    return result
