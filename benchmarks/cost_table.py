"""Costs of architectures a second: the cost table, the plain lowering, fvcore and thop, on one core in the same run.

The space is the largest that ships; the architectures are drawn uniformly from it. The table gives parameters, multiply-adds and peak
memory; the lowering all of that and the memory traffic; fvcore and thop parameters and multiply-adds.
"""

from __future__ import annotations

import statistics

import numpy as np
import torch

from benchmarks._figures import Figure, figure, seconds
from mvt_nas.cost.counters import count_with_fvcore, count_with_thop
from mvt_nas.cost.counts import count
from mvt_nas.cost.table import CostTable
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import load_space

ROWS = 500_000
LOWERED = 100
COUNTED = 8
"""Architectures per repeat: by the table, by the lowering, by the other counters."""

_NOTES = {
    "lowering": "count()",
    "fvcore": "with building the module and its forward pass, which it needs",
    "thop": "with building the module on the meta device, which it needs",
}


def run() -> list[Figure]:
    """Return the rates, the times of one architecture, and their ratios."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measured()
    finally:
        torch.set_num_threads(threads)


def _measured() -> list[Figure]:
    space = load_space("mobilevit")
    table = CostTable(space)
    rows = space.sample(ROWS, seed=0)
    some = space.decode_many(rows[:LOWERED])
    _check(table, rows[:LOWERED], some)
    rates = [ROWS / taken for taken in seconds(lambda: table.costs(rows), 9)]
    times = {
        "lowering": [taken / LOWERED for taken in seconds(lambda: [count(architecture) for architecture in some], 7)],
        "fvcore": [taken / COUNTED for taken in seconds(lambda: [count_with_fvcore(architecture) for architecture in some[:COUNTED]], 3)],
        "thop": [taken / COUNTED for taken in seconds(lambda: [count_with_thop(architecture) for architecture in some[:COUNTED]], 3)],
    }
    found = [
        figure("table, architectures a second", rates, "1/s", f"{ROWS} rows of {space.name}, {len(space.dimensions)} dimensions"),
        figure("table, compiling the space", seconds(lambda: CostTable(space), 3), "s", "once per space"),
        *(figure(f"{name}, one architecture", samples, "s", _NOTES[name]) for name, samples in times.items()),
    ]
    return found + [_ratio(name, rates, samples) for name, samples in times.items()]


def _ratio(name: str, rates: list[float], samples: list[float]) -> Figure:
    rate = statistics.median(rates)
    return figure(f"table, times as fast as {name}", [rate * sample for sample in samples], "")


def _check(table: CostTable, rows: np.ndarray[tuple[int, ...], np.dtype[np.int32]], architectures: list[Architecture]) -> None:
    """A fast wrong answer is no benchmark."""
    costs = table.costs(rows)
    found = list(zip(costs.params.tolist(), costs.macs.tolist(), costs.memory_bytes.tolist(), strict=True))
    counts = [count(architecture) for architecture in architectures]
    if found != [(each.params, each.macs, each.memory_bytes) for each in counts]:
        raise AssertionError("the table and the lowering disagree")
