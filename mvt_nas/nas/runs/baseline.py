"""Networks from elsewhere that a run is compared with, and the file in its folder that keeps them: ``baselines.json``.

They are no part of the search: nothing that it does depends on them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mvt_nas.errors import RunError
from mvt_nas.nas.runs.folder import write_whole

NAME = "baselines.json"
FORMAT = 1
"""Version of the format of the file."""

_FIX = f"remove the file ({NAME}) and add the baselines again"


@dataclass(frozen=True, slots=True)
class Baseline:
    """A network from elsewhere, with what is known of it.

    Attributes:
        name: what it is called.
        source: where it came from, ``FILE.onnx`` or ``MODULE:FUNCTION``.
        resolution_px: side of the picture that it was counted and measured for.
        scores: metric to value: what was counted, what was measured on this machine, and what its
            owner has said; all finite.
        given: the metrics among them that its owner has said.
        notes: why something is missing, or what to know of a figure; one sentence each.
        measured: of each latency that was measured, ``low_ms``, ``high_ms``, ``probe_ms``,
            ``warnings`` and ``fingerprint``.
    """

    name: str
    source: str
    resolution_px: int
    scores: Mapping[str, float]
    given: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the baseline as plain data."""
        return {
            "name": self.name,
            "source": self.source,
            "resolution_px": self.resolution_px,
            "scores": dict(self.scores),
            "given": list(self.given),
            "notes": list(self.notes),
            "measured": {metric: dict(one) for metric, one in self.measured.items()},
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Baseline:
        """Return the baseline in plain data.

        Raises:
            ValueError: something is of the wrong kind.
            KeyError: something misses.
        """
        name, source, side = data["name"], data["source"], data["resolution_px"]
        if not isinstance(name, str) or not name or not isinstance(source, str):
            raise ValueError(f"name {name!r}, source {source!r}")
        if type(side) is not int or side < 1:
            raise ValueError(f"resolution_px {side!r}")
        scores = {metric: _finite(metric, value) for metric, value in data["scores"].items()}
        given, notes = _texts(data["given"]), _texts(data["notes"])
        if not set(given) <= set(scores):
            raise ValueError(f"given {list(given)}")
        return Baseline(
            name,
            source,
            side,
            scores,
            given,
            notes,
            {metric: _timing(one) for metric, one in data["measured"].items()},
        )


def read_baselines(folder: Path) -> tuple[Baseline, ...]:
    """Return the baselines of the run in a folder, in the order in which they were told.

    Raises:
        RunError: the file is damaged or of a newer format.
    """
    path = folder / NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise RunError(
                f"{path}: format = {data['format']!r}, but this version of mvt-nas reads {FORMAT};"
                f" {_FIX}"
            )
        found = tuple(Baseline.from_dict(one) for one in data["baselines"])
        if len({one.name for one in found}) < len(found):
            raise ValueError("a name stands twice")
        return found
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"{path}: damaged ({type(error).__name__}: {str(error)[:100]}); {_FIX}"
        ) from None


def write_baselines(folder: Path, baselines: Sequence[Baseline]) -> None:
    """Write the baselines of the run in a folder, whole or not at all.

    Raises:
        RunError: they cannot be written.
    """
    document = {"format": FORMAT, "baselines": [one.to_dict() for one in baselines]}
    write_whole(folder / NAME, json.dumps(document, indent=1, allow_nan=False) + "\n")


def merged(known: Sequence[Baseline], told: Sequence[Baseline]) -> tuple[Baseline, ...]:
    """Return all of them; one that is told takes the place of the known one of its name."""
    return tuple(({one.name: one for one in known} | {one.name: one for one in told}).values())


def _finite(metric: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{metric} = {value!r}")
    return float(value)


def _timing(one: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("low_ms", "high_ms", "probe_ms"):
        value = one[name]
        if not (value is None and name == "probe_ms") and _finite(name, value) <= 0:
            raise ValueError(f"{name} = {value!r}")
    return dict(one)


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{values!r} are no texts")
    return tuple(values)
