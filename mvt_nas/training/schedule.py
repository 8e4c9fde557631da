"""The learning rate during a training: a linear warm-up, then half a cosine.

Both kinds of trainings take their rates from the same two closed forms. Torch's schedulers are not
used: they count whole steps only, whereas the number of steps in an epoch depends on the image
sizes that are drawn, and ``CosineAnnealingLR`` computes each rate from the one before, so that a
resumed training would differ in the last digits. A test compares the closed form with it.

Source: Loshchilov and Hutter, arXiv 1608.03983 (cosine); Goyal et al., arXiv 1706.02677 (warm-up);
arXiv 2110.02178, Section 4.1.
"""

from __future__ import annotations

import math

from mvt_nas.training.recipe_groups import Optimisation


def linear_warmup(done: float, length: float, *, first: float, peak: float) -> float:
    """Return the rate after a part of the warm-up, which rises from ``first`` to ``peak``."""
    return first + (peak - first) * done / length


def cosine_decay(done: float, length: float, *, peak: float, last: float) -> float:
    """Return the rate after a part of the decay, which falls from ``peak`` to ``last``."""
    return last + (peak - last) * 0.5 * (1 + math.cos(math.pi * done / length))


def learning_rate_at_epoch(epochs_done: float, optimisation: Optimisation) -> float:
    """Return the learning rate of a recipe after a number of epochs, whole and in part."""
    warmup, peak = optimisation.warmup_epochs, optimisation.largest_learning_rate
    if epochs_done < warmup:
        first = optimisation.first_learning_rate
        return linear_warmup(epochs_done, warmup, first=first, peak=peak)
    # The last step may reach a little beyond the last epoch; the rate then stays at its end.
    share = (epochs_done - warmup) / max(optimisation.epochs - warmup, 1e-9)
    return cosine_decay(min(share, 1.0), 1.0, peak=peak, last=optimisation.last_learning_rate)


def learning_rate_at_step(step: int, *, total: int, warmup: int, peak: float) -> float:
    """Return the learning rate of a step, counted from 0, in a training that ends at zero.

    Short trainings are comparable only if the rate has fallen to zero within them. It is zero at
    step ``total``, the first one that is not made.

    Args:
        step: Number of the step.
        total: Steps of the whole training.
        warmup: Steps of the warm-up; the last of them has the largest rate already.
        peak: Largest rate.
    """
    if step < warmup:
        return linear_warmup(step + 1, warmup, first=0.0, peak=peak)
    return cosine_decay(step - warmup, max(1, total - warmup), peak=peak, last=0.0)
