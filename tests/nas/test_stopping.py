"""Searches that stop early, and the hypervolume curve that decides it, against brute force."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mvt_nas.errors import MetricError, RunError
from mvt_nas.nas.api import SearchResult, resume_folder, search
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.problem.stopping_rule import NEVER, StoppingRule
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.folder import CONFIG, read_config
from mvt_nas.nas.runs.hypervolume_history import hypervolume_curve, run_hypervolume_curve
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.stopping import NoImprovement
from tests.support.searches import COSTS, SCORING, Interrupting, facts, small_space


def brute_volume(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the hypervolume of costs by counting the dominated cells of a grid."""
    inside = points[(points < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    edges = [np.unique([*inside[:, axis], reference[axis]]) for axis in range(points.shape[1])]
    lengths = [np.diff(edge) for edge in edges]
    total = 0.0
    for cell in itertools.product(*(range(len(length)) for length in lengths)):
        corner = np.array([edges[axis][index] for axis, index in enumerate(cell)])
        if (inside <= corner).all(axis=1).any():
            total += float(np.prod([lengths[axis][index] for axis, index in enumerate(cell)]))
    return total


def brute_curve(costs: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the curve from its definition; every objective varies."""
    kept = costs[np.isfinite(costs).all(axis=1)]
    best, worst = kept.min(axis=0), kept.max(axis=0)
    corner = np.minimum(reference, worst + 0.1 * (worst - best))
    whole = float(np.prod(corner - best))
    shown = [costs[: n + 1][np.isfinite(costs[: n + 1]).all(axis=1)] for n in range(len(costs))]
    return np.array([brute_volume(some, corner) / whole for some in shown])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("n", "objectives"), [(14, 1), (14, 2), (12, 3), (7, 4)])
def test_the_curve_is_what_counting_cells_gives(n: int, objectives: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    costs = random.integers(0, 6, (n, objectives)).astype(float)  # with ties and duplicates
    costs[0], costs[1] = 0.0, 5.5
    costs[[0, 1]] = costs[[1, 0]]
    costs[n // 2] = np.nan
    reference = np.full(objectives, random.choice([4.5, 5.9, 1e6]))
    signs = random.choice([1.0, -1.0], objectives)
    directions = ["min" if sign > 0 else "max" for sign in signs]
    found = hypervolume_curve(costs * signs, directions, reference * signs)
    np.testing.assert_allclose(found, brute_curve(costs, reference), rtol=1e-12, atol=1e-14)
    assert (np.diff(found) >= 0).all()


def test_the_unit_square_by_hand() -> None:
    scores = [[0.0, 1.0], [np.nan, 0.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [0.9, 0.9]]
    found = hypervolume_curve(scores, ["min", "min"], [9.0, 9.0])  # from (1.1, 1.1)
    expected = np.array([0.11, 0.11, 0.21, 0.21 + 0.16 + 0.09, 0.0, 0.0])
    expected[3:] = 0.11 + 0.11 - 0.01 + 0.5 * 0.5
    np.testing.assert_allclose(found, expected / 1.21)


def test_objectives_that_do_not_vary_are_left_out() -> None:
    flat = [[3.0, 7.0], [1.0, 7.0], [2.0, 7.0]]
    np.testing.assert_allclose(
        hypervolume_curve(flat, ["min", "max"], [10.0, 0.0]), [0.2 / 2.2, 1.0, 1.0]
    )
    np.testing.assert_allclose(
        hypervolume_curve([[1.0, 2.0]] * 3, ["min", "min"], [5.0, 5.0]), [1.0, 1.0, 1.0]
    )
    assert hypervolume_curve([[1.0, 2.0]] * 3, ["min", "min"], [0.5, 5.0]).tolist() == [
        0.0,
        0.0,
        0.0,
    ]
    assert hypervolume_curve([[np.nan, 2.0]], ["min", "min"], [5.0, 5.0]).tolist() == [0.0]
    assert hypervolume_curve([], ["min", "min"], [5.0, 5.0]).tolist() == []


def test_a_far_reference_point_hides_no_growth() -> None:
    random = np.random.default_rng(0)
    costs = random.random((40, 2))
    near, far = (
        hypervolume_curve(costs, ["min", "min"], [bound, bound]) for bound in (10.0, 1e300)
    )
    assert near.tolist() == far.tolist()
    assert 0 < near[0] < near[-1] < 1


def test_the_curve_of_a_long_search_takes_seconds() -> None:
    random = np.random.default_rng(0)
    directions = random.random((20_000, 3))
    shrink = 1 - 0.5 * np.exp(-np.arange(20_000) / 4000)[:, None] * random.random((20_000, 1))
    costs = 1 - directions / np.linalg.norm(directions, axis=1, keepdims=True) * shrink * (
        1 - 0.05 * random.random((20_000, 1))
    )
    start = time.perf_counter()
    found = hypervolume_curve(costs, ["min"] * 3, [9.0] * 3)
    assert time.perf_counter() - start < 20
    assert found[-1] == pytest.approx(
        hypervolume_curve(costs[::-1], ["min"] * 3, [9.0] * 3)[-1], rel=1e-10
    )


def run_costs(out: Path, **changes: Any) -> SearchResult:
    """Search some hundred networks at random; the front is complete long before the space is."""
    settings: dict[str, Any] = {
        "objectives": COSTS,
        "trials": 200,
        "batch": 8,
        "sampler": "random",
        "stop_when": "stalled:24",
        "out": out,
    }
    return search(small_space(), **(settings | changes))


def first_stalled(run: Run, within: int) -> int | None:
    """Return after how many candidates the rule ends a run, from its definition."""
    costs = np.array(
        [
            [run.candidates[n].scores[name] for name in ("macs", "params")]
            for n in range(len(run.candidates))
        ]
    )
    reference = np.array([run.config.reference[name] for name in ("macs", "params")])
    for number in range(run.config.batch, len(costs), run.config.batch):
        if number > within:
            curve = brute_curve(costs[:number], reference)
            if curve[-1] <= 1.001 * curve[number - within - 1]:
                return number
    return None


@pytest.mark.slow
def test_a_search_ends_where_the_definition_says(tmp_path: Path) -> None:
    ends = set()
    for seed in range(2):
        whole = run_costs(tmp_path / f"whole{seed}", seed=seed, stop_when=None)
        assert whole.reason == "trials"
        for within in (8, 24, 41):
            found = run_costs(
                tmp_path / f"{seed}-{within}", seed=seed, stop_when=f"stalled:{within}"
            )
            assert found.reason == "stalled"
            assert len(found.run.candidates) == first_stalled(whole.run, within)
            assert facts(found.run)["candidates"].items() <= facts(whole.run)["candidates"].items()
            ends.add(len(found.run.candidates))
    assert len(ends) > 3


def test_a_stalled_search_is_the_same_after_any_interruption(tmp_path: Path) -> None:
    expected = run_costs(tmp_path / "whole")
    assert (expected.reason, expected.run.config.stop_when) == ("stalled", StoppingRule(24))
    parts = []
    for after in itertools.chain(
        (1, 7, 8, 11), itertools.repeat(5)
    ):  # within batches, and at the end of one
        parts.append(run_costs(tmp_path / "parts", resume=True, listener=Interrupting(after)))
        if parts[-1].reason != "interrupted":
            break
    assert parts[-1].reason == "stalled"
    assert len(parts) > 5
    assert facts(parts[-1].run) == facts(expected.run)


def test_a_stalled_search_stays_so_until_more_is_asked(tmp_path: Path) -> None:
    whole = run_costs(tmp_path / "whole", stop_when="never")
    found = run_costs(tmp_path / "parts")
    done, bytes_before = (
        len(found.run.candidates),
        (tmp_path / "parts" / "candidates.jsonl").read_bytes(),
    )
    assert yaml.safe_load((tmp_path / "parts" / CONFIG).read_text())["stop_when"] == "stalled:24"
    for again in (
        resume_folder(tmp_path / "parts", trials=None, workers=1),
        run_costs(tmp_path / "parts", resume=True, stop_when=None),
    ):
        assert (again.reason, len(again.run.candidates)) == ("stalled", done)
    assert (
        run_costs(tmp_path / "parts", resume=True, stop_when=None, trials=300).reason == "stalled"
    )
    assert (tmp_path / "parts" / "candidates.jsonl").read_bytes() == bytes_before
    assert read_config(tmp_path / "parts").trials == 300
    longer = run_costs(tmp_path / "parts", resume=True, stop_when="stalled:40")
    assert facts(longer.run) == facts(run_costs(tmp_path / "longer", stop_when="stalled:40").run)
    assert len(longer.run.candidates) > done
    assert facts(run_costs(tmp_path / "parts", resume=True, stop_when="never").run) == facts(
        whole.run
    )
    assert read_config(tmp_path / "parts").stop_when == NEVER
    tighter = run_costs(tmp_path / "parts", resume=True, stop_when="stalled:8", trials=300)
    assert (tighter.reason, len(tighter.run.candidates)) == ("stalled", 200)


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_two_workers_stop_where_one_stops(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "objectives": ["log_synflow", "macs"],
        "scoring": SCORING,
        "batch": 4,
        "stop_when": "stalled:6",
    }
    runs = [
        run_costs(tmp_path / str(workers), workers=workers, trials=60, **settings)
        for workers in (1, 2)
    ]
    assert [run.reason for run in runs] == ["stalled"] * 2
    assert facts(runs[0].run) == facts(runs[1].run)


def stall_of(costs: list[float | None], within: int) -> list[int]:
    """Return the numbers of candidates after which a search for one cost has stalled.

    ``None`` stands for a failed candidate.
    """
    config = RunConfig(
        space={},
        space_hash="",
        objectives=(Objective.parse("macs:min"),),
        budgets=(),
        trials=100,
        sampler="random",
        reference={"macs": 1e9},
        stop_when=StoppingRule(within),
    )
    candidates = {
        n: Candidate(
            n,
            str(n),
            (),
            "failed" if cost is None else "complete",
            {} if cost is None else {"macs": cost},
        )
        for n, cost in enumerate(costs)
    }
    stall = NoImprovement(config)
    return [number for number in range(1, len(costs) + 1) if stall.holds(candidates, number)]


def test_what_growth_is() -> None:
    assert stall_of([5.0, 4.0, 3.0, 2.0, 1.0], 2) == []
    assert stall_of([5.0, 4.0, 4.0, 4.0, 1.0, 1.0], 2) == [4]
    assert stall_of([11.0, 1.0, 0.995, 0.990], 1) == [
        3,
        4,
    ]  # of a side of 11 these are less than 0.1 %
    assert stall_of([11.0, 1.0, 0.98, 0.96], 1) == []
    assert stall_of([None, None, None, None], 2) == []  # there is no front that could grow
    assert stall_of([None, None, None, 7.0, None, 7.0], 2) == [6]
    assert stall_of([2e9, 2e9, 2e9], 1) == []  # beyond the reference point


@pytest.mark.parametrize(
    "text",
    [
        "stalled",
        "stalled:",
        "stalled:0",
        "stalled:-3",
        "stalled:1.5",
        "stalled:٣",
        "Never",
        "",
        "stalled:9999999999",
    ],
)
def test_rules_that_cannot_be_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(
        MetricError,
        match=(
            r"stop_when: '.*' is not allowed; stalled:N with a number of candidates from 1, or"
            r" never"
        ),
    ):
        run_costs(tmp_path / "a", stop_when=text)
    assert not (tmp_path / "a").exists()
    assert str(StoppingRule.parse("stalled:007")) == "stalled:7"
    run_costs(tmp_path / "b", trials=8)
    data = yaml.safe_load((tmp_path / "b" / CONFIG).read_text())
    (tmp_path / "b" / CONFIG).write_text(yaml.safe_dump(data | {"stop_when": text}))
    with pytest.raises(RunError, match=r"run\.yaml: damaged \(stop_when: "):
        read_config(tmp_path / "b")
    del data["stop_when"]  # a run from before there were rules
    (tmp_path / "b" / CONFIG).write_text(yaml.safe_dump(data))
    assert read_config(tmp_path / "b").stop_when == NEVER


@pytest.mark.parametrize("minutes", [0, -1.0, float("nan"), float("inf"), True, "3"])
def test_minutes_that_cannot_be_are_refused(minutes: Any, tmp_path: Path) -> None:
    with pytest.raises(MetricError, match=r"minutes: .* is not allowed; a number above 0"):
        run_costs(tmp_path / "a", minutes=minutes)
    assert not (tmp_path / "a").exists()


def test_minutes_end_a_search_after_a_whole_batch_and_it_goes_on(tmp_path: Path) -> None:
    whole = run_costs(tmp_path / "whole", trials=44, stop_when=None)
    for done in (8, 16, 24, 32, 40):  # at least one batch is made, however few they are
        part = run_costs(tmp_path / "parts", trials=44, stop_when=None, minutes=1e-9, resume=True)
        assert (part.reason, len(part.run.candidates)) == ("minutes", done)
    last = run_costs(tmp_path / "parts", trials=44, stop_when=None, minutes=1e-9, resume=True)
    assert (last.reason, facts(last.run)) == ("trials", facts(whole.run))
    for name in (CONFIG, "candidates.jsonl"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert run_costs(tmp_path / "long", trials=44, stop_when=None, minutes=60).reason == "trials"


def test_the_curve_of_a_run(tmp_path: Path) -> None:
    run = run_costs(tmp_path, stop_when=None, trials=60).run
    costs = np.array(
        [[run.candidates[n].scores[name] for name in ("macs", "params")] for n in range(60)]
    )
    reference = np.array([run.config.reference[name] for name in ("macs", "params")])
    np.testing.assert_allclose(
        run_hypervolume_curve(run), brute_curve(costs, reference), rtol=1e-12
    )
