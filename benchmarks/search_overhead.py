"""What the search itself takes per trial, beside the evaluation and Optuna.

Two costs are optimised in the full space, so that there is nothing to evaluate; batches have 16
trials. Taken off is the time inside the study's ``ask`` and ``tell``, put back the time in which
``ask`` calls us to replace a proposal. What is left is ours: making samplers, repair, decoding,
costs and the store, which waits for the disk once per batch.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import optuna

from benchmarks._figures import Figure, figure
from mvt_nas.nas.api import search
from mvt_nas.nas.loop import Loop

SAMPLERS = ("nsga2", "random")
TRIALS = (500, 2000)


class _Clock:
    """Adds up the seconds spent inside functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


def measure(sampler: str, trials: int) -> dict[str, float]:
    """Return the seconds of a search: all, those of the loop, and of the loop those in Optuna and those of our own."""
    everything, loop, optunas, ours = _Clock(), _Clock(), _Clock(), _Clock()
    wrapped = {
        (Loop, "run"): loop,
        (Loop, "_replace"): ours,
        (optuna.Study, "ask"): optunas,
        (optuna.Study, "tell"): optunas,
    }
    with tempfile.TemporaryDirectory() as folder:
        patches = [
            mock.patch.object(owner, name, clock.around(getattr(owner, name)))
            for (owner, name), clock in wrapped.items()
        ]
        run = partial(
            search,
            "mobilevit",
            objectives=["macs:min", "params:min"],
            trials=trials,
            sampler=sampler,
            out=Path(folder) / "run",
        )
        for patch in patches:
            patch.start()
        try:
            everything.around(run)()
        finally:
            for patch in patches:
                patch.stop()
    inside = optunas.seconds - ours.seconds
    return {
        "all_s": everything.seconds,
        "loop_s": loop.seconds,
        "optuna_s": inside,
        "own_s": loop.seconds - inside,
    }


def run() -> list[Figure]:
    """Return the milliseconds per trial, and how much longer a trial takes in a long search than in a short one."""
    figures: list[Figure] = []
    for sampler in SAMPLERS:
        own = []
        for trials in TRIALS:
            seconds = measure(sampler, trials)
            own.append(1e3 * seconds["own_s"] / trials)
            figures += [
                figure(f"{sampler}, {trials} trials, our own part of one", own[-1:], "ms"),
                figure(
                    f"{sampler}, {trials} trials, Optuna's part of one",
                    [1e3 * seconds["optuna_s"] / trials],
                    "ms",
                ),
                figure(
                    f"{sampler}, {trials} trials, starting",
                    [seconds["all_s"] - seconds["loop_s"]],
                    "s",
                ),
            ]
        figures.append(
            figure(f"{sampler}, our own part, long search / short one", [own[-1] / own[0]], "")
        )
    return figures
