"""Reports of large runs: their work does not grow with the candidates, nor does it change."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.ensemble import ExtraTreesRegressor

from mvt_nas.cost.table import CostTable
from mvt_nas.errors import SpaceError
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.api import search
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.hypervolume_history import hypervolume_after, hypervolume_curve
from mvt_nas.nas.runs.random_baseline import FILE, read_random_baseline, sample_random_baseline
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import pareto_front
from mvt_nas.report.cached_run import cached_run
from mvt_nas.report.html.content import content
from mvt_nas.report.insights import importances, sampled
from mvt_nas.report.markdown import report
from mvt_nas.report.random_comparison import random_curves
from mvt_nas.space.codec import flattened
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace, load_space
from tests.support.searches import small_space


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    # Both small would leave a front of one.
    costs = [Objective(Metric.parse("macs"), Direction.MAX), Objective.parse("params:min")]
    return search(
        small_space(),
        objectives=costs,
        trials=120,
        sampler="random",
        out=tmp_path_factory.mktemp("large") / "run",
    ).run


@cache
def feasibility() -> Feasibility:
    return Feasibility(Predictors(CostTable(small_space())), [])


def by_hand(run: Run, count: int) -> dict[int, Candidate]:
    """Return so many candidates of the run's space, drawn with their scores from its tables."""
    rows = run.space.sample(count, 5)
    known = run.inputs.predictors(run.space, run.config.num_classes).of(rows)
    costs = {name: np.asarray(known[name], dtype=float).tolist() for name in ("macs", "params")}
    return {
        number: Candidate(
            number,
            str(number),
            tuple(row),
            "complete",
            {name: column[number] for name, column in costs.items()},
        )
        for number, row in enumerate(rows.tolist())
    }


def test_what_matters_is_told_by_a_bounded_sample_and_is_the_same_each_time(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    original = ExtraTreesRegressor.fit

    def counted(trees: Any, codes: Any, values: Any) -> Any:
        looked.append(len(codes))
        return original(trees, codes, values)

    monkeypatch.setattr(ExtraTreesRegressor, "fit", counted)
    several = replace(finished, candidates=by_hand(finished, 2500))
    found = importances(several)
    assert looked == [2000, 2000]
    assert found == importances(several)
    fewer = replace(
        finished, candidates={number: several.candidates[number] for number in range(1999)}
    )
    assert sampled(several) == 2000
    assert sampled(fewer) is None
    assert looked == [2000] * 4
    importances(fewer)
    assert looked[4:] == [1999, 1999]


def test_reports_say_how_many_candidates_stand_for_all(finished: Run) -> None:
    several = replace(finished, candidates=by_hand(finished, 2500))
    assert content([several])["runs"][0]["sampled"] == 2000
    assert "over 2,000 of the complete candidates, evenly drawn" in report(several)
    assert content([finished])["runs"][0]["sampled"] is None
    assert "over all complete candidates" in report(finished)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_a_curve_at_some_places_is_the_curve_there(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    scores = rng.integers(0, 40, (500, objectives)).astype(float)  # with equal ones among them
    scores[rng.random(500) < 0.1, 0] = np.nan
    directions, reference = (
        ["min", "max", "min", "max"][:objectives],
        [30.0, 5.0, 50.0, -1.0][:objectives],
    )
    whole = hypervolume_curve(scores, directions, reference)
    after = [1, 2, 17, 17, 250, 499]
    found = hypervolume_after(scores, directions, reference, after)
    np.testing.assert_allclose(found, whole[np.array(after) - 1], rtol=1e-12, atol=1e-14)
    assert found[-1] > found[0]
    assert hypervolume_after([[np.nan] * objectives], directions, reference, [1]).tolist() == [0.0]


def test_a_search_leaves_behind_what_chance_finds_and_a_report_does_not_draw_again(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = [1, 10, 60, 120]
    kept = random_curves(finished, after)
    (finished.folder / FILE).rename(finished.folder / "away")
    drawn = random_curves(finished, after)
    (finished.folder / "away").rename(finished.folder / FILE)
    assert kept[1] is not None
    assert drawn[1] is not None
    assert (kept[0].tolist(), kept[1].tolist()) == (drawn[0].tolist(), drawn[1].tolist())
    monkeypatch.setattr(
        "mvt_nas.report.random_comparison.sample_random_baseline",
        lambda *_: pytest.fail("it was drawn again"),
    )
    assert random_curves(finished, after)[0].tolist() == kept[0].tolist()
    one_less = replace(
        finished, candidates={number: finished.candidates[number] for number in range(119)}
    )
    assert read_random_baseline(finished.folder, finished.config, len(one_less.candidates)) is None
    other = replace(finished.config, objectives=tuple(reversed(finished.config.objectives)))
    assert read_random_baseline(finished.folder, other, 120) is None


def test_chance_is_drawn_in_parts_and_its_front_is_that_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mvt_nas.nas.runs.random_baseline._AT_ONCE", 300)
    objectives = [Objective(Metric.parse("macs"), Direction.MAX), Objective.parse("params:min")]
    sampled: list[int] = []
    original = Feasibility.draw

    def counted(there: Feasibility, n: int, rng: np.random.Generator) -> Rows:
        sampled.append(n)
        return original(there, n, rng)

    monkeypatch.setattr(Feasibility, "draw", counted)
    found = sample_random_baseline(feasibility(), objectives, 1000)
    assert sampled == [300] * 4
    assert found.count == 1000
    rows = np.concatenate(
        [
            feasibility().space.counter.sample(300, rng)
            for rng in [np.random.default_rng(2**31)]
            for _ in range(4)
        ]
    )[:1000]
    known = feasibility().known.of(rows)
    scores = np.column_stack([known["macs"], known["params"]]).astype(float)
    assert found.corners.tolist() == [scores.min(axis=0).tolist(), scores.max(axis=0).tolist()]
    assert found.scores.tolist() == scores[found.places].tolist()
    reference = [0.0, 1e12]
    boxed = np.vstack([found.whole(), found.corners])
    whole = hypervolume_curve(np.vstack([scores, found.corners]), ["max", "min"], reference)[:1000]
    np.testing.assert_allclose(
        hypervolume_after(boxed, ["max", "min"], reference, range(1, 1001)), whole, rtol=1e-12
    )
    assert len(found.places) < 500


@pytest.mark.parametrize("name", ["mobilevit", "tiny", "small_images"])
def test_the_fields_of_many_rows_are_those_of_their_architectures(name: str) -> None:
    space = load_space(name)
    rows = space.sample(200, 3)
    found, expected = space.fields_of(rows), [flattened(one) for one in space.decode_many(rows)]
    assert set().union(*expected) <= set(found)
    for path, column in found.items():
        assert column == [one.get(path) for one in expected], path
    with pytest.raises(SpaceError, match="is out of range"):
        space.fields_of(rows + 99)


ROUNDED = """
name: rounded
resolution_px: 64
stem: {width: 16}
stages:
  - {width: 16}
  - block: [conv, mobilevit]
    width: [16, 24]
    dim: 64
    transformer_depth: 1
    patch: 2
    attention: separable
    ffn_multiplier: [1, 1.001, 1.002, 1.5, 1.501, 2]
    local_conv: full
    fusion: none
    fusion_kernel: 1
    residual: true
"""


@pytest.mark.parametrize(
    "name",
    [
        "mobilevit",
        "mobilevit_v1",
        "mobilevit_v2",
        "mobilevit_v3",
        "tiny",
        "small_images",
        "rounded",
    ],
)
def test_dimensions_have_an_effect_where_another_code_is_another_network(name: str) -> None:
    space = SearchSpace(yaml.safe_load(ROUNDED), name) if name == "rounded" else load_space(name)
    rows = space.sample(200, 4)
    found, other = space.effective(rows), np.zeros(rows.shape, dtype=bool)
    for place, dimension in enumerate(space.dimensions):
        for code in range(len(dimension.values)):
            changed = rows.copy()
            changed[:, place] = code
            other[:, place] |= (space.canonical(changed) != rows).any(axis=1)
    assert np.array_equal(found, other)
    assert 0.5 < found.mean() <= 1


def test_a_curve_of_very_many_candidates_has_fewer_points(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvt_nas.report.html.content._POINTS", 60)
    monkeypatch.setattr("mvt_nas.report.html.content._POINTS_OF_MANY", 30)
    for most, points in ((120, 60), (119, 30)):
        monkeypatch.setattr("mvt_nas.report.html.content._MOST", most)
        growth = content([finished])["runs"][0]["growth"]
        assert [len(growth[name]) for name in ("after", "own", "random")] == [points] * 3
        assert (growth["after"][0], growth["after"][-1]) == (1, 120)


def test_a_run_that_is_settled_says_the_same_and_looks_once(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def counted(scores: Any, directions: Any) -> Any:
        looked.append(len(scores))
        return pareto_front(scores, directions)

    front, knee, complete = finished.front(), finished.knee(), finished.complete()
    monkeypatch.setattr("mvt_nas.nas.runs.run.pareto_front", counted)
    still = cached_run(finished)
    for _ in range(3):
        assert still.front() == front
        assert still.knee() == knee
        assert still.complete() == complete
        assert still.scores(still.complete()).tolist() == finished.scores(complete).tolist()
        assert still.scores(still.front()).tolist() == finished.scores(front).tolist()
    assert looked == [120]
    assert replace(still, candidates={0: complete[0]}).front() == [complete[0]]
