"""The candidates of runs as columns: scores, measured latencies, choices and architecture fields.

A page with 20,000 candidates has to be small, so choices are indices into a list of values, one or
two bytes each.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.metrics.names import extrapolated
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.trained_accuracy import HIGH, LOW, trained_interval

MEASURED = "measured "
"""Prefix of the name of a measured latency, before the name of the predicted one."""

_SIGNIFICANT_DIGITS = 7


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    """A candidate of one of several runs.

    Attributes:
        run: Index of its run.
        candidate: The candidate.
        on_front: Whether it is on the front of its run.
    """

    run: int
    candidate: Candidate
    on_front: bool


def shown(runs: Sequence[Run], most: int) -> list[ShownCandidate]:
    """Return the fronts, the published models, and at most ``most`` other complete candidates.

    If there are more others, they are drawn uniformly.
    """
    candidates = []
    for index, run in enumerate(runs):
        front = {candidate.number for candidate in run.front()}
        candidates += [
            ShownCandidate(index, candidate, candidate.number in front)
            for candidate in run.complete()
        ]
    others = [
        index
        for index, one in enumerate(candidates)
        if not one.on_front and one.candidate.origin == "sampler"
    ]
    surplus = len(others) - most
    if surplus <= 0:
        return candidates
    dropped = set(np.random.default_rng(0).choice(others, surplus, replace=False).tolist())
    return [one for index, one in enumerate(candidates) if index not in dropped]


def scores(
    runs: Sequence[Run], candidates: Sequence[ShownCandidate]
) -> dict[str, list[float | None]]:
    """Return the scores and measured latencies of all candidates by name; ``None`` if unknown."""
    names = dict.fromkeys(name for one in candidates for name in one.candidate.scores)
    columns = {
        name: [_rounded(one.candidate.scores.get(name)) for one in candidates] for name in names
    }
    columns |= _trained_intervals(runs, candidates)
    metrics = [metric for run in runs for metric, records in run.measured.items() if records]
    for metric in dict.fromkeys(metrics):
        column = []
        for one in candidates:
            record = runs[one.run].measured.get(metric, {}).get(one.candidate.key)
            column.append(None if record is None else _rounded(record.ms))
        columns[MEASURED + metric] = column
    return columns


def extrapolations(
    candidates: Sequence[ShownCandidate], names: Sequence[str]
) -> dict[str, list[int]]:
    """Return the indices of the candidates whose score is an extrapolation, by metric."""
    found = {
        name: [
            index
            for index, one in enumerate(candidates)
            if extrapolated(one.candidate.scores, name)
        ]
        for name in names
    }
    return {name: indices for name, indices in found.items() if indices}


def _trained_intervals(
    runs: Sequence[Run], candidates: Sequence[ShownCandidate]
) -> dict[str, list[float | None]]:
    """Return the ends of the intervals of the trained accuracies; nothing without trainings."""
    intervals = [trained_interval(runs[one.run], one.candidate.scores) for one in candidates]
    if not any(intervals):
        return {}
    return {
        name: [None if ends is None else _rounded(ends[index]) for ends in intervals]
        for index, name in enumerate((LOW, HIGH))
    }


def parts(runs: Sequence[Run], candidates: Sequence[ShownCandidate]) -> dict[str, dict[str, Any]]:
    """Return the encoded values of each architecture field; ``None`` if a network lacks it.

    The candidates are in order of their runs.
    """
    columns: dict[str, list[Any]] = {}
    count = 0
    for index, run in enumerate(runs):
        rows = [one.candidate.row for one in candidates if one.run == index]
        fields = run.space.fields_of(np.array(rows, dtype=np.int32)) if rows else {}
        for name in dict.fromkeys([*columns, *fields]):
            before = columns.get(name, [None] * count)
            columns[name] = [*before, *fields.get(name, [None] * len(rows))]
        count += len(rows)
    return {name: coded(columns[name]) for name in _in_order_of_appearance(columns)}


def _in_order_of_appearance(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the names of the columns by the first network with a value, without empty ones."""
    first = {
        name: next((index for index, value in enumerate(column) if value is not None), -1)
        for name, column in columns.items()
    }
    return sorted((name for name, index in first.items() if index >= 0), key=first.__getitem__)


def chosen(
    run: Run, candidates: Sequence[ShownCandidate], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the encoded choices in some dimensions, with values in the order of the space."""
    indices = {dimension.name: index for index, dimension in enumerate(run.space.dimensions)}
    rows = np.array([one.candidate.row for one in candidates], dtype=np.int64).reshape(
        len(candidates), -1
    )
    return {
        name: _column(list(run.space.dimensions[indices[name]].values), rows[:, indices[name]])
        for name in names
    }


def coded(values: Sequence[Any]) -> dict[str, Any]:
    """Return values as the sorted list of distinct ones, and an index into it for each."""
    distinct = sorted(dict.fromkeys(values), key=_sort_key)
    codes = {value: code for code, value in enumerate(distinct)}
    return _column(distinct, np.array([codes[value] for value in values], dtype=np.int64))


def _sort_key(value: Any) -> tuple[bool, bool, Any]:
    """Return a key that sorts numbers first, then strings, then ``None``."""
    return value is None, isinstance(value, str), 0 if value is None else value


def _column(values: list[Any], codes: NDArray[np.int64]) -> dict[str, Any]:
    dtype = np.dtype("u1" if len(values) <= 256 else "<u2")
    return {
        "values": values,
        "bytes": dtype.itemsize,
        "codes": base64.b64encode(codes.astype(dtype).tobytes()).decode(),
    }


def _rounded(value: float | None) -> float | int | None:
    """Return a score with seven significant digits; integers are exact."""
    if value is None:
        return None
    # JavaScript's numbers hold integers below 2**53 exactly.
    if float(value).is_integer() and abs(value) < 2**53:
        return int(value)
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
