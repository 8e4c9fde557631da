"""Callbacks of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mvt_nas.training.history import EpochRecord
from mvt_nas.training.state import TrainingState


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Functions that a training calls, on rank 0 only.

    Attributes:
        on_start: Called with a description of the initial weights or of the resumed position.
        on_step: Called after every step with the state, the number of steps in the epoch, the mean
            loss in it so far (updated every few steps), and the learning rate.
        on_epoch_end: Called with the record of an epoch, after its checkpoint was written.
    """

    on_start: Callable[[str], None] = lambda description: None
    on_step: Callable[[TrainingState[EpochRecord], int, float, float], None] = (
        lambda state, steps, loss, rate: None
    )
    on_epoch_end: Callable[[EpochRecord], None] = lambda record: None
