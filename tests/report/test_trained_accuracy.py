"""Trained accuracies carry their interval wherever a run shows them, and say what they do not."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mvt_nas.cli.front import front_document, print_front
from mvt_nas.cli.watch_frame import frame
from mvt_nas.errors import DataError
from mvt_nas.metrics.binomial import accuracy_interval
from mvt_nas.nas.api import search
from mvt_nas.nas.request import TrainingImages
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.accuracy_notes import accuracy_notes
from mvt_nas.report.html.content import content
from mvt_nas.report.markdown import report
from mvt_nas.report.tables import candidates_frame
from mvt_nas.report.trained_accuracy import trained_accuracy_notes, trained_interval
from mvt_nas.report.watch.view import RunWatcher
from mvt_nas.training.short_recipe import ShortRecipe
from tests.nas.test_candidate_training import little_space
from tests.support.fake_trainer import install_fake_trainer

VALIDATION = 100
PROTOCOL = ShortRecipe(
    pixels=16,
    train_images=256,
    validation_images=VALIDATION,
    epochs=2,
    batch_size=16,
    crop_padding=1,
    flip=False,
)
TRAINED = "trained_accuracy"


def run_search(out: Path, images: TrainingImages, **settings: Any) -> Run:
    return search(
        little_space(),
        objectives=(f"{TRAINED}:max", "macs:min"),
        trials=8,
        batch=4,
        num_classes=10,
        pictures=images,
        out=out,
        **settings,
    ).run


def trained_run(folder: Path) -> Run:
    """Return a run of eight networks with the fake trainer."""
    with pytest.MonkeyPatch.context() as patch:
        install_fake_trainer(patch)
        return run_search(folder, TrainingImages(protocol=PROTOCOL))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained_run(tmp_path_factory.mktemp("trained") / "run")


def with_accuracies(run: Run, accuracies: list[float]) -> Run:
    """Return the run with other accuracies of its front, and without its other candidates."""
    changed = {
        candidate.number: dataclasses.replace(
            candidate, scores={**candidate.scores, TRAINED: accuracy, "macs": 100.0 * accuracy}
        )
        for candidate, accuracy in zip(run.candidates.values(), accuracies, strict=False)
    }
    return dataclasses.replace(run, candidates=changed)


def expected_interval(run: Run, number: int) -> tuple[float, float]:
    return accuracy_interval(run.candidates[number].scores[TRAINED], VALIDATION)


def test_the_interval_is_that_of_the_validation_images(trained: Run) -> None:
    for candidate in trained.complete():
        interval = trained_interval(trained, candidate.scores)
        assert interval == expected_interval(trained, candidate.number)
    assert trained_interval(trained, {"macs": 1.0}) is None
    untrained = dataclasses.replace(
        trained, config=dataclasses.replace(trained.config, training=None)
    )
    assert trained_interval(untrained, trained.complete()[0].scores) is None


def test_tables_have_the_interval(trained: Run, capsys: pytest.CaptureFixture[str]) -> None:
    best = trained.front()[0]
    low, high = expected_interval(trained, best.number)
    cell = f"{best.scores[TRAINED]:.1f} ({low:.1f} to {high:.1f})"
    print_front(trained)
    assert cell in capsys.readouterr().out
    text = report(trained)
    assert f"| {best.number} | {cell} |" in text
    choices = text.partition("## The front")[0]
    assert f"({low:.1f} to {high:.1f})" in choices
    console = Console(file=io.StringIO(), width=120, height=60)
    console.print(frame(RunWatcher(trained.folder).look(), 120, 60))
    assert isinstance(console.file, io.StringIO)
    assert cell in console.file.getvalue()


def test_documents_have_the_interval(trained: Run) -> None:
    document = json.loads(json.dumps(front_document(trained)))
    for member in document["front"]:
        expected = expected_interval(trained, member["id"])
        assert member["intervals"][TRAINED] == pytest.approx(expected, abs=1e-4)
    page = content([trained])
    table = candidates_frame(trained)
    for place, number in enumerate(page["ids"]):
        low, high = expected_interval(trained, number)
        assert page["numbers"][f"{TRAINED}_low"][place] == pytest.approx(low, rel=1e-6)
        assert page["numbers"][f"{TRAINED}_high"][place] == pytest.approx(high, rel=1e-6)
        row = table[table["id"] == number].iloc[0]
        assert (row[f"{TRAINED}_low"], row[f"{TRAINED}_high"]) == pytest.approx((low, high))
    labels = {metric["name"]: metric["label"] for metric in page["metrics"]}
    assert labels[f"{TRAINED}_low"] == "accuracy after a short training, low end (%)"


def test_runs_without_trainings_have_no_intervals(tmp_path: Path) -> None:
    run = search(little_space(), objectives=["macs", "params"], trials=4, out=tmp_path / "run").run
    assert [member["intervals"] for member in front_document(run)["front"]] == [{}] * len(
        run.front()
    )
    assert f"{TRAINED}_low" not in content([run])["numbers"]
    assert f"{TRAINED}_low" not in candidates_frame(run).columns


def test_what_the_accuracies_do_not_show_is_said_everywhere(
    trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    doubtful = with_accuracies(trained, [12.0, 14.0, 18.0])
    first, *doubts = trained_accuracy_notes(doubtful)
    assert list(accuracy_notes(doubtful))[: 1 + len(doubts)] == [first, *doubts]
    assert first.startswith("Trained accuracy: 256 images of 16 px from digits, 2 epochs; ")
    assert [doubt.partition(":")[0] for doubt in doubts] == [
        "Protocol",
        "2 of 3 trainings have not left chance",
        "The trained accuracies of the 3 candidates of the front differ by 6.0 points, less than"
        " their 90 % intervals on 100 images",
    ]
    print_front(doubtful)
    shown = capsys.readouterr().out
    markdown = report(doubtful).replace("\\", "")
    page = content([doubtful])["notes"]
    for doubt in doubts:
        assert doubt in shown
        assert doubt in markdown
        assert doubt in page
        assert doubt in front_document(doubtful)["notes"]


def test_good_accuracies_are_not_doubted(trained: Run) -> None:
    assert trained.config.training is not None
    enough = dataclasses.replace(PROTOCOL, epochs=20)
    training = dataclasses.replace(trained.config.training, protocol=enough)
    config = dataclasses.replace(trained.config, training=training)
    good = with_accuracies(dataclasses.replace(trained, config=config), [40.0, 60.0, 90.0])
    assert len(list(trained_accuracy_notes(good))) == 1


def test_budgets_on_the_accuracy_promise_no_order(trained: Run) -> None:
    within_noise = with_accuracies(trained, [60.0, 61.0, 62.0])
    assert any("their order means nothing" in note for note in accuracy_notes(within_noise))
    costs = tuple(one for one in trained.config.objectives if one.name != TRAINED)
    config = dataclasses.replace(trained.config, objectives=costs)
    by_cost = dataclasses.replace(within_noise, config=config)
    assert not any("their order means nothing" in note for note in accuracy_notes(by_cost))


@pytest.mark.usefixtures("fake")
def test_a_search_scales_the_protocol_to_its_images(tmp_path: Path) -> None:
    run = run_search(tmp_path / "a", TrainingImages("digits", limit=30))
    assert run.config.training is not None
    protocol = run.config.training.protocol
    assert (protocol.train_images, protocol.validation_images) == (240, 60)
    assert (protocol.batch_size, protocol.epochs) == (16, 67)
    file = tmp_path / "p.yaml"
    file.write_text("pixels: 16\nepochs: 3\n")
    run = run_search(tmp_path / "b", TrainingImages("digits", file, limit=30))
    assert run.config.training is not None
    protocol = run.config.training.protocol
    assert (protocol.pixels, protocol.epochs, protocol.train_images) == (16, 3, 240)


@pytest.mark.usefixtures("fake")
def test_a_search_refuses_a_protocol_for_more_images_in_one_message(tmp_path: Path) -> None:
    wanted = ShortRecipe(pixels=16)
    with pytest.raises(DataError, match="these values fit: train_images = 240, validation_images"):
        run_search(tmp_path / "a", TrainingImages("digits", wanted, limit=30))
    assert not (tmp_path / "a").exists()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake_trainer(monkeypatch)
