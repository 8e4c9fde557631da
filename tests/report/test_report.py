"""What is drawn and tabulated is what the run holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mvt_nas import Run, pareto_front, search
from mvt_nas.errors import RunError
from mvt_nas.nas.optuna_dashboard import write_storage
from mvt_nas.report.front_plot import front_plot
from mvt_nas.report.plots import draw_plot
from mvt_nas.report.tables import candidates_frame, front_frame

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "finished"
    return search(
        "mobilevit",
        objectives=["memory_mb", "macs", "params"],
        budgets=["macs<=1.5G"],
        trials=40,
        out=folder,
    ).run


def test_panels_hold_every_complete_candidate_once(finished: Run) -> None:
    plot = front_plot(finished)
    assert [(panel.x, panel.y) for panel in plot.panels] == [
        ("macs", "memory_mb"),
        ("params", "memory_mb"),
    ]
    for panel in plot.panels:
        points = sorted((c.scores[str(panel.x)], c.scores[panel.y]) for c in finished.complete())
        assert sorted(panel.others + panel.front) == points
        assert len(panel.front) == len(finished.front())
    assert plot.panels[0].budgets == (("x", 1.5e9),)
    assert plot.panels[1].budgets == ()


def test_published_models_are_labelled_points(finished: Run) -> None:
    names = {name for name, _, _ in front_plot(finished).panels[0].models}
    assert "mobilevit_xxs" in names
    assert "mobilevit_s" not in names  # breaks the budget
    assert ("mobilevit_xxs", 407364096.0, 9.109504) in front_plot(finished).panels[0].models


@pytest.mark.parametrize("name", ["front.png", "front.svg", "front.pdf"])
def test_pictures_are_drawn(finished: Run, tmp_path: Path, name: str) -> None:
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[Path(name).suffix]
    assert draw_plot(finished, tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_picture_repeats_to_the_byte(finished: Run, tmp_path: Path, kind: str) -> None:
    first, second = (
        draw_plot(finished, tmp_path / name).read_bytes() for name in (f"a.{kind}", f"b.{kind}")
    )
    assert first == second


def test_one_objective_is_drawn_over_the_trials(tmp_path: Path) -> None:
    run = search("mobilevit", objectives=["macs"], trials=5, out=tmp_path / "r").run
    panel = front_plot(run).panels[0]
    assert panel.x is None
    assert len(panel.front) == 1
    draw_plot(run, tmp_path / "one.png")


def test_wrong_files_are_refused(finished: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"the suffix of a plot is \.png, \.svg, \.pdf"):
        draw_plot(finished, tmp_path / "front.gif")
    with pytest.raises(RunError, match="cannot be written"):
        draw_plot(finished, tmp_path / "nowhere" / "front.png")


def test_tables_hold_candidates_and_choices(finished: Run) -> None:
    frame = candidates_frame(finished)
    assert list(frame["id"]) == sorted(finished.candidates)
    assert list(frame["key"]) == [finished.architecture(number).key for number in frame["id"]]
    assert set(frame["resolution_px"]) <= {192, 224, 256, 288, 320}
    front = front_frame(finished)
    kept = pareto_front(frame[["memory_mb", "macs", "params"]].to_numpy(), ["min"] * 3)
    assert set(front["id"]) == set(frame["id"][kept])
    assert front["memory_mb"].is_monotonic_increasing


def test_the_dashboard_storage_holds_the_run(finished: Run, tmp_path: Path) -> None:
    path = write_storage(finished, tmp_path / "journal.log")
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.load_study(study_name=None, storage=storage)
    assert len(study.trials) == len(finished.candidates)
    assert {trial.number for trial in study.best_trials} == {
        candidate.number for candidate in finished.front()
    }
    assert study.trials[0].params["resolution_px"] == 256
    assert study.trials[0].user_attrs["origin"] == "mobilevit_xxs"
    assert study.metric_names == ["memory_mb", "macs", "params"]
    write_storage(finished, path)
    assert len(
        optuna.load_study(
            study_name=None, storage=JournalStorage(JournalFileBackend(str(path)))
        ).trials
    ) == len(study.trials)


def test_candidates_stopped_on_a_lower_rung_are_pruned_trials(
    finished: Run, tmp_path: Path
) -> None:
    stopped = replace(finished.candidates[2], status="stopped")
    path = write_storage(
        replace(finished, candidates={**finished.candidates, 2: stopped}), tmp_path / "journal.log"
    )
    study = optuna.load_study(
        study_name=None, storage=JournalStorage(JournalFileBackend(str(path)))
    )
    assert [trial.number for trial in study.trials if trial.state.name == "PRUNED"] == [2]
