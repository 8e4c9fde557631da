"""Trainings inside a search reach the accuracy of the training alone.

Neither interruptions nor the number of workers matter.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mvt_nas.data.load import load_images
from mvt_nas.errors import DataError, MetricError, RunError, TrainingError
from mvt_nas.nas.api import SearchResult, search
from mvt_nas.nas.problem.short_training import FOLDER, CandidateTraining, train_candidate
from mvt_nas.nas.request import TrainingImages
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.accuracy_notes import accuracy_notes
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.training import short_loop
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.short_training import train_short
from tests.support.fake_trainer import install_fake_trainer
from tests.support.searches import facts
from tests.support.short_training_processes import QUICK

PROTOCOL = dataclasses.replace(QUICK, epochs=2, batch_size=16)
PICTURES = TrainingImages(protocol=PROTOCOL)
OBJECTIVES = ("trained_accuracy:max", "macs:min")


def little_space() -> SearchSpace:
    """Networks that train in a tenth of a second."""
    stages = [
        {"width": [8, 16], "block": "conv", "stride": 1},
        {"width": [16, 24, 32], "block": "conv", "stride": 2, "depth": [1, 2]},
    ]
    return SearchSpace(
        {"name": "little", "resolution_px": 16, "stem": {"width": [8, 16]}, "stages": stages}
    )


def run_search(out: Path, pictures: TrainingImages = PICTURES, **settings: Any) -> SearchResult:
    settings = {"objectives": OBJECTIVES, "trials": 6, "batch": 3, "num_classes": 10, **settings}
    return search(little_space(), **settings, pictures=pictures, out=out)


def test_the_score_is_what_the_training_alone_reaches(tmp_path: Path) -> None:
    run = run_search(tmp_path / "a", seed=4).run
    images = load_images("digits", 16)
    for candidate in run.complete()[:3]:
        alone = train_short(
            run.architecture(candidate.number), images, PROTOCOL, seed=4, device="cpu"
        )
        assert candidate.scores["trained_accuracy"] == 100 * alone.accuracy
    assert len({c.scores["trained_accuracy"] for c in run.complete()}) > 2
    assert run.config.reference["trained_accuracy"] == 10.0
    assert list((run.folder / FOLDER).iterdir()) == []


def test_the_protocol_is_in_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_fake_trainer(monkeypatch)
    run = run_search(tmp_path / "a").run
    kept = yaml.safe_load((run.folder / "run.yaml").read_text())["training"]
    assert kept["protocol"] == PROTOCOL.to_dict()
    assert (kept["data"], kept["num_classes"]) == ("digits", 10)
    assert Run.load(run.folder).config == run.config
    sentence = next(iter(accuracy_notes(run)))
    assert "256 images of 16 px from digits, 2 epochs" in sentence


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_workers_and_interruptions_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_search(tmp_path / "whole").run
    assert facts(run_search(tmp_path / "two", workers=2).run) == facts(whole)
    epochs: list[int] = []
    original = short_loop.train_one_epoch

    def dies(*arguments: Any) -> float:
        epochs.append(1)
        if len(epochs) == 6:  # in the second epoch of the third candidate
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(short_loop, "train_one_epoch", dies)
    part = run_search(tmp_path / "part")
    assert part.interrupted
    assert len(list((tmp_path / "part" / FOLDER).glob("*.pt"))) == 1
    resumed = run_search(tmp_path / "part", resume=True).run
    assert facts(resumed) == facts(whole)
    assert len(epochs) == 2 * 6 + 1  # the interrupted training went on from its checkpoint


def test_a_training_that_diverges_is_a_failed_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_search(
        tmp_path / "a",
        TrainingImages(protocol=dataclasses.replace(PROTOCOL, learning_rate=1e4, clip_norm=0.0)),
    ).run
    failed = [c for c in run.candidates.values() if c.status == "failed"]
    assert failed
    assert all("diverged: " in (c.error or "") for c in failed)
    assert all("trained_accuracy" not in c.scores for c in failed)


def pictures_folder(path: Path, seed: int) -> Path:
    from PIL import Image

    rng = np.random.default_rng(seed)
    for label in ("cat", "dog"):
        (path / label).mkdir(parents=True)
        for number in range(40):
            Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(
                path / label / f"{number}.png"
            )
    return path


def test_a_run_goes_on_with_its_own_pictures_only(tmp_path: Path) -> None:
    protocol = dataclasses.replace(PROTOCOL, train_images=40, validation_images=20, epochs=1)
    there = pictures_folder(tmp_path / "there", 0)
    run = run_search(tmp_path / "a", TrainingImages(str(there), protocol), trials=3).run
    assert run.config.training is not None
    assert (run.config.training.num_classes, run.config.reference["trained_accuracy"]) == (2, 50.0)
    moved = there.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="there"):
        run_search(tmp_path / "a", TrainingImages(), trials=6, resume=True)
    others = pictures_folder(tmp_path / "others", 1)
    with pytest.raises(RunError, match="training is "):
        run_search(tmp_path / "a", TrainingImages(str(others)), trials=6, resume=True)
    assert (
        len(
            run_search(
                tmp_path / "a", TrainingImages(str(moved)), trials=6, resume=True
            ).run.complete()
        )
        == 6
    )
    assert (
        len(run_search(tmp_path / "a", TrainingImages(), trials=6, resume=True).run.complete()) == 6
    )  # it knows the new place
    for file in (moved / "cat").iterdir():
        file.write_bytes((others / "cat" / file.name).read_bytes())
    with pytest.raises(RunError, match="these are not the images that the run was started with"):
        run_search(tmp_path / "a", TrainingImages(), trials=9, resume=True)


def test_what_cannot_be_trained_is_refused_before_there_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        run_search(tmp_path / "a", TrainingImages(data="nowhere"))
    with pytest.raises(DataError, match="64000"):
        run_search(
            tmp_path / "a",
            TrainingImages(protocol=dataclasses.replace(PROTOCOL, train_images=64_000)),
        )
    with pytest.raises(TrainingError, match=r"missing\.yaml"):
        run_search(tmp_path / "a", TrainingImages(protocol=tmp_path / "missing.yaml"))
    with pytest.raises(
        MetricError, match=r"pictures\.protocol: of use with the objective trained_accuracy only"
    ):
        run_search(tmp_path / "a", objectives=["macs"])
    assert not (tmp_path / "a").exists()


def test_budgets_on_trained_accuracy_are_checked_after_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_fake_trainer(monkeypatch)
    free = run_search(tmp_path / "free").run
    bound = float(np.median([c.scores["trained_accuracy"] for c in free.complete()]))
    run = run_search(
        tmp_path / "a", objectives=["macs"], budgets=[f"trained_accuracy>={bound}"]
    ).run
    for candidate in run.candidates.values():
        assert (candidate.status == "complete") == (candidate.scores["trained_accuracy"] >= bound)
    assert {c.status for c in run.candidates.values()} == {"complete", "infeasible"}


def test_a_failed_training_leaves_no_checkpoint(tmp_path: Path) -> None:
    training = CandidateTraining.of(
        "digits", protocol=dataclasses.replace(PROTOCOL, learning_rate=1e4, clip_norm=0.0)
    )
    architecture = little_space().decode(little_space().sample(1, 0)[0])
    with pytest.raises(TrainingError, match="diverged"):
        train_candidate(training, architecture, 0, tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
    assert CandidateTraining.from_dict(training.to_dict()) == training
    assert CandidateTraining.of("digits").protocol == dataclasses.replace(
        ShortRecipe(), train_images=1438, validation_images=359, batch_size=16, epochs=12
    )
