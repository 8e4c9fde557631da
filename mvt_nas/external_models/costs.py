"""The costs of a foreign network from what was written down of it, by the same definitions as those of all other networks."""

from __future__ import annotations

from collections.abc import Iterable

from mvt_nas.errors import BaselineError, listing
from mvt_nas.external_models.graph_recorder import GraphRecorder


def costs_of(recording: GraphRecorder, params: int) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return ``params``, ``macs`` and ``memory_mb`` as far as they are known, and why one is missing.

    Raises:
        BaselineError: the network makes nothing of the picture.
    """
    if not any(step.reads for step in recording.steps):
        raise BaselineError("the network computes nothing from the picture")
    costs, notes = {"params": float(params)}, []
    if recording.uncounted:
        notes.append(f"macs is left out: those of {_named(recording.uncounted)} are not known")
    else:
        costs["macs"] = float(recording.macs())
    if recording.unplaced:
        notes.append(
            f"memory_mb is left out: what {_named(recording.unplaced)} keeps is not known, or is"
            " not fp32"
        )
    else:
        costs["memory_mb"] = recording.peak_bytes() / 1e6
    return costs, tuple(notes)


def _named(operations: Iterable[str]) -> str:
    return listing(sorted(operations))
