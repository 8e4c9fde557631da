"""What a training tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mvt_nas.training.history import EpochRecord
from mvt_nas.training.state import TrainingState


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Who is told what; in the process that writes, and there only.

    Attributes:
        begun: is told in words what the training begins with, or goes on from.
        step: is told after every step how many the epoch has, the mean loss in it as it was last
            looked at, and the learning rate.
        epoch: is told what an epoch came to, after its checkpoint was written.
    """

    begun: Callable[[str], None] = lambda words: None
    step: Callable[[TrainingState, int, float, float], None] = lambda now, steps, loss, rate: None
    epoch: Callable[[EpochRecord], None] = lambda row: None
