"""Non-negative least squares for columns of very different sizes."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from mvt_nas._typing import FloatArray

_ITERATIONS_PER_COLUMN = 100


def nonnegative_least_squares(design: FloatArray, target: FloatArray) -> FloatArray:
    """Return the x >= 0, (columns,), that minimizes ``|design @ x - target|``, (rows,)."""
    # Columns of unit length: the solver's tolerances are absolute.
    norms = np.linalg.norm(design, axis=0)
    norms[norms == 0] = 1.0
    most_iterations = _ITERATIONS_PER_COLUMN * design.shape[1]
    scaled: FloatArray = nnls(design / norms, target, maxiter=most_iterations)[0]
    result: FloatArray = scaled / norms
    return result
