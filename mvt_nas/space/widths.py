"""Rounding of widths as in the authors' code, for numbers and integer arrays alike.

Source: ml-cvnets, as described in the three papers' released configurations.
"""

from __future__ import annotations

from typing import Any


def make_divisible(value: Any, divisor: int = 8) -> Any:
    """Return the multiple of ``divisor`` nearest to ``value``, but not below 90 % of ``value``.

    It is at least ``divisor``.
    """
    # In integers, and with products of truth values in place of branches, so that arrays work too.
    rounded = (2 * value + divisor) // (2 * divisor) * divisor
    rounded = rounded + (divisor - rounded) * (rounded < divisor)
    return rounded + divisor * (10 * rounded < 9 * value)


def hidden_width(expansion: float, in_width: Any) -> Any:
    """Return the channels inside an inverted residual: ``expansion * in_width``, divisible by 8.

    The product is rounded before it is made divisible. An expansion of 1 has no first convolution,
    so its channels are those of the input.
    """
    return in_width if expansion == 1 else make_divisible(_nearest(expansion * in_width))


def feed_forward_width(multiplier: Any, dim: Any) -> Any:
    """Return the feed-forward channels: ``multiplier * dim``, rounded down to a multiple of 16.

    They are at least 16.
    """
    down = _whole(multiplier * dim // 16) * 16
    return down + (16 - down) * (down < 16)


def head_width(expansion: Any, width: Any) -> Any:
    """Return the channels before pooling: ``expansion * width``, at most 960; 0 for none.

    Source: 2110.02178's released model, ``min(4 * C, 960)``.
    """
    wide = _whole(expansion * width)
    return wide + (960 - wide) * (wide > 960)


def _nearest(value: Any) -> Any:
    """Round to the nearest integer, halves to even."""
    return round(value) if isinstance(value, int | float) else value.round().astype("int64")


def _whole(value: Any) -> Any:
    """Return a number without its fraction, as an integer."""
    return int(value) if isinstance(value, int | float) else value.astype("int64")
