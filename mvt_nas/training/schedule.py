"""The learning rate of every step: a linear rise, then half a cosine to zero.

Source: Loshchilov and Hutter, arXiv 1608.03983 (cosine); Goyal et al., arXiv 1706.02677 (warm-up). Short trainings are comparable only
when the rate has fallen to zero within them.
"""

from __future__ import annotations

import math


def learning_rate(step: int, *, total: int, warmup: int, peak: float) -> float:
    """Return the learning rate of a step, counted from 0, out of ``total``, the first ``warmup`` of which rise to ``peak``.

    It would be zero at step ``total``, the first that is not made.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
