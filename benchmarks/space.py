"""Frequent operations on a search space: loading, sampling, coding, listing neighbours."""

from __future__ import annotations

from benchmarks._figures import Figure, figure, seconds
from mvt_nas.space.search_space import load_space

ROWS = 1000


def run() -> list[Figure]:
    """Return the times of the operations on the largest space of the package."""
    space = load_space("mobilevit")
    rows = space.sample(ROWS, seed=0)
    architectures = space.decode_many(rows[:20])
    times = {
        "loading, with the exact size": [
            taken * 1e3 for taken in seconds(lambda: load_space("mobilevit"), 7)
        ],
        "drawing": [taken / ROWS * 1e3 for taken in seconds(lambda: space.sample(ROWS, seed=1), 7)],
        "decoding one row": [
            taken / 20 * 1e3
            for taken in seconds(lambda: [space.decode(row) for row in rows[:20]], 7)
        ],
        "decoding 1000 rows, each": [
            taken / ROWS * 1e3 for taken in seconds(lambda: space.decode_many(rows), 7)
        ],
        "encoding one architecture": [
            taken / 20 * 1e3
            for taken in seconds(lambda: [space.encode(a) for a in architectures], 7)
        ],
        "neighbours of one row": [
            taken / 20 * 1e3
            for taken in seconds(lambda: [space.neighbours(row) for row in rows[:20]], 7)
        ],
    }
    return [figure(name, samples, "ms") for name, samples in times.items()]
