"""The candidates of a run as pandas tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from mvt_nas._optional import installed
from mvt_nas.errors import RunError
from mvt_nas.metrics.names import LATENCY
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.latency_records import LatencyRecord
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.trained_accuracy import HIGH, LOW, trained_interval


def candidates_frame(run: Run) -> pd.DataFrame:
    """Return all candidates in order of their numbers.

    The columns are status, scores, measured latencies, and choices in the space.
    """
    return _frame(run, [run.candidates[number] for number in sorted(run.candidates)])


def front_frame(run: Run) -> pd.DataFrame:
    """Return the front, best in the first objective first.

    The columns are those of :func:`candidates_frame`.
    """
    return _frame(run, run.front())


def _frame(run: Run, candidates: list[Candidate]) -> pd.DataFrame:
    head = pd.DataFrame(
        {
            "id": [c.number for c in candidates],
            "key": [c.key for c in candidates],
            "status": [c.status for c in candidates],
            "origin": [c.origin for c in candidates],
            "error": [c.error for c in candidates],
        }
    )
    metrics = dict.fromkeys(name for c in candidates for name in c.scores)
    scores = pd.DataFrame({name: [c.scores.get(name) for c in candidates] for name in metrics})
    intervals = _trained_intervals(run, candidates)
    measured = pd.DataFrame(
        {
            _column(metric): [_ms(records, c) for c in candidates]
            for metric, records in run.measured.items()
        }
    )
    choices = pd.DataFrame(
        {
            dimension.name: [dimension.values[c.row[index]] for c in candidates]
            for index, dimension in enumerate(run.space.dimensions)
        }
    )
    return pd.concat([head, scores, intervals, measured, choices], axis=1)


def _trained_intervals(run: Run, candidates: list[Candidate]) -> pd.DataFrame:
    """Return both ends of the intervals of the trained accuracies; no column without trainings."""
    found = [trained_interval(run, candidate.scores) for candidate in candidates]
    if not any(found):
        return pd.DataFrame()
    return pd.DataFrame(
        {
            name: [None if ends is None else ends[index] for ends in found]
            for index, name in enumerate((LOW, HIGH))
        }
    )


def _column(metric: str) -> str:
    return metric.replace(LATENCY, "measured_ms")


def _ms(records: Mapping[str, LatencyRecord], candidate: Candidate) -> float | None:
    return records[candidate.key].ms if candidate.key in records else None


def write_candidates(run: Run, path: Path, kind: str) -> None:
    """Write all candidates as ``csv`` or ``parquet``.

    Raises:
        RunError: Parquet needs pyarrow, which is not installed.
        OSError: The file cannot be written.
    """
    frame = candidates_frame(run)
    if kind == "csv":
        frame.to_csv(path, index=False)
        return
    if not installed("pyarrow"):
        raise RunError(
            "Parquet needs pyarrow, which is not installed: pip install 'mvt-nas[parquet]'"
        )
    # A column of Parquet has one type.
    mixed = [name for name in frame.columns if frame[name].dtype == object]
    frame.astype(dict.fromkeys(mixed, "string")).to_parquet(path, index=False)
