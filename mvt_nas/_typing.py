"""Array types used in many modules."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
"""Floating-point values in double precision."""

IndexArray: TypeAlias = NDArray[np.intp]
"""Positions in another array."""

BoolArray: TypeAlias = NDArray[np.bool_]
"""Masks: truth values by position."""
