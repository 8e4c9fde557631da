"""Full trainings: they learn, are reproducible bit for bit, and resume."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from mvt_nas.data.source import find_source
from mvt_nas.errors import CheckpointError, TrainingError
from mvt_nas.export.model import export_model
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.training.batch_sampler import MultiScaleBatchSampler
from mvt_nas.training.callbacks import Callbacks
from mvt_nas.training.config import TrainingConfig
from mvt_nas.training.dataset import TrainDataset
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.history import EpochRecord
from mvt_nas.training.initial_weights import Initialization
from mvt_nas.training.result import TrainingResult
from mvt_nas.training.schedule import learning_rate_at_epoch
from mvt_nas.training.split import split_dataset
from mvt_nas.training.state import TrainingState
from tests.support.short_training_processes import SMALL
from tests.support.training_processes import (
    ALL_RANDOM,
    LEARNT,
    MACHINE,
    PICTURES,
    Broken,
    breaking,
    data,
    left,
    pictures,
    plain,
    run,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, dict[str, Any]]:
    place = tmp_path_factory.mktemp("whole")
    fitted = run(place)
    return fitted, left(place)


def test_what_a_training_leaves_belongs_together(
    whole: tuple[TrainingResult, dict[str, Any]],
) -> None:
    fitted, _ = whole
    files = fitted.folder
    assert [row.epoch for row in fitted.history] == [1, 2, 3]
    assert fitted.history[1].train_loss < fitted.history[0].train_loss
    assert fitted.best in fitted.history
    config = TrainingConfig.load(files.config)
    assert config.training is not None
    assert (config.recipe, config.training.class_names, config.training.data) == (
        ALL_RANDOM,
        tuple("0123456789"),
        data(),
    )
    architecture = Architecture.from_dict(json.loads(files.network.read_text()))
    assert architecture.key == config.architecture.key == fitted.job.architecture.key
    network = export_model("x", architecture, num_classes=10, weights=files.weights).module
    assert judged_alike(network, fitted)
    assert files.confusion.stat().st_size > 1000
    assert int(fitted.evaluation.confusion.sum()) == PICTURES - LEARNT
    assert fitted.evaluation.top1 == pytest.approx(
        float(fitted.evaluation.confusion.trace()) / (PICTURES - LEARNT)
    )
    assert fitted.evaluation.top1 == max(row.best for row in fitted.history)
    assert fitted.averaged is (fitted.best.average.main > fitted.best.plain.main)
    best, weights = (torch.load(path, weights_only=True) for path in (files.best, files.weights))
    assert all(
        torch.equal(value, best["average" if fitted.averaged else "network"][name])
        for name, value in weights.items()
    )


def judged_alike(network: torch.nn.Module, fitted: TrainingResult) -> bool:
    """Return True if the reported top-1 holds on digits resized by torch instead of Pillow."""
    catalogue = find_source(data()).catalogue(data())
    judged = split_dataset(catalogue, 0.2, 0).validation
    digits = (
        torch.from_numpy(np.stack([catalogue.image(int(row)) for row in judged]))
        .float()
        .permute(0, 3, 1, 2)
    )
    images = functional.interpolate(digits, size=(16, 16), mode="bilinear").round() / 255
    with torch.inference_mode():
        right = (network(images).argmax(1).numpy() == catalogue.labels[judged]).mean()
    return abs(float(right) - fitted.evaluation.top1) < 0.03


def test_equal_jobs_leave_equal_bits_whoever_reads_the_pictures(
    whole: tuple[TrainingResult, dict[str, Any]], tmp_path: Path
) -> None:
    before = torch.get_rng_state()
    torch.rand(3)
    during = torch.get_rng_state()
    run(tmp_path, accelerator=dataclasses.replace(MACHINE, workers=2))
    assert torch.equal(torch.get_rng_state(), during)
    assert not torch.equal(before, during)
    assert left(tmp_path) == whole[1]


@pytest.mark.parametrize("after", [1, 4, 17])
def test_a_training_that_was_broken_off_goes_on_as_if_it_had_not(
    whole: tuple[TrainingResult, dict[str, Any]], tmp_path: Path, after: int
) -> None:
    with pytest.raises(Broken):
        run(tmp_path, callbacks=breaking(after))
    told: list[str] = []
    run(tmp_path, callbacks=Callbacks(on_start=told.append))
    assert left(tmp_path) == whole[1]
    assert told[0].startswith("resumes in epoch ")


def test_seeds_make_a_difference(
    whole: tuple[TrainingResult, dict[str, Any]], tmp_path: Path
) -> None:
    run(tmp_path, seed=1)
    assert left(tmp_path) != whole[1]


def test_one_epoch_is_that_of_torch_written_out(tmp_path: Path) -> None:
    """Steps, batches, rates, smoothing, clipping, decay and EMA match a plain loop."""
    recipe = plain(
        **{
            "optimisation.epochs": 1,
            "regularisation.label_smoothing": 0.2,
            "batches.images_per_device": 32,
        }
    )
    recipe = recipe.changed({"optimisation.clip_norm": 0.3})  # less than some of the gradients have
    run(tmp_path, recipe)
    kept = torch.load(TrainingFolder(tmp_path).last, weights_only=True)
    network, average, loss = by_hand(recipe)
    assert kept["rows"][0][:2] == (1, LEARNT // 64)
    assert kept["rows"][0][3] == pytest.approx(loss, rel=1e-4)
    for part, theirs in (("network", network), ("average", average)):
        close = [
            torch.isclose(kept[part][name].double(), value.double(), atol=2e-4).flatten()
            for name, value in theirs.items()
        ]
        assert (
            torch.cat(close).double().mean() > 0.99
        )  # Adam's steps do not shrink with gradients whose sign rounding decides


def by_hand(recipe: Any) -> tuple[dict[str, Any], dict[str, Any], float]:
    catalogue, how = find_source(data()).catalogue(data()), recipe.optimisation
    split = split_dataset(catalogue, 0.2, 0)
    network = (
        build_model(SMALL, num_classes=10, seed=0).train().to(memory_format=torch.channels_last)
    )  # type: ignore[call-overload]
    average = {name: value.clone() for name, value in network.state_dict().items()}
    matrices, vectors = (
        [p for p in network.parameters() if (p.ndim > 1) == many] for many in (True, False)
    )
    optimiser = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": how.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
    )
    pictures = TrainDataset(data(), catalogue, split.train, recipe.images, recipe.augmentation, 0)
    sampler, seen, losses = MultiScaleBatchSampler(recipe.batches, 16, split.train, seed=0), 0, []
    halves = list(sampler)
    for step, (first, second) in enumerate(zip(halves[::2], halves[1::2], strict=True)):
        optimiser.zero_grad()
        for half in (first, second):
            images = (
                torch.stack([torch.from_numpy(pictures[wanted][0]) for wanted in half]).permute(
                    0, 3, 1, 2
                )
                / 255
            )
            labels = torch.tensor([catalogue.labels[wanted.row] for wanted in half])
            shares = functional.one_hot(labels, 10) * 0.8 + 0.02
            losses.append(-(shares * network(images).log_softmax(1)).sum(1).mean())
            (losses[-1] / 2).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), how.clip_norm)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at_epoch(min(1.0, seen / len(split.train)), how)
        optimiser.step()
        seen += 64
        keep = min(0.95, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            average[name] = (
                keep * average[name] + (1 - keep) * value
                if value.is_floating_point()
                else value.clone()
            )
    return network.state_dict(), average, float(torch.stack(losses).detach().mean())


def test_every_step_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int, int]] = []
    rows: list[EpochRecord] = []

    def step(now: TrainingState, steps: int, loss: float, rate: float) -> None:
        told.append((now.epoch, now.step, steps))
        assert loss > 0 < rate

    run(tmp_path, plain(), callbacks=Callbacks(on_step=step, on_epoch_end=rows.append))
    assert told == [(epoch, step, 5) for epoch in range(3) for step in range(1, 6)]
    assert [row.steps for row in rows] == [5, 5, 5]


def test_a_training_begins_with_the_weights_that_it_is_given(tmp_path: Path) -> None:
    torch.save(build_model(SMALL, num_classes=10, seed=7).state_dict(), tmp_path / "w.pt")
    told: list[str] = []
    with pytest.raises(Broken):
        run(
            tmp_path / "t",
            callbacks=dataclasses.replace(breaking(1), on_start=told.append),
            start=Initialization(tmp_path / "w.pt"),
        )
    assert told == [f"{tmp_path}/w.pt, in the names of mvt-nas"]
    (tmp_path / "w.pt").unlink()
    run(tmp_path / "t", start=Initialization(tmp_path / "w.pt"))
    with pytest.raises(CheckpointError, match=r"w.pt: no such file$"):
        run(tmp_path / "other", start=Initialization(tmp_path / "w.pt"))


def test_pictures_in_folders_are_read_by_other_processes(tmp_path: Path) -> None:
    recipe = plain(
        **{
            "batches.images": 32,
            "batches.images_per_device": 32,
            "optimisation.epochs": 1,
            "optimisation.warmup_epochs": 0,
        }
    )
    place = str(pictures(tmp_path / "p", 0))
    run(tmp_path / "here", recipe, data=place)
    run(tmp_path / "there", recipe, data=place, accelerator=dataclasses.replace(MACHINE, workers=1))
    assert left(tmp_path / "here") == left(tmp_path / "there")


def test_bfloat16_learns_too(tmp_path: Path) -> None:
    fitted = run(
        tmp_path / "bf16", plain(), accelerator=dataclasses.replace(MACHINE, precision="bf16")
    )
    exact = run(tmp_path / "fp32", plain())
    losses, others = ([row.train_loss for row in one.history] for one in (fitted, exact))
    assert losses == pytest.approx(others, rel=0.05)
    assert losses != others
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow
def test_curves_are_written_for_tensorboard_and_go_on(tmp_path: Path) -> None:
    accelerator = dataclasses.replace(MACHINE, tensorboard=True)
    with pytest.raises(Broken):
        run(tmp_path, callbacks=breaking(12), accelerator=accelerator)
    run(tmp_path, accelerator=accelerator)
    files = sorted((tmp_path / "tensorboard").glob("events*"))
    assert len(files) == 2
    assert all(b"ema_top1" in file.read_bytes() for file in files)


def test_without_tensorboard_there_are_no_curves_and_wanting_them_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mvt_nas.training.tensorboard import tensorboard_writer

    monkeypatch.setattr("mvt_nas.training.tensorboard.installed", lambda name: False)
    assert tensorboard_writer(TrainingFolder(tmp_path), None, 0) == []
    with pytest.raises(
        TrainingError,
        match=r"^neither tensorboard nor tensorboardX is installed; pip install tensorboard$",
    ):
        tensorboard_writer(TrainingFolder(tmp_path), True, 0)
