"""Small search problems, throw-away proxies, and comparable content of runs."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mvt_nas.cost.table import CostTable
from mvt_nas.nas.mvt import pareto_search
from mvt_nas.nas.problem.config import Scoring
from mvt_nas.nas.problem.inputs import SearchInputs
from mvt_nas.nas.runners.evaluation import EvaluationTask
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.proxies.base import PROXIES
from mvt_nas.space.search_space import SearchSpace, load_space

COSTS = ("macs:min", "params:min")
SCORING = Scoring(resolution_px=32, images=4)


def small_space() -> SearchSpace:
    """Return a space of a few hundred networks with rules, conditions and unused codes."""
    return SearchSpace(
        {
            "name": "small",
            "resolution_px": [32, 64],
            "stem": {"width": [8, 16]},
            "stages": [
                {"width": [8, 16, 24]},
                {
                    "width": [16, 24, 32],
                    "block": ["conv", "mobilevit"],
                    "dim": [32, 48],
                    "attention": ["separable", "multi_head"],
                    "heads": {"values": [1, 2], "when": {"attention": "multi_head"}},
                },
            ],
            "rules": ["stage2.width >= stage1.width"],
        }
    )


@cache
def full_table() -> CostTable:
    """Return the costs of the full space, those of searches without devices."""
    return SearchInputs().predictors(load_space("mobilevit"), 1000)._tables[None]


def facts(run: Run) -> dict[str, Any]:
    """Return the content of a run that must not depend on workers, interruptions and time."""
    names = [name for name in Candidate.__slots__ if name != "seconds"]
    candidates = {
        number: {name: getattr(run.candidates[number], name) for name in names}
        for number in sorted(run.candidates)
    }
    return {
        "candidates": candidates,
        "front": [candidate.number for candidate in run.front()],
        "hypervolume": run.hypervolume(),
    }


def rows(run: Run) -> list[tuple[int, ...]]:
    return [run.candidates[number].row for number in sorted(run.candidates)]


TRIALS = {"gp": 14}
"""Number of trials after which a sampler no longer proposes at random (GP: ten random ones, then
seconds for each); 30 for others."""


def breed_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use generations of eight, so that a few dozen trials contain several."""
    for module in ("nsga2", "nsga3"):
        monkeypatch.setattr(f"mvt_nas.nas.samplers.{module}.POPULATION", 8)


def search_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the mvt sampler look at thousands of architectures of a large space, not half a million.

    For tests in which it does not matter how good the candidates are.
    """
    monkeypatch.setattr(pareto_search, "GENERATIONS", 3)
    monkeypatch.setattr(pareto_search, "_BRED", 1024)
    monkeypatch.setattr(pareto_search, "_STARTS", 20)
    monkeypatch.setattr(pareto_search, "_NEIGHBOURS", 5_000)


class Interrupting:
    """A listener that raises KeyboardInterrupt after a number of candidates."""

    def __init__(self, after: int) -> None:
        self._left = after

    def __call__(self, _run: Run, _candidate: Candidate) -> None:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


THROWAWAY = """
import math
import os
import time
from pathlib import Path

from mvt_nas.proxies.base import PROXIES, Proxy


def register(name, score, worst=0.0):
    PROXIES.register(name)(Proxy(name, score, "max", "none", "nobody", False, worst))


def weights(model, batch):
    return float(sum(parameter.detach().double().abs().sum() for parameter in model.parameters()))


def unlucky(model):
    return sum(parameter.numel() for parameter in model.parameters()) % 5 == 0


def fails_with(action):
    def score(model, batch):
        return action() if unlucky(model) else weights(model, batch)

    return score


def raises():
    raise RuntimeError("out of luck\\nwith a second line")


def grabs():
    raise MemoryError("no room")


def kills_itself():
    os._exit(7)


def slow(model, batch):
    Path(__file__).with_name("started").touch()
    time.sleep(float(os.environ["THROWAWAY_SECONDS"]))
    return weights(model, batch)


register("weights", weights)
register("slow", slow)
register("raising", fails_with(raises))
register("undefined", fails_with(lambda: math.nan))
register("grabbing", fails_with(grabs))
register("exiting", fails_with(lambda: exit(3)))
register("dying", fails_with(kills_itself))
"""


def write_throwaway_proxies(folder: Path) -> None:
    """Write a distribution with throw-away proxies."""
    (folder / "throwaway_proxies.py").write_text(THROWAWAY)
    information = folder / "throwaway-1.dist-info"
    information.mkdir(exist_ok=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: throwaway\nVersion: 1\n")
    (information / "entry_points.txt").write_text(
        "[mvt_nas_proxies]\nthrowaway = throwaway_proxies\n"
    )


def install_throwaway_proxies(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a distribution with throw-away proxies on the path of this process and its workers."""
    write_throwaway_proxies(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "throwaway_proxies", raising=False)
    importlib.invalidate_caches()
    monkeypatch.setattr(PROXIES, "_entries", {name: PROXIES.get(name) for name in PROXIES})
    monkeypatch.setattr(PROXIES, "_discovered", False)


def scoring_task(**changes: Any) -> EvaluationTask:
    """Return the task of scoring a network of the small space, with changes."""
    return dataclasses.replace(
        EvaluationTask(
            0, small_space().decode(small_space().sample(1, 0)[0]), ("weights",), SCORING, 0
        ),
        **changes,
    )
