"""Rungs: trainings that pause, and equal results whatever interrupts a run."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mvt_nas.errors import TrainingError
from mvt_nas.nas.api import SearchResult, search
from mvt_nas.nas.multi_fidelity import successive_halving as climbing
from mvt_nas.nas.request import TrainingImages
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.runs.store import read
from mvt_nas.training import short_loop
from mvt_nas.training.short_training import train_short
from tests.nas.test_candidate_training import little_space
from tests.support import cli
from tests.support.fake_trainer import install_fake_trainer
from tests.support.searches import facts
from tests.support.short_training_processes import QUICK, SMALL, digits

PROTOCOL = dataclasses.replace(QUICK, epochs=6, batch_size=16)
PICTURES = TrainingImages(protocol=PROTOCOL, rungs=(1, 3), keep=0.5)


def run_search(out: Path, pictures: TrainingImages = PICTURES, **settings: Any) -> SearchResult:
    settings = {
        "objectives": ("trained_accuracy:max", "params:min"),
        "trials": 12,
        "batch": 4,
        "num_classes": 10,
        **settings,
    }
    return search(little_space(), **settings, pictures=pictures, out=out)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A search whose candidates are trained."""
    return run_search(tmp_path_factory.mktemp("trained") / "run").run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same search with the fake trainer."""
    with pytest.MonkeyPatch.context() as patch:
        install_fake_trainer(patch)
        return run_search(tmp_path_factory.mktemp("whole") / "run").run


@pytest.fixture
def fake_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    install_fake_trainer(monkeypatch)


def interrupt_epoch(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    """Let Ctrl-C end an epoch, counted over all trainings; return a list that grows by one each."""
    epochs: list[int] = []
    original = short_loop.train_one_epoch

    def stops(*arguments: Any) -> float:
        epochs.append(1)
        if len(epochs) == number:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(short_loop, "train_one_epoch", stops)
    return epochs


def test_a_training_that_pauses_and_goes_on_is_the_training_without_a_pause(tmp_path: Path) -> None:
    images, alone = digits(), train_short(SMALL, digits(), QUICK, seed=1)
    for until in (1, 2, 3):
        part = train_short(SMALL, images, QUICK, seed=1, checkpoint=tmp_path / "c.pt", until=until)
        assert part.curve == alone.curve[:until]
    assert (
        train_short(SMALL, images, QUICK, seed=1, checkpoint=tmp_path / "c.pt", until=2).curve
        == alone.curve[:2]
    )


@pytest.mark.slow
def test_few_are_trained_to_the_end_and_as_they_would_be_alone(trained: Run) -> None:
    epochs = Counter(c.scores["trained_epochs"] for c in trained.candidates.values())
    assert epochs == {1.0: 6, 3.0: 3, 6.0: 3}
    assert {c.status for c in trained.candidates.values() if c.scores["trained_epochs"] < 6} == {
        "stopped"
    }
    images = digits()
    by_epochs = sorted(trained.candidates.values(), key=lambda c: c.scores["trained_epochs"])
    for c in by_epochs[::2]:  # every other one: three, one or two, and one or two by epochs
        curve = train_short(
            trained.architecture(c.number), images, PROTOCOL, seed=0, device="cpu"
        ).curve
        assert (
            c.scores["trained_accuracy"]
            == 100 * curve[int(c.scores["trained_epochs"]) - 1].accuracy
        )
    assert {c.number for c in trained.front()} <= {
        c.number for c in trained.candidates.values() if c.scores["trained_epochs"] == 6
    }
    assert not (trained.folder / "training").exists()
    assert facts(Run.load(trained.folder)) == facts(trained)


@pytest.mark.slow
@pytest.mark.usefixtures("forked_workers")
def test_workers_change_nothing(trained: Run, tmp_path: Path) -> None:
    assert facts(run_search(tmp_path / "a", workers=2).run) == facts(trained)


@pytest.mark.usefixtures("fake_trainer")
@pytest.mark.parametrize("after", [3, 14, 17, 26, 33])
def test_an_interruption_changes_nothing_and_costs_an_epoch_at_most(
    after: int, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = interrupt_epoch(monkeypatch, after)
    assert run_search(tmp_path / "a").interrupted
    before = read(tmp_path / "a").results
    again = run_search(tmp_path / "a", resume=True)
    assert again.reason == "trials"
    assert facts(again.run) == facts(whole)
    assert before.items() <= read(tmp_path / "a").results.items()
    assert len(epochs) == 12 * 1 + 6 * 2 + 3 * 3 + 1
    assert facts(run_search(tmp_path / "a", resume=True).run) == facts(whole)
    assert len(epochs) == 12 * 1 + 6 * 2 + 3 * 3 + 1


@pytest.mark.slow
def test_an_interrupted_search_with_real_trainings_ends_the_same(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = interrupt_epoch(monkeypatch, 17)
    assert run_search(tmp_path / "a").interrupted
    assert facts(run_search(tmp_path / "a", resume=True).run) == facts(trained)
    assert len(epochs) == 12 * 1 + 6 * 2 + 3 * 3 + 1


@pytest.mark.usefixtures("fake_trainer")
def test_more_trials_climb_anew_with_what_is_there(whole: Run, tmp_path: Path) -> None:
    run_search(tmp_path / "a", trials=8)
    assert facts(run_search(tmp_path / "a", trials=12, resume=True).run) == facts(whole)


@pytest.mark.usefixtures("fake_trainer")
def test_time_that_is_over_ends_a_climb_between_batches(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter([0.0, math.inf])
    monkeypatch.setattr(climbing, "time", SimpleNamespace(monotonic=lambda: next(readings)))
    ended = run_search(tmp_path / "a", minutes=1e6)
    monkeypatch.setattr(climbing, "time", time)
    assert ended.reason == "minutes"
    assert Counter(c.scores["trained_epochs"] for c in ended.run.candidates.values()) == {
        1.0: 6,
        3.0: 6,
    }
    assert facts(run_search(tmp_path / "a", resume=True).run) == facts(whole)


@pytest.mark.usefixtures("fake_trainer")
def test_a_training_that_diverges_on_a_later_rung_is_a_failed_candidate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = short_loop.train_one_epoch

    def diverges(now: Any, *arguments: Any) -> float:
        if len(now.history) == 2 and int(now.network.key, 16) % 3 == 0:
            raise short_loop.DivergenceError("the loss is nan")
        return original(now, *arguments)

    monkeypatch.setattr(short_loop, "train_one_epoch", diverges)
    run = run_search(tmp_path / "a").run
    failed = [c for c in run.candidates.values() if c.status == "failed"]
    assert failed
    assert all(
        "diverged: the loss is nan in epoch 3" in (c.error or "")
        and "trained_accuracy" not in c.scores
        for c in failed
    )
    assert max(c.scores.get("trained_epochs", 0) for c in run.candidates.values()) == 6.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rungs": (3, 1)}, "rungs: 3, 1 is not allowed; rising numbers of epochs from 1 to 5"),
        (
            {"rungs": (1, 6)},
            r"rungs: 1, 6 is not allowed; rising numbers of epochs from 1 to 5 \(6 is the last\)",
        ),
        ({"rungs": (), "keep": 0.5}, "keep: 0.5 is of no use without rungs"),
        ({"rungs": (2,), "keep": 1.0}, "keep: 1.0 is not allowed; a share above 0 and below 1"),
    ],
)
def test_rungs_are_checked_before_there_is_a_folder(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=message):
        run_search(tmp_path / "a", dataclasses.replace(PICTURES, **changes))
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_the_command_says_how_far_each_candidate_came(tmp_path: Path) -> None:
    protocol = (
        "{pixels: 16, train_images: 256, validation_images: 100, epochs: 3, batch_size: 16,"
        " crop_padding: 1}"
    )
    (tmp_path / "protocol.yaml").write_text(protocol)
    arguments = [
        "search",
        "small_images",
        "--objective",
        "trained_accuracy",
        "--objective",
        "params",
        "--trials",
        "4",
        "--rung",
        "1",
    ]
    arguments += [
        "--keep",
        "0.5",
        "--protocol",
        str(tmp_path / "protocol.yaml"),
        "--out",
        str(tmp_path / "a"),
        "--batch",
        "4",
    ]
    code, out, err = cli.run(
        *arguments, "--no-measure-front", "--fix", "depth=1", "--fix", "block=conv"
    )
    assert code == 0, err
    assert len(re.findall(r"\d % \([\d.]+ to [\d.]+\) after 3 epochs\n", err)) == 2
    assert "trained_epochs" in (tmp_path / "a" / "candidates.csv").read_text().splitlines()[0]
    assert "2 stopped" in out


@pytest.mark.usefixtures("fake_trainer")
def test_more_trials_after_a_climb_are_told_as_they_come(whole: Run, tmp_path: Path) -> None:
    run_search(tmp_path / "a", trials=8)
    heard: list[tuple[int, bool, bool]] = []

    def listen(run: Run, candidate: Candidate) -> None:
        heard.append((len(run.candidates), candidate.number in run.candidates, run.promotion_begun))

    again = run_search(tmp_path / "a", trials=12, resume=True, listener=listen)
    assert facts(again.run) == facts(whole)
    assert heard[:4] == [(count, True, False) for count in (9, 10, 11, 12)]
    assert heard[4][2]


@pytest.mark.usefixtures("fake_trainer")
def test_what_an_interruption_left_of_a_batch_does_not_climb(tmp_path: Path) -> None:
    expected = run_search(tmp_path / "whole", trials=4).run
    run_search(tmp_path / "a", trials=12)
    lines = (tmp_path / "a" / "candidates.jsonl").read_bytes().splitlines(keepends=True)
    records = [json.loads(line.partition(b" ")[2]) for line in lines]
    kept = [
        line
        for line, record in zip(lines, records, strict=True)
        if record.get("candidate", {}).get("number") in (0, 1, 2, 3, 4, 6)
    ]
    batch = next(
        line
        for line, record in zip(lines, records, strict=True)
        if record.get("batch", {}).get("number") == 0
    )
    (tmp_path / "a" / "candidates.jsonl").write_bytes(b"".join([*kept[:4], batch, *kept[4:]]))
    config = (tmp_path / "a" / "run.yaml").read_text()
    (tmp_path / "a" / "run.yaml").write_text(config.replace("trials: 12", "trials: 4"))
    found = run_search(tmp_path / "a", trials=4, resume=True).run
    assert facts(found)["candidates"] == facts(expected)["candidates"]


@pytest.mark.usefixtures("fake_trainer")
def test_budgets_on_accuracy_are_for_the_end_and_others_for_the_beginning(
    whole: Run, tmp_path: Path
) -> None:
    bound = float(np.median([c.scores["trained_accuracy"] for c in whole.complete()]))
    run = run_search(tmp_path / "a", budgets=[f"trained_accuracy>={bound}"]).run
    assert [c.key for c in run.candidates.values()] == [
        c.key for c in whole.candidates.values()
    ]  # proposed as without
    assert {c.status for c in run.candidates.values()} == {"stopped", "complete", "infeasible"}
    none = run_search(tmp_path / "b", budgets=["channel_entropy>=1e9"]).run
    assert {(c.status, c.scores.get("trained_epochs")) for c in none.candidates.values()} == {
        ("infeasible", None)
    }


@pytest.mark.usefixtures("fake_trainer")
def test_trouble_with_checkpoints_fails_no_candidate(whole: Run, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "training").write_text("in the way")
    assert facts(run_search(tmp_path / "a").run) == facts(whole)
    (tmp_path / "b" / "training").mkdir(parents=True)
    for c in whole.candidates.values():
        (tmp_path / "b" / "training" / f"{c.key}.pt").write_text("damaged")
    assert facts(run_search(tmp_path / "b").run) == facts(whole)
