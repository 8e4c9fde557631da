"""What a training tells while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mvt_nas.fitting.rows import Row
from mvt_nas.fitting.state import State


@dataclass(frozen=True, slots=True)
class Heard:
    """Who is told what; in the process that writes, and there only.

    Attributes:
        begun: is told in words what the training begins with, or goes on from.
        step: is told after every step how many the epoch has, the mean loss in it as it was last looked at, and the learning rate.
        epoch: is told what an epoch came to, after its checkpoint was written.
    """

    begun: Callable[[str], None] = lambda words: None
    step: Callable[[State, int, float, float], None] = lambda now, steps, loss, rate: None
    epoch: Callable[[Row], None] = lambda row: None
