"""Rates of counting costs: the cost table, the plain lowering, fvcore and thop, on one core.

The architectures are uniform samples of the largest space of the package. The table gives
parameters, multiply-adds and peak memory; with latency also the predictions for two synthetic
devices on which every kind of kernel costs something. The lowering gives all of these but latency,
and the memory traffic; fvcore and thop give parameters and multiply-adds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import torch

from benchmarks._figures import Figure, figure, seconds
from mvt_nas.cost.counts import count
from mvt_nas.cost.cross_check import count_with_fvcore, count_with_thop
from mvt_nas.cost.reductions import KernelCost
from mvt_nas.cost.table import CostTable
from mvt_nas.latency.model.kernels import CLASSES, TERMS
from mvt_nas.latency.model.predictor import Predictor
from mvt_nas.latency.model.vectorized import vectorized_ms
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import load_space

ROWS = 500_000
"""Architectures per repeat of the table."""

LOWERED = 100
"""Architectures per repeat of the lowering."""

COUNTED = 8
"""Architectures per repeat of fvcore and of thop."""

DEVICES = tuple(
    Predictor(dict.fromkeys(CLASSES, dict.fromkeys(TERMS, coefficient)), 0.1, 0.1)
    for coefficient in (0.01, 0.02)
)

_NOTES = {
    "lowering": "count()",
    "fvcore": "with building the module and its forward pass, which it needs",
    "thop": "with building the module on the meta device, which it needs",
}


def run() -> list[Figure]:
    """Return the rates of the table, the times of the others per architecture, and their ratios."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measured()
    finally:
        torch.set_num_threads(threads)


def _measured() -> list[Figure]:
    space = load_space("mobilevit")
    kernel_costs = [
        KernelCost(f"device {number}", vectorized_ms(device), device.fixed_ms)
        for number, device in enumerate(DEVICES)
    ]
    table = CostTable(space)
    with_latency = CostTable(space, kernel_costs=kernel_costs)
    rows = space.sample(ROWS, seed=0)
    architectures = space.decode_many(rows[:LOWERED])
    _check(table, rows[:LOWERED], architectures)
    _check(with_latency, rows[:LOWERED], architectures)
    rates = [ROWS / time for time in seconds(lambda: table.costs(rows), 9)]
    rates_with_latency = [ROWS / time for time in seconds(lambda: with_latency.costs(rows), 9)]
    times = {
        "lowering": _times_each(count, architectures, 7),
        "fvcore": _times_each(count_with_fvcore, architectures[:COUNTED], 3),
        "thop": _times_each(count_with_thop, architectures[:COUNTED], 3),
    }
    figures = [
        figure(
            "table, architectures a second",
            rates,
            "1/s",
            f"{ROWS} rows of {space.name}, {len(space.dimensions)} dimensions",
        ),
        figure(
            "table with latency on two devices, architectures a second",
            rates_with_latency,
            "1/s",
            "the same rows",
        ),
        figure(
            "table, compiling the space",
            seconds(lambda: CostTable(space), 3),
            "s",
            "once per space",
        ),
        figure(
            "table with latency, compiling the space",
            seconds(lambda: CostTable(space, kernel_costs=kernel_costs), 3),
            "s",
            "once per space",
        ),
        *(
            figure(f"{name}, one architecture", samples, "s", _NOTES[name])
            for name, samples in times.items()
        ),
    ]
    return figures + [_ratio(name, rates, samples) for name, samples in times.items()]


def _times_each(
    counter: Callable[[Architecture], object], architectures: list[Architecture], repeats: int
) -> list[float]:
    """Return the seconds per architecture of each repeat."""
    times = seconds(lambda: [counter(architecture) for architecture in architectures], repeats)
    return [time / len(architectures) for time in times]


def _ratio(name: str, rates: list[float], samples: list[float]) -> Figure:
    rate = statistics.median(rates)
    return figure(f"table, times as fast as {name}", [rate * sample for sample in samples], "")


def _check(
    table: CostTable,
    rows: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    architectures: list[Architecture],
) -> None:
    """Raise AssertionError if the table disagrees with the lowering or the predictor."""
    costs = table.costs(rows)
    counts = [count(architecture) for architecture in architectures]
    if (
        costs.params.tolist() != [each.params for each in counts]
        or costs.macs.tolist() != [each.macs for each in counts]
        or costs.memory_bytes.tolist() != [each.memory_bytes for each in counts]
    ):
        raise AssertionError("the table and the lowering disagree")
    for name, device in zip(costs.kernel_costs, DEVICES, strict=False):
        predicted = [device.predict(architecture).ms for architecture in architectures]
        if not np.allclose(costs[name], predicted, rtol=1e-9):
            raise AssertionError("the table and the predictor disagree")
