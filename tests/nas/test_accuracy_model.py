"""Predicted accuracy in searches: known in advance, from the run's copy of a table, with error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvt_nas.accuracy import quality as qualities
from mvt_nas.accuracy.protocol import at_protocol
from mvt_nas.accuracy.quality import quality_file
from mvt_nas.accuracy.surrogate import Surrogate
from mvt_nas.accuracy.table import read_table
from mvt_nas.errors import AccuracyError, MetricError, RunError, SpaceError
from mvt_nas.metrics.names import PREDICTED
from mvt_nas.nas.api import SearchResult, search
from mvt_nas.nas.request import default_objectives
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.space_summary import summarize_space
from mvt_nas.report.accuracy_notes import accuracy_notes
from mvt_nas.report.front_plot import front_plot
from mvt_nas.report.tables import candidates_frame
from tests.support.searches import facts, search_less
from tests.support.trained_networks import evaluate_less, write_table

pytestmark = pytest.mark.slow

OBJECTIVES = ("accuracy:max", "macs:min")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a table of twelve networks in place of the shipped one, with a quick surrogate."""
    search_less(monkeypatch)
    evaluate_less(monkeypatch)
    path = write_table(tmp_path / "twelve.csv")
    monkeypatch.setattr("mvt_nas.nas.problem.accuracy_model.default_table", lambda: path)
    return path


def run_search(out: Path, **settings: Any) -> SearchResult:
    return search(
        "small_images",
        **{"objectives": OBJECTIVES, "trials": 24, "num_classes": 10, **settings},
        out=out,
    )


def test_accuracy_latency_and_parameters_are_what_a_search_is_about() -> None:
    assert default_objectives("accuracy", ()) == ("accuracy:max", "latency_ms:min", "params:min")


def test_scores_are_what_the_surrogate_says_of_each_architecture(
    table: Path, tmp_path: Path
) -> None:
    run = run_search(tmp_path / "a").run
    found = read_table(table)
    fitted = Surrogate(found.networks())
    assert len(run.complete()) == 24
    for candidate in run.complete():
        estimates = fitted.predict([at_protocol(run.architecture(candidate.number), found)])
        wanted = (estimates.percent, estimates.low, estimates.high, estimates.beyond)
        assert [candidate.scores[name] for name in PREDICTED] == pytest.approx(
            [float(one[0]) for one in wanted], rel=1e-9
        )
        assert (
            0
            <= candidate.scores["accuracy_low"]
            <= candidate.scores["accuracy"]
            <= candidate.scores["accuracy_high"]
            <= 100
        )
    frame = candidates_frame(run)
    assert {*PREDICTED, "imagenet_top1"} <= set(frame.columns)


def test_budgets_on_accuracy_are_met_before_anything_is_evaluated(
    table: Path, tmp_path: Path
) -> None:
    free = run_search(tmp_path / "free").run
    bound = float(np.median([c.scores["accuracy_low"] for c in free.complete()]))
    run = run_search(tmp_path / "bound", budgets=[f"accuracy_low>={bound}"]).run
    assert {c.status for c in run.candidates.values()} == {"complete"}
    assert min(c.scores["accuracy_low"] for c in run.complete()) >= bound
    with pytest.raises(SpaceError, match=r"accuracy>=99\.5: tightest >=\d\d"):
        run_search(tmp_path / "none", budgets=["accuracy>=99.5"])
    assert not (tmp_path / "none").exists()


def test_a_survey_knows_the_accuracy_that_its_budgets_name(table: Path) -> None:
    report = summarize_space(run_space(), ["accuracy>=55", "imagenet_top1>=30"], samples=2000)
    assert 0 < report["feasible_share"] < 1
    accuracy = report["costs"]["accuracy"]
    assert accuracy["min"] < accuracy["median"] < accuracy["max"]
    assert "accuracy" not in summarize_space(run_space(), samples=500)["costs"]


def run_space() -> Any:
    from mvt_nas.space.search_space import load_space

    return load_space("small_images")


def test_a_run_goes_on_with_its_own_copy_of_the_table(table: Path, tmp_path: Path) -> None:
    whole = run_search(tmp_path / "whole").run
    part = run_search(tmp_path / "part", trials=16).run
    assert part.config.accuracy == {"table": "twelve", "hash": whole.config.accuracy["hash"]}
    write_table(table, shift=9.0)
    resumed = run_search(tmp_path / "part", trials=24, resume=True).run
    assert facts(resumed) == facts(whole)
    assert facts(Run.load(tmp_path / "part")) == facts(whole)


def test_another_table_is_another_search(table: Path, tmp_path: Path) -> None:
    run_search(tmp_path / "a")
    other = write_table(tmp_path / "other.csv", shift=5.0)
    with pytest.raises(
        RunError, match=r"accuracy is \['table twelve', 'hash \w+'\] there|accuracy is table twelve"
    ):
        run_search(tmp_path / "a", accuracy_table=other, resume=True)
    assert run_search(tmp_path / "b", accuracy_table=other).run.config.accuracy["table"] == "other"


def test_a_copy_that_was_changed_or_lost_is_refused(table: Path, tmp_path: Path) -> None:
    run_search(tmp_path / "a", trials=16)
    copy = tmp_path / "a" / "accuracy.csv"
    kept = copy.read_bytes()
    copy.write_bytes(kept[:-5] + b"9" + kept[-4:])
    with pytest.raises(RunError, match=r"copy of trained networks was changed"):
        Run.load(tmp_path / "a")
    copy.unlink()
    with pytest.raises(
        RunError, match=r"copy of trained networks cannot be used \(.*accuracy\.csv: cannot be read"
    ):
        run_search(tmp_path / "a", trials=24, resume=True)


def test_a_table_that_is_none_is_refused_before_there_is_a_folder(
    table: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.csv").write_text("key,title\n")
    with pytest.raises(AccuracyError, match=r"empty\.csv: no table of trained networks"):
        run_search(tmp_path / "a", accuracy_table=tmp_path / "empty.csv")
    with pytest.raises(AccuracyError, match=r"missing\.csv: cannot be read"):
        run_search(tmp_path / "a", accuracy_table=tmp_path / "missing.csv")
    assert not (tmp_path / "a").exists()


def test_no_table_is_read_where_nothing_asks_for_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mvt_nas.nas.problem.accuracy_model.default_table", lambda: pytest.fail("read")
    )
    run = run_search(tmp_path / "a", objectives=["macs"], trials=4).run
    assert (run.config.accuracy, run.inputs.accuracy) == ({}, None)
    assert not any(name in candidate.scores for candidate in run.complete() for name in PREDICTED)


def test_every_search_that_predicts_says_how_well(table: Path, tmp_path: Path) -> None:
    run = run_search(tmp_path / "a", trials=4).run
    accuracy, *rest = accuracy_notes(run)
    figures = run.inputs.accuracy.quality.figures  # type: ignore[union-attr]  # the run has a table
    assert f"Kendall's tau {figures['tau']:.2f}" in accuracy
    assert f"mean error {figures['mae']:.1f} points" in accuracy
    assert "twelve" in accuracy
    assert any(
        sentence.startswith("ImageNet top-1 is estimated from published networks")
        for sentence in rest
    )


def test_candidates_beyond_what_was_trained_are_marked(table: Path, tmp_path: Path) -> None:
    run = search(
        "mobilevit", objectives=OBJECTIVES, trials=20, sampler="nsga2", out=tmp_path / "a"
    ).run
    sentence = next(text for text in accuracy_notes(run) if text.startswith("*"))
    assert "20 of 20 candidates are larger or smaller than all trained networks" in sentence
    assert min(c.scores["accuracy_beyond"] for c in run.complete()) > 5
    (panel,) = front_plot(run).panels
    assert len(panel.intervals) == len(run.front())
    assert all(low < high for _, low, high in panel.intervals)


def test_what_a_table_is_worth_is_found_out_once(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = qualities.quality(table)
    monkeypatch.setattr(qualities, "measure_quality", lambda _: pytest.fail("found out again"))
    assert qualities.quality(table) == first
    digest = qualities.table_hash(table)
    qualities.write_quality(first, digest, quality_file(table))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert qualities.quality(table) == first


@pytest.mark.parametrize(
    "damage", ["", "{}", '{"version": 1, "table": "feed", "recipe": "x", "figures": {}}']
)
def test_damaged_figures_are_found_out_again(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wanted = qualities.quality(table)
    quality_file(table).write_text(damage.replace("feed", qualities.table_hash(table)))
    for kept in (tmp_path / "cache").rglob("*.json"):
        kept.unlink()
    assert qualities.quality(table) == wanted


def test_pictures_are_of_no_use_to_a_prediction(table: Path, tmp_path: Path) -> None:
    from mvt_nas.nas.request import TrainingImages

    with pytest.raises(
        MetricError, match=r"pictures\.data: of use with the objective trained_accuracy only"
    ):
        run_search(tmp_path / "a", pictures=TrainingImages(data="digits"))


def test_what_is_known_of_a_row_does_not_depend_on_the_others(tmp_path: Path) -> None:
    from mvt_nas.nas.problem.accuracy_model import load_accuracy_model
    from mvt_nas.nas.problem.inputs import SearchInputs

    space = run_space()
    known = SearchInputs(accuracy=load_accuracy_model()).predictors(space, 10)
    rows = space.sample(300, 5)
    together = known.of(rows)
    for start, end in ((0, 1), (1, 5), (5, 68), (68, 300)):
        part = known.of(rows[start:end])
        for name in known.names:
            assert part[name].tolist() == together[name][start:end].tolist(), name
