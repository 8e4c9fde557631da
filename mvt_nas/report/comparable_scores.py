"""Scores of candidates in a form that is comparable with those of a baseline.

If the baseline's latency was measured, the candidates' latencies are measured ones too, scaled to
the state of the machine at that time by the reference model, which is part of all measurements. For
candidates without a measurement, the prediction is multiplied by the median ratio of measured to
predicted latencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from mvt_nas.nas.runs.baseline import Baseline
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run


def comparable_scores(
    run: Run, baseline: Baseline, candidates: Sequence[Candidate]
) -> list[dict[str, float]]:
    """Return the scores of candidates by metric, with latencies as the baseline's was obtained."""
    scores = [dict(candidate.scores) for candidate in candidates]
    for objective in run.config.objectives:
        name = objective.name
        if name not in baseline.measured:
            continue
        probe_ms = baseline.measured[name].get("probe_ms")
        records = run.measured.get(name, {})
        scaled = {
            key: record.ms * _slowdown(probe_ms, record.probe_ms) for key, record in records.items()
        }
        if records:
            factor = median(scaled[key] / record.predicted_ms for key, record in records.items())
        else:
            device = run.devices.get(objective.metric)
            factor = _slowdown(probe_ms, device.reference_ms if device else None)
        for candidate, values in zip(candidates, scores, strict=True):
            values[name] = scaled.get(candidate.key, factor * values[name])
    return scores


def _slowdown(now_ms: float | None, then_ms: float | None) -> float:
    """Return the slowdown of a machine by its reference model; 1 if it is not known."""
    return now_ms / then_ms if now_ms and then_ms else 1.0
