"""Costs of tasks over whole spaces, and searches with the costs of several tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mvt_nas.cost.counts import count
from mvt_nas.cost.table import CostTable
from mvt_nas.errors import ArchitectureError, MetricError, MvtNasError, RunError, SpaceError
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.api import SearchResult, search
from mvt_nas.nas.problem.metrics import parse_metric
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.labels import label, short_label
from mvt_nas.space.published import zoo
from mvt_nas.space.search_space import SearchSpace, load_space
from tests.cost.test_cost_table import TRAITS
from tests.cost.test_latency_costs import FIRST, KERNEL_COSTS, SECOND
from tests.support.architectures import task_of
from tests.support.cli import run
from tests.support.device_profiles import install, profile
from tests.support.searches import facts, small_space
from tests.support.spaces import random_rows

TASKS = (
    "detection,num_classes=3,resolution_px=96",
    "segmentation,resolution_px=72",
    "segmentation,resolution_px=100,output_stride=4",
)
DEEP = {"width": 24, "expansion": 2}
"""A stage after those of the test spaces, so that every network has maps of two sizes."""


def _assert_exact(space: SearchSpace, text: str, n: int, **setting: int) -> None:
    task = task_of(text)
    rows = np.concatenate([space.sample(n, seed=11), random_rows(space, 4 * n, seed=12)[:n]])
    costs = CostTable(space, task=task, kernel_costs=KERNEL_COSTS, **setting).costs(rows)
    architectures = space.decode_many(rows)
    expected = [count(one, task=task, **setting) for one in architectures]
    for name in ("params", "macs", "memory_bytes"):
        assert getattr(costs, name).tolist() == [getattr(counts, name) for counts in expected]
    for name, model, batch_size in (
        ("first", FIRST, setting.get("batch_size", 1)),
        ("second", SECOND, 4),
    ):
        assert costs[name] == pytest.approx(
            [model.predict(one, batch_size=batch_size, task=task).ms for one in architectures],
            rel=1e-9,
        )


@pytest.mark.parametrize("text", TASKS)
@pytest.mark.parametrize("name", TRAITS)
def test_spaces_with_one_trait_are_exact_with_heads(name: str, text: str) -> None:
    document = TRAITS[name] | {"stages": [*TRAITS[name]["stages"], DEEP]}
    _assert_exact(SearchSpace(document), text, 40, batch_size=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["detection", "segmentation", "segmentation,output_stride=8,resolution_px=200"]
)
@pytest.mark.parametrize("name", ["mobilevit", "small_images"])
def test_shipped_spaces_are_exact_with_heads(name: str, text: str) -> None:
    _assert_exact(load_space(name), text, 25)


def test_the_pyramid_follows_the_last_blocks_attention_also_in_tables() -> None:
    space = SearchSpace(
        {
            "stem": {"width": 8},
            "stages": [
                DEEP,
                {
                    "block": ["conv", "mobilevit"],
                    "width": 32,
                    "dim": 32,
                    "attention": ["multi_head", "separable"],
                },
            ],
        }
    )
    rows = space.enumerate()
    heads = (
        CostTable(space, task=task_of("segmentation")).costs(rows).params
        - CostTable(space, num_classes=1).costs(rows).params
    )
    kinds = [getattr(one.stages[-1].block, "attention", None) for one in space.decode_many(rows)]
    assert set(kinds) == {None, "multi_head", "separable"}
    assert (
        len({(kind == "separable", int(head)) for kind, head in zip(kinds, heads, strict=True)})
        == 2
    )


def test_too_many_combinations_of_strides_are_refused_in_one_line() -> None:
    space = SearchSpace(
        {"stem": {"width": 8}, "stages": [{"width": 8, "stride": [1, 2]}] * 6}, "free"
    )
    with pytest.raises(
        SpaceError, match=r"^free: 64 combinations of strides are too many for a task; at most 32$"
    ):
        CostTable(space, task=task_of("segmentation"))


def test_names_of_tasks_come_before_names_of_costs() -> None:
    tasks = [
        Metric.parse(name).task for name in ("segmentation.macs", "macs", "latency_ms@./a.json")
    ]
    assert tasks == ["segmentation", None, None]
    latency = Metric.parse("detection.latency_ms@x.y")
    assert (latency.task, latency.name, latency.device) == ("detection", "latency_ms", "x.y")
    assert str(latency.for_task(None)) == "latency_ms@x.y"
    assert Metric.parse("detection.memory_mb").is_cost
    assert Metric.parse("segmentation.latency_ms").is_latency
    assert Metric.find("segmentation.accuracy") is None
    assert Metric.find("nothing.macs") is None
    assert str(Metric.parse("macs").for_task("detection")) == "detection.macs"
    budget = Budget.parse("segmentation.macs<=5G")
    assert (budget.name, budget.metric.task, budget.bound) == (
        "segmentation.macs",
        "segmentation",
        5e9,
    )
    objective = Objective.parse("detection.latency_ms@a/b.json:min")
    assert (objective.name, objective.metric.device) == (
        "detection.latency_ms@a/b.json",
        "a/b.json",
    )
    assert label("segmentation.macs") == "segmentation: MACs"
    assert short_label("detection.latency_ms@phone") == "detection: phone (ms)"


@pytest.mark.parametrize("name", ["segmentation.accuracy", "detection.mcas"])
def test_only_costs_of_a_task_are_known(name: str) -> None:
    with pytest.raises(
        MetricError,
        match=(
            r"^unknown metric '.*': of a task its costs are known.*\(params, macs, memory_mb,"
            r" latency_ms\)$"
        ),
    ):
        parse_metric(name)


def test_a_typo_in_the_name_of_a_task_is_found() -> None:
    with pytest.raises(
        MetricError,
        match=(
            r"^unknown metric 'detecton.macs': 'detecton' is no task; did you mean 'detection'\?"
            r" \(tasks: "
        ),
    ):
        parse_metric("detecton.macs")


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "devices", profile("slow", 1), profile("fast", 2, batch_size=2))
    monkeypatch.setenv("MVT_NAS_DEVICES", str(tmp_path / "devices"))


AIMS = ("segmentation.latency_ms@slow", "detection.latency_ms@fast", "params")


def _search(out: Path, aims: Sequence[str] = AIMS, **changes: Any) -> SearchResult:
    settings: dict[str, Any] = {
        "tasks": ["segmentation,resolution_px=64,num_classes=3"],
        "trials": 12,
        "batch": 4,
        "out": out,
    }
    return search(small_space(), objectives=aims, **(settings | changes))


@pytest.mark.usefixtures("devices")
def test_a_search_carries_the_costs_of_several_tasks(tmp_path: Path) -> None:
    run = _search(tmp_path / "run").run
    config = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert config["tasks"]["segmentation"]["num_classes"] == 3
    # Named by a metric only, so with its defaults.
    assert config["tasks"]["detection"]["num_classes"] == 80
    assert set(config["devices"]) == {"slow", "fast"}
    for candidate in run.complete():
        architecture = run.architecture(candidate.number)
        for kind in ("segmentation", "detection"):
            counts = count(architecture, task=run.config.task(kind))
            assert candidate.scores[f"{kind}.macs"] == counts.macs
            assert candidate.scores[f"{kind}.memory_mb"] == counts.memory_mb
        assert candidate.scores["macs"] == count(architecture).macs
        assert candidate.scores["detection.latency_ms@fast"] == pytest.approx(
            profile("fast", 2)
            .predictor.predict(architecture, batch_size=2, task=run.config.task("detection"))
            .ms
        )
        assert "latency_ms@slow" not in candidate.scores


@pytest.mark.usefixtures("devices")
def test_budgets_on_tasks_are_met_before_anything_is_evaluated(tmp_path: Path) -> None:
    free = _search(tmp_path / "free", trials=30).run
    middle = float(
        np.median([candidate.scores["segmentation.macs"] for candidate in free.complete()])
    )
    bound = _search(tmp_path / "bound", budgets=[f"segmentation.macs<={middle:.0f}"]).run
    assert {candidate.status for candidate in bound.candidates.values()} == {"complete"}
    assert max(candidate.scores["segmentation.macs"] for candidate in bound.complete()) <= middle
    with pytest.raises(
        SpaceError,
        match=(
            r"no architecture of small meets all budgets \(segmentation.macs<=1: tightest <=\d+"
            r" alone"
        ),
    ):
        _search(tmp_path / "none", budgets=["segmentation.macs<=1"])
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("devices")
def test_a_resumed_search_for_tasks_gives_the_same_result(tmp_path: Path) -> None:
    _search(tmp_path / "parts", trials=5)
    resumed = _search(tmp_path / "parts", tasks=[], resume=True)
    assert facts(resumed.run) == facts(_search(tmp_path / "whole").run)
    assert facts(Run.load(tmp_path / "parts")) == facts(resumed.run)
    with pytest.raises(RunError, match=r"was started with other settings .*tasks is"):
        _search(tmp_path / "parts", tasks=["segmentation,num_classes=5"], resume=True)


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"tasks": ["segmentaton"]}, ArchitectureError, "task: 'segmentaton' is not allowed"),
        (
            {"tasks": ["detection", "detection,num_classes=4"]},
            ArchitectureError,
            "tasks: detection is given twice",
        ),
        ({"aims": ["segmentation.accuracy"]}, MetricError, "of a task its costs are known"),
    ],
)
def test_mistakes_in_tasks_are_reported_before_a_folder_exists(
    tmp_path: Path, changes: dict[str, Any], error: type[MvtNasError], message: str
) -> None:
    with pytest.raises(error, match=message):
        _search(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_show_describes_the_head_and_removed_strides() -> None:
    code, out, _ = run("show", "mobilevit_s", "--task", "segmentation")
    assert code == 0
    assert "segmentation, 512 px" in out
    assert "stride 1 (not 2: the task needs a larger map)" in out
    assert "21 x 512 x 512" in out
    code, out, _ = run(
        "show", "mobilevit_s", "--task", "detection", "--resolution", "256", "--json"
    )
    document = json.loads(out)
    assert document["task"] == {"task": "detection", "resolution_px": 256, "num_classes": 80}
    assert (
        document["macs"]
        == count(zoo("mobilevit_s"), task=task_of("detection,resolution_px=256")).macs
    )
    code, _, err = run("show", "mobilevit_s", "--task", "detection", "--counters")
    assert (code, "exclude each other" in err) == (2, True)


def test_the_front_of_a_search_for_a_task_is_printed_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    aims = ("--objective", "segmentation.macs", "--objective", "segmentation.params")
    code, out, err = run(
        "search",
        "tiny",
        *aims,
        "--task",
        "segmentation,resolution_px=64",
        "--trials",
        "8",
        "--out",
        "run",
    )
    assert code == 0, err
    assert "segmentation.memory_mb" in out
    code, out, _ = run(
        "space", "check", "tiny", "--task", "detection", "--samples", "500", "--json"
    )
    assert {"macs", "detection.macs", "detection.memory_mb"} <= set(json.loads(out)["costs"])
    code, out, _ = run("report", "run", "--format", "md")
    assert code == 0
    text = Path(out.split()[-1]).read_text()
    assert "segmentation" in text


@pytest.mark.slow
def test_networks_of_tasks_are_measured() -> None:
    for task, side in (
        ("detection,resolution_px=96", 96),
        ("segmentation,resolution_px=64,num_classes=2", 64),
    ):
        code, out, err = run(
            "latency",
            "measure",
            "mobilevit_xxs",
            "--task",
            task,
            "--seconds",
            "0.2",
            "--json",
        )
        assert code == 0, err
        (entry,) = json.loads(out)
        assert entry["input_shape"] == [1, 3, side, side]
        assert entry["macs"] == count(zoo("mobilevit_xxs"), task=task_of(task)).macs
        assert entry["ms"] > 0
