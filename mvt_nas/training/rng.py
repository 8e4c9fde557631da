"""The random numbers of a training: an independent generator for every purpose and position."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class RngPurpose(IntEnum):
    """The purpose of random numbers."""

    ORDER = 1
    SIZES = 2
    IMAGE = 3
    MIXING = 4
    DROPOUT = 5


def generator(purpose: RngPurpose, seed: int, *position: int) -> np.random.Generator:
    """Return the generator for a purpose at a position, such as an epoch and an image in it.

    A purpose always has equally many numbers for a position: numpy takes a missing one for a zero.
    """
    return np.random.default_rng([purpose, seed, *position])
