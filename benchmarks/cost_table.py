"""Costs of architectures a second: the cost table, the plain lowering, fvcore and thop, on one core in the same run.

The space is the largest that ships; the architectures are drawn uniformly from it. The table gives
parameters, multiply-adds and peak memory, with latency also the predictions for two made-up devices
on which every kind of kernel costs something; the lowering all but latency, and the memory traffic;
fvcore and thop parameters and multiply-adds.
"""

from __future__ import annotations

import statistics

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
LOWERED = 100
COUNTED = 8
"""Architectures per repeat: by the table, by the lowering, by the other counters."""

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
    """Return the rates, the times of one architecture, and their ratios."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measured()
    finally:
        torch.set_num_threads(threads)


def _measured() -> list[Figure]:
    space = load_space("mobilevit")
    folds = [
        KernelCost(f"device {number}", vectorized_ms(device), device.fixed_ms)
        for number, device in enumerate(DEVICES)
    ]
    table, with_latency = CostTable(space), CostTable(space, kernel_costs=folds)
    rows = space.sample(ROWS, seed=0)
    some = space.decode_many(rows[:LOWERED])
    _check(table, rows[:LOWERED], some)
    _check(with_latency, rows[:LOWERED], some)
    rates = [ROWS / taken for taken in seconds(lambda: table.costs(rows), 9)]
    rates_with = [ROWS / taken for taken in seconds(lambda: with_latency.costs(rows), 9)]
    times = {
        "lowering": [
            taken / LOWERED
            for taken in seconds(lambda: [count(architecture) for architecture in some], 7)
        ],
        "fvcore": [
            taken / COUNTED
            for taken in seconds(
                lambda: [count_with_fvcore(architecture) for architecture in some[:COUNTED]], 3
            )
        ],
        "thop": [
            taken / COUNTED
            for taken in seconds(
                lambda: [count_with_thop(architecture) for architecture in some[:COUNTED]], 3
            )
        ],
    }
    found = [
        figure(
            "table, architectures a second",
            rates,
            "1/s",
            f"{ROWS} rows of {space.name}, {len(space.dimensions)} dimensions",
        ),
        figure(
            "table with latency on two devices, architectures a second",
            rates_with,
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
            seconds(lambda: CostTable(space, kernel_costs=folds), 3),
            "s",
            "once per space",
        ),
        *(
            figure(f"{name}, one architecture", samples, "s", _NOTES[name])
            for name, samples in times.items()
        ),
    ]
    return found + [_ratio(name, rates, samples) for name, samples in times.items()]


def _ratio(name: str, rates: list[float], samples: list[float]) -> Figure:
    rate = statistics.median(rates)
    return figure(f"table, times as fast as {name}", [rate * sample for sample in samples], "")


def _check(
    table: CostTable,
    rows: np.ndarray[tuple[int, ...], np.dtype[np.int32]],
    architectures: list[Architecture],
) -> None:
    """A fast wrong answer is no benchmark."""
    costs = table.costs(rows)
    found = list(
        zip(costs.params.tolist(), costs.macs.tolist(), costs.memory_bytes.tolist(), strict=True)
    )
    counts = [count(architecture) for architecture in architectures]
    if found != [(each.params, each.macs, each.memory_bytes) for each in counts]:
        raise AssertionError("the table and the lowering disagree")
    for name, device in zip(costs.kernel_costs, DEVICES, strict=False):
        predicted = [device.predict(architecture).ms for architecture in architectures]
        if not np.allclose(costs[name], predicted, rtol=1e-9):
            raise AssertionError("the table and the predictor disagree")
