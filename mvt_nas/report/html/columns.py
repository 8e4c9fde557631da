"""The candidates of runs as columns: scores, measured latencies, choices and what the networks are made of.

A page that holds 20,000 candidates has to be small, so choices are codes into a list of values, one
or two bytes each.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run

MEASURED = "measured "
"""Before the name of a predicted latency, the one that was measured."""

_FIGURES = 7


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    """A candidate of one of several runs.

    Attributes:
        run: place of its run.
        candidate: itself.
        on_front: whether it is on the front of its run.
    """

    run: int
    candidate: Candidate
    on_front: bool


def shown(runs: Sequence[Run], most: int) -> list[ShownCandidate]:
    """Return the complete candidates, all fronts and at most ``most`` others, those evenly drawn where there are more."""
    fronts = [{candidate.number for candidate in run.front()} for run in runs]
    everything = [
        ShownCandidate(place, candidate, candidate.number in fronts[place])
        for place, run in enumerate(runs)
        for candidate in run.complete()
    ]
    others = [
        place
        for place, one in enumerate(everything)
        if not one.on_front and one.candidate.origin == "sampler"
    ]
    surplus = len(others) - most
    if surplus <= 0:
        return everything
    dropped = set(np.random.default_rng(0).choice(others, surplus, replace=False).tolist())
    return [one for place, one in enumerate(everything) if place not in dropped]


def scores(
    runs: Sequence[Run], candidates: Sequence[ShownCandidate]
) -> dict[str, list[float | None]]:
    """Return each score, and each measured latency, of all candidates; ``None`` where one was not had."""
    names = dict.fromkeys(name for one in candidates for name in one.candidate.scores)
    columns = {
        name: [_rounded(one.candidate.scores.get(name)) for one in candidates] for name in names
    }
    for metric in dict.fromkeys(
        metric for run in runs for metric, found in run.measured.items() if found
    ):
        found = [
            runs[one.run].measured.get(metric, {}).get(one.candidate.key) for one in candidates
        ]
        columns[MEASURED + metric] = [None if here is None else _rounded(here.ms) for here in found]
    return columns


def parts(runs: Sequence[Run], candidates: Sequence[ShownCandidate]) -> dict[str, dict[str, Any]]:
    """Return what the networks are made of: of each field its values and codes; value ``None`` where a network has no such field."""
    found: dict[str, list[Any]] = {}
    count = 0
    for place, run in enumerate(runs):
        own = [one.candidate.row for one in candidates if one.run == place]
        fields = run.space.fields_of(np.array(own, dtype=np.int32)) if own else {}
        for name in dict.fromkeys([*found, *fields]):
            found[name] = [*found.get(name, [None] * count), *fields.get(name, [None] * len(own))]
        count += len(own)
    return {name: coded(found[name]) for name in _as_they_come(found)}


def _as_they_come(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return the names of the columns in the order in which networks have such a field, without those that none has."""
    first = {
        name: next((place for place, value in enumerate(column) if value is not None), -1)
        for name, column in columns.items()
    }
    return sorted((name for name, place in first.items() if place >= 0), key=first.__getitem__)


def chosen(
    run: Run, candidates: Sequence[ShownCandidate], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the choices in some dimensions of a run's space, values in the order of the space."""
    places = {dimension.name: place for place, dimension in enumerate(run.space.dimensions)}
    rows = np.array([one.candidate.row for one in candidates], dtype=np.int64).reshape(
        len(candidates), -1
    )
    return {
        name: _column(list(run.space.dimensions[places[name]].values), rows[:, places[name]])
        for name in names
    }


def coded(values: Sequence[Any]) -> dict[str, Any]:
    """Return values as a list of the different ones, in order, and a code for each."""
    different = sorted(
        dict.fromkeys(values),
        key=lambda value: (
            value is None,
            isinstance(value, str),
            value if value is not None else 0,
        ),
    )
    codes = {value: code for code, value in enumerate(different)}
    return _column(different, np.array([codes[value] for value in values], dtype=np.int64))


def _column(values: list[Any], codes: NDArray[np.int64]) -> dict[str, Any]:
    kind = np.dtype("u1" if len(values) <= 256 else "<u2")
    return {
        "values": values,
        "bytes": kind.itemsize,
        "codes": base64.b64encode(codes.astype(kind).tobytes()).decode(),
    }


def _rounded(value: float | None) -> float | int | None:
    """Return a score with as many figures as anybody looks at; whole numbers whole."""
    if value is None:
        return None
    return (
        int(value)
        if float(value).is_integer() and abs(value) < 2**53
        else float(f"{value:.{_FIGURES}g}")
    )
