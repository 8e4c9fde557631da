"""Baselines of a run: external networks for comparison, stored in ``baselines.json``.

They are not part of the search, which does not depend on them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mvt_nas._io import write_text
from mvt_nas.errors import RunError

NAME = "baselines.json"
FORMAT = 1
"""Version of the format of the file."""

_FIX = f"remove the file ({NAME}) and add the baselines again"


@dataclass(frozen=True, slots=True)
class Baseline:
    """An external network with its known metrics.

    Attributes:
        name: Name of the baseline.
        source: ``FILE.onnx`` or ``MODULE:FUNCTION``.
        resolution_px: Side length of the input image for counting and measuring, in pixels.
        scores: Metric to value: counted, predicted, measured on this machine, and given by the
            user; all finite.
        given: Metrics among them that the user has given.
        notes: Reasons for missing values, and remarks on others; one sentence each.
        measured: ``low_ms``, ``high_ms``, ``probe_ms``, ``warnings`` and ``fingerprint`` of each
            measured latency, by metric.
        predicted: Metrics among the scores that were predicted, ends of intervals included.
    """

    name: str
    source: str
    resolution_px: int
    scores: Mapping[str, float]
    given: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    predicted: tuple[str, ...] = ()

    def with_note(self, note: str) -> Baseline:
        """Return the baseline with one more note."""
        return replace(self, notes=(*self.notes, note))

    def to_dict(self) -> dict[str, Any]:
        """Return the baseline as plain data."""
        return {
            "name": self.name,
            "source": self.source,
            "resolution_px": self.resolution_px,
            "scores": dict(self.scores),
            "given": list(self.given),
            "notes": list(self.notes),
            "measured": {metric: dict(timing) for metric, timing in self.measured.items()},
            "predicted": list(self.predicted),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Baseline:
        """Return the baseline from plain data.

        Raises:
            ValueError: A value is of the wrong type.
            KeyError: A key is missing.
        """
        name, source, side = data["name"], data["source"], data["resolution_px"]
        if not isinstance(name, str) or not name or not isinstance(source, str):
            raise ValueError(f"name {name!r}, source {source!r}")
        if type(side) is not int or side < 1:
            raise ValueError(f"resolution_px {side!r}")
        scores = {metric: _finite(metric, value) for metric, value in data["scores"].items()}
        given, notes = _texts(data["given"]), _texts(data["notes"])
        # Files of earlier versions hold no predictions.
        predicted = _texts(data.get("predicted", []))
        for name_of, metrics in (("given", given), ("predicted", predicted)):
            if not set(metrics) <= set(scores):
                raise ValueError(f"{name_of} {list(metrics)}")
        return Baseline(
            name,
            source,
            side,
            scores,
            given,
            notes,
            {metric: _timing(timing) for metric, timing in data["measured"].items()},
            predicted,
        )


def read_baselines(folder: Path) -> tuple[Baseline, ...]:
    """Return the baselines of the run in a folder, in the order of addition.

    Raises:
        RunError: The file is damaged or of a newer format.
    """
    path = folder / NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise RunError(
                f"{path}: format = {data['format']!r}, but this version of mvt-nas reads {FORMAT};"
                f" {_FIX}"
            )
        baselines = tuple(Baseline.from_dict(entry) for entry in data["baselines"])
        if len({baseline.name for baseline in baselines}) < len(baselines):
            raise ValueError("duplicate name")
        return baselines
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"{path}: damaged ({type(error).__name__}: {str(error)[:100]}); {_FIX}"
        ) from None


def write_baselines(folder: Path, baselines: Sequence[Baseline]) -> None:
    """Write the baselines of the run in a folder atomically.

    Raises:
        RunError: The file cannot be written.
    """
    document = {"format": FORMAT, "baselines": [baseline.to_dict() for baseline in baselines]}
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    write_text(folder / NAME, text, error=RunError)


def merged(known: Sequence[Baseline], new: Sequence[Baseline]) -> tuple[Baseline, ...]:
    """Return all baselines; a new one replaces the known one of the same name, in its place."""
    by_name = {baseline.name: baseline for baseline in (*known, *new)}
    return tuple(by_name.values())


def _finite(metric: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{metric} = {value!r}")
    return float(value)


def _timing(timing: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("low_ms", "high_ms", "probe_ms"):
        value = timing[name]
        if not (value is None and name == "probe_ms") and _finite(name, value) <= 0:
            raise ValueError(f"{name} = {value!r}")
    return dict(timing)


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{values!r} is not a list of texts")
    return tuple(values)
