"""Where the random numbers of a training come from: a generator of its own for every purpose and place, so that none depends on another."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class RngPurpose(IntEnum):
    """What random numbers are for."""

    ORDER = 1
    SIZES = 2
    PICTURE = 3
    MIXING = 4
    DROPOUT = 5


def generator(purpose: RngPurpose, seed: int, *place: int) -> np.random.Generator:
    """Return the generator for a purpose at a place in a training, such as an epoch and a position in it.

    A purpose always has equally many numbers for a place: numpy takes a missing one for a zero.
    """
    return np.random.default_rng([purpose, seed, *place])
