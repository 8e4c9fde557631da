"""Time per trial of the search itself, without the evaluation and Optuna.

Two costs are optimised in the full space, so that there is nothing to evaluate; batches have 16
trials. The time inside the study's ``ask`` and ``tell`` is subtracted, except the time in which
``ask`` calls back to replace a proposal. What is left is our own part: making samplers, repair,
decoding, costs and the store, which waits for the disk once per batch.
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
    """Stopwatch that adds up the seconds inside the functions that it wraps."""

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
    """Return the seconds of a search: in total, in its loop, and of these in Optuna and our own."""
    total = _Clock()
    loop = _Clock()
    ask_and_tell = _Clock()
    callbacks = _Clock()
    wrapped = {
        (Loop, "run"): loop,
        (Loop, "_replace"): callbacks,
        (optuna.Study, "ask"): ask_and_tell,
        (optuna.Study, "tell"): ask_and_tell,
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
            total.around(run)()
        finally:
            for patch in patches:
                patch.stop()
    optuna_s = ask_and_tell.seconds - callbacks.seconds
    return {
        "all_s": total.seconds,
        "loop_s": loop.seconds,
        "optuna_s": optuna_s,
        "own_s": loop.seconds - optuna_s,
    }


def run() -> list[Figure]:
    """Return the milliseconds per trial, and their ratio of a long search to a short one."""
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
