"""Measuring more networks than can be open at once: in heats, each network in several of them, tied by the networks they share.

A heat is a race (see ``stopwatch.py``). The machine may be in another state in the next one, which
slows all its networks alike. With each network in several heats of different company, the latencies
and the speeds of the heats are the two factors of a table, and are told apart by alternating
medians; a heat that another program disturbed is then slow, not its networks. Medians that start
from nothing may rest where they are far off, so they start from the least squares.

Source: median polish, J. W. Tukey, Exploratory Data Analysis (1977).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import FloatArray

HEAT_SIZE = 12
_ITERATIONS = 30


@dataclass(frozen=True, slots=True)
class HeatRecord:
    """One network's latency in one heat.

    Attributes:
        heat: number of the heat.
        network: key of the network.
        ms: its low quantile there.
    """

    heat: int
    network: str
    ms: float


@dataclass(frozen=True, slots=True)
class SessionEffects:
    """The latencies that several heats agree on.

    Attributes:
        ms: of each network, on the machine at its quickest.
        speeds: of each heat: by what its latencies are longer than on the quickest.
        noise: mean relative difference of a network's latency in a heat from its latency overall,
            speeds removed; 0 where each network was in one heat only.
    """

    ms: Mapping[str, float]
    speeds: Mapping[int, float]
    noise: float


def plan_rounds(
    networks: int, passes: int, rng: np.random.Generator, size: int = HEAT_SIZE
) -> list[tuple[int, ...]]:
    """Return heats of about equal size, as indices of networks: each network once per pass, in new company each time."""
    heats: list[tuple[int, ...]] = []
    for _ in range(passes):
        parts = np.array_split(rng.permutation(networks), -(-networks // size))
        heats += [tuple(int(index) for index in part) for part in parts]
    return heats


def fit_effects(entries: Sequence[HeatRecord]) -> SessionEffects:
    """Return what several heats agree on."""
    networks, heats = sorted({e.network for e in entries}), sorted({e.heat for e in entries})
    table = np.full((len(networks), len(heats)), np.nan)
    for entry in entries:
        table[networks.index(entry.network), heats.index(entry.heat)] = np.log(entry.ms)
    columns = _least_squares(table)
    for _ in range(_ITERATIONS):
        rows = np.nanmedian(table - columns, axis=1, keepdims=True)
        columns = np.nanmedian(table - rows, axis=0, keepdims=True)
    quickest = columns.min()
    residuals = np.abs(np.expm1(table - rows - columns))
    several = np.isfinite(table).sum(axis=1) > 1
    return SessionEffects(
        ms={
            name: float(np.exp(value))
            for name, value in zip(networks, rows[:, 0] + quickest, strict=True)
        },
        speeds={
            heat: float(np.exp(value))
            for heat, value in zip(heats, columns[0] - quickest, strict=True)
        },
        noise=float(np.nanmean(residuals[several])) if several.any() else 0.0,
    )


def _least_squares(table: FloatArray) -> FloatArray:
    """Return a first guess of the columns' part in a table of sums with holes, (1, columns)."""
    rows, columns = np.nonzero(np.isfinite(table))
    design = np.concatenate([np.eye(len(table))[rows], np.eye(table.shape[1])[columns]], axis=1)
    found: FloatArray = np.linalg.lstsq(design, table[rows, columns], rcond=None)[0]
    return found[None, len(table) :]
