"""Runs for reports: large ones without evaluations, and one whose names and errors are markup."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mvt_nas.nas.api import search
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.runs.baseline import Baseline
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.latency_records import LatencyRecord
from mvt_nas.nas.runs.random_baseline import sample_random_baseline, write_random_baseline
from mvt_nas.nas.runs.run import Run
from mvt_nas.space.search_space import load_space

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)><b>bold</b>"
LATENCY = "latency_ms@x86-onnxruntime-1t"


def large_run(folder: Path, count: int, seed: int = 0) -> Run:
    """Return a run of ``count`` candidates: published models, and samples of the full space."""
    run = search(
        load_space("mobilevit"),
        objectives=["accuracy", LATENCY, "params"],
        budgets=["params<=60M"],
        trials=20,
        sampler="random",
        seed=seed,
        out=folder,
    ).run
    rows = run.space.sample(count - len(run.candidates), seed)
    known = run.inputs.predictors(run.space, run.config.num_classes).of(rows)
    names = list(run.candidates[0].scores)
    columns = [np.asarray(known[name]).tolist() for name in names]
    candidates = dict(run.candidates)
    for row, *scores in zip(rows.tolist(), *columns, strict=True):
        number = len(candidates)
        candidates[number] = Candidate(
            number, f"{number:016x}", tuple(row), "complete", dict(zip(names, scores, strict=True))
        )
    _leave_chance(run, count)
    return replace(run, candidates=candidates, measured={LATENCY: _measured(candidates)})


def _leave_chance(run: Run, count: int) -> None:
    """Write what a search of so many candidates would leave behind for the report."""
    known = run.inputs.predictors(run.space, run.config.num_classes)
    found = sample_random_baseline(
        Feasibility(known, run.config.known_budgets), run.config.objectives, count
    )
    write_random_baseline(run.folder, run.config, found, count)


def _measured(candidates: dict[int, Candidate]) -> dict[str, LatencyRecord]:
    """Return made-up measurements of the published models: a tenth above what is predicted."""
    ms = {one.key: one.scores[LATENCY] for one in candidates.values() if one.origin != "sampler"}
    return {
        key: LatencyRecord(key, LATENCY, 1.1 * value, 1.0 * value, 1.2 * value, value)
        for key, value in ms.items()
    }


def evil_run(run: Run) -> Run:
    """Return a run in which a candidate is named, and another failed, with markup."""
    candidates = {number: run.candidates[number] for number in range(60)}
    candidates[1] = replace(candidates[1], origin=EVIL)
    candidates[50] = replace(candidates[50], status="failed", error=EVIL)
    scores = {"accuracy": 75.0, LATENCY: 9.0, "params": 4e6}
    run = replace(run, folder=run.folder.with_name("evil"))
    run.folder.mkdir(exist_ok=True)
    _leave_chance(run, len(candidates))
    return replace(
        run,
        candidates=candidates,
        baselines=(Baseline(EVIL, f"{EVIL}.onnx", 224, scores, ("accuracy",), (EVIL,)),),
    )
