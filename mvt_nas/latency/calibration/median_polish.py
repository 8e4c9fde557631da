"""Combining the latencies of many networks, measured in rounds, by median polish.

More networks are measured than can be open at once. So a session consists of rounds: each times up
to :data:`ROUND_SIZE` networks against each other (see ``stopwatch.py``), and each network is in
several rounds, with different networks each time. The state of the machine may differ from round to
round, which slows all networks of a round alike. In logarithms, the table of networks by rounds is
then the sum of a row effect, the latency of the network, and a column effect, the speed of the
round. Alternating medians separate the two: if another program disturbs a round, the round is slow,
not its networks. Medians that start from zero may stop far from the solution, so they start from
least squares.

Source: median polish, J. W. Tukey, Exploratory Data Analysis (1977).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import FloatArray

ROUND_SIZE = 12
"""Networks that are open at once."""

_ITERATIONS = 30


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One network's latency in one round.

    Attributes:
        round: Number of the round.
        network: Key of the network.
        ms: Low quantile of its calls in the round, in milliseconds.
    """

    round: int
    network: str
    ms: float


@dataclass(frozen=True, slots=True)
class SessionEffects:
    """Latencies of networks and speeds of rounds, separated.

    Attributes:
        ms: Latency of each network in the fastest round, in milliseconds.
        slowdowns: Slowdown of each round relative to the fastest, as a factor.
        noise: Mean relative difference of a network's latency in a round from its overall latency,
            slowdowns removed; 0 where each network was in one round only.
    """

    ms: Mapping[str, float]
    slowdowns: Mapping[int, float]
    noise: float


def plan_rounds(
    networks: int, passes: int, rng: np.random.Generator, size: int = ROUND_SIZE
) -> list[tuple[int, ...]]:
    """Return rounds of about equal size, as indices of networks.

    Each network is in one round per pass, with different networks each time.
    """
    rounds: list[tuple[int, ...]] = []
    # Negated floor division rounds up.
    per_pass = -(-networks // size)
    for _ in range(passes):
        parts = np.array_split(rng.permutation(networks), per_pass)
        rounds += [tuple(int(index) for index in part) for part in parts]
    return rounds


def fit_effects(records: Sequence[RoundRecord]) -> SessionEffects:
    """Return the latencies and the slowdowns that explain the records best."""
    networks = sorted({record.network for record in records})
    rounds = sorted({record.round for record in records})
    # Logarithms turn factors into sums. NaN: the network was not in the round.
    table = np.full((len(networks), len(rounds)), np.nan)
    for record in records:
        row = networks.index(record.network)
        column = rounds.index(record.round)
        table[row, column] = np.log(record.ms)
    columns = _least_squares_columns(table)
    for _ in range(_ITERATIONS):
        rows = np.nanmedian(table - columns, axis=1, keepdims=True)
        columns = np.nanmedian(table - rows, axis=0, keepdims=True)
    # Only sums of a row and a column are determined. The fastest round gets the effect 0.
    fastest = columns.min()
    latencies = np.exp(rows[:, 0] + fastest).tolist()
    slowdowns = np.exp(columns[0] - fastest).tolist()
    # exp(residual) - 1 is the relative difference. A network in one round has no residual.
    differences = np.abs(np.expm1(table - rows - columns))
    repeated = np.isfinite(table).sum(axis=1) > 1
    return SessionEffects(
        ms=dict(zip(networks, latencies, strict=True)),
        slowdowns=dict(zip(rounds, slowdowns, strict=True)),
        noise=float(np.nanmean(differences[repeated])) if repeated.any() else 0.0,
    )


def _least_squares_columns(table: FloatArray) -> FloatArray:
    """Return the column effects, (1, columns), of an additive table by least squares.

    Missing cells are NaN.
    """
    rows, columns = np.nonzero(np.isfinite(table))
    # One equation per known cell: row effect + column effect = cell. Of the solutions, which differ
    # by a constant, lstsq returns the shortest.
    row_indicators = np.eye(table.shape[0])[rows]
    column_indicators = np.eye(table.shape[1])[columns]
    design = np.concatenate([row_indicators, column_indicators], axis=1)
    effects: FloatArray = np.linalg.lstsq(design, table[rows, columns], rcond=None)[0]
    return effects[None, table.shape[0] :]
