"""The learning rate at every moment of a training: a linear rise, then half a cosine.

It goes by epochs, whole and in part, since the number of steps in an epoch depends on the sizes that are drawn.

Source: Loshchilov and Hutter, arXiv 1608.03983; arXiv 2110.02178, Section 4.1.
"""

from __future__ import annotations

import math

from mvt_nas.fitting.recipe import Optimisation


def learning_rate(epochs_done: float, how: Optimisation) -> float:
    """Return the learning rate after some epochs."""
    if epochs_done < how.warmup_epochs:
        return how.first_learning_rate + (how.largest_learning_rate - how.first_learning_rate) * epochs_done / how.warmup_epochs
    share = (epochs_done - how.warmup_epochs) / max(how.epochs - how.warmup_epochs, 1e-9)
    return how.last_learning_rate + (how.largest_learning_rate - how.last_learning_rate) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
