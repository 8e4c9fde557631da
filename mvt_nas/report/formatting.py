"""Numbers and durations as text."""

from __future__ import annotations

_LARGEST_WITH_UNIT = 1e15
_MAGNITUDES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def format_number(value: float, unit: str = "") -> str:
    """Return a number with three or four digits and a factor of a thousand, such as ``1.27 M``."""
    if abs(value) < _LARGEST_WITH_UNIT:
        for factor, prefix in _MAGNITUDES:
            if abs(value) >= factor:
                scaled = value / factor
                decimals = 2 if abs(scaled) < 100 else 1
                return f"{scaled:.{decimals}f} {prefix}{unit}"
        if float(value).is_integer():
            return f"{value:.0f} {unit}".strip()
    return f"{value:.4g} {unit}".strip()


def format_full_number(value: float) -> str:
    """Return a number without a factor: integers with all digits, others with four."""
    if float(value).is_integer() and abs(value) < _LARGEST_WITH_UNIT:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def format_duration(seconds: float) -> str:
    """Return a duration with one or two units, such as ``40 s`` or ``2 h 10 min``."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} days {hours % 24} h"


def format_rate(per_second: float) -> str:
    """Return a rate per second, minute or hour, such as ``1.5 a minute``."""
    if per_second >= 1:
        return f"{per_second:.1f} a second"
    if per_second >= 1 / 60:
        return f"{60 * per_second:.1f} a minute"
    return f"{3600 * per_second:.1f} an hour"
