"""Choosing a few from many that stand in order."""

from __future__ import annotations


def evenly_spread(n: int, most: int, kept: int | None = None) -> list[int]:
    """Return at most ``most`` of the indices below ``n``, evenly spread, both ends and ``kept`` among them where there is room."""
    if n <= most:
        return list(range(n))
    if most == 1:
        return [0 if kept is None else kept]
    chosen = {round(i * (n - 1) / (most - 1)) for i in range(most)}
    if kept is not None and kept not in chosen:
        inner = chosen - {0, n - 1} or chosen
        chosen.remove(min(inner, key=lambda index: (abs(index - kept), index)))
        chosen.add(kept)
    return sorted(chosen)
