"""Benchmark problems whose costly objective is the accuracy predicted by the built-in surrogate."""

from __future__ import annotations

from functools import cache

from mvt_nas._fields import Value
from mvt_nas._typing import FloatArray
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.metrics.names import ACCURACY
from mvt_nas.nas.benchmark.problem import PROBLEMS, BenchmarkProblem
from mvt_nas.nas.problem.accuracy_model import AccuracyModel, load_accuracy_model
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace, load_space

NAME = "surrogate_accuracy"
"""Name of the costly objective; predicted accuracy itself is a known metric of every search."""

_PART: dict[str, Value] = {
    "stem.width": 12,
    "depth": 1,
    "block": "mobilevit",
    "stage1.width": 12,
    "stage2.width": 24,
    "stage3.stride": 1,
    "stage4.stride": 2,
    "patch": 2,
    "heads": 2,
    "fusion_kernel": 1,
    "residual": True,
    "ffn_multiplier": 2,
    "transformer_depth": 2,
}


@PROBLEMS.register("tiny-exact")
def tiny_exact() -> BenchmarkProblem:
    """Return a space of some ten thousand architectures with accuracy and MACs."""
    return _problem(
        "8,100 architectures; accuracy, macs",
        _PART | {"fusion": "input", "local_conv": "full"},
        ("macs",),
    )


@PROBLEMS.register("quarter-million")
def quarter_million() -> BenchmarkProblem:
    """Return a space of some quarter of a million architectures with accuracy and MACs."""
    return _problem("291,600 architectures; accuracy, macs", _PART, ("macs",))


@PROBLEMS.register("surrogate")
def surrogate() -> BenchmarkProblem:
    """Return the whole space, with accuracy, MACs and parameters."""
    return _problem("4.6e12 architectures; accuracy, macs, params", {}, ("macs", "params"))


@PROBLEMS.register("noisy")
def noisy() -> BenchmarkProblem:
    """Return the whole space, with noise as large as that between training seeds."""
    noise_sd = float(_table().quality.figures["seed_sd"])
    return _problem(
        f"as surrogate, evaluations with noise of {noise_sd:.1f} points",
        {},
        ("macs", "params"),
        noise_sd,
    )


@cache
def _table() -> AccuracyModel:
    return load_accuracy_model()


def _problem(
    about: str, fixed: dict[str, Value], costs: tuple[str, ...], noise_sd: float = 0.0
) -> BenchmarkProblem:
    space = load_space("small_images")
    space = space.fix(fixed) if fixed else space
    score = Metric(NAME, Direction.MAX, Source.EXTERNAL)
    objectives = (Objective(score, score.direction), *map(Objective.parse, costs))
    feasibility = Feasibility(Predictors(CostTable(space, num_classes=10)), [])
    return BenchmarkProblem(about, feasibility, objectives, _Truth(space), noise_sd)


class _Truth:
    """Predicts the accuracies of rows; the surrogate is fitted at the first call."""

    def __init__(self, space: SearchSpace) -> None:
        self._prediction = _table().in_space(space)

    def __call__(self, rows: Rows) -> FloatArray:
        return self._prediction.of(rows)[ACCURACY]
