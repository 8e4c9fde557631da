"""Short trainings: they learn, are reproducible bit for bit, resume, and report failures."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from mvt_nas.errors import DataError, TrainingError
from mvt_nas.models.network import build_model
from mvt_nas.training.accelerator import SingleDevice
from mvt_nas.training.memory_loader import ImageTensors, image_tensors
from mvt_nas.training.short_loop import ShortEpochRecord, ShortTraining, new_short_training_state
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.short_training import ShortTrainingResult, train_short
from tests.support.short_training_processes import SMALL, digits, quick


def run(protocol: ShortRecipe | None = None, seed: int = 0, **choices: Any) -> ShortTrainingResult:
    return train_short(SMALL, digits(), protocol or quick(), seed=seed, device="cpu", **choices)


def facts(trained: ShortTrainingResult) -> tuple[Any, ...]:
    return (
        trained.status,
        trained.curve,
        trained.architecture,
        trained.split,
        trained.images,
        trained.seed,
    )


@pytest.mark.slow
def test_a_small_network_learns_digits() -> None:
    found = run(quick(train_images=1200, validation_images=500, epochs=8))
    assert found.status == "complete"
    assert found.accuracy > 0.9
    assert found.ema_accuracy > 0.9
    assert len(found.curve) == 8
    assert found.curve[-1].train_loss < found.curve[0].train_loss
    assert found.images_per_s > 0 < found.seconds
    assert found.hardware["threads"] == 1
    assert found.to_dict()["accuracy"] == found.accuracy


def test_equal_arguments_give_equal_bits_and_others_do_not() -> None:
    before = torch.get_rng_state()
    first = run()
    torch.rand(3)
    assert facts(run()) == facts(first)
    assert run(seed=1).curve != first.curve
    torch.set_rng_state(before)
    run()
    assert torch.equal(torch.get_rng_state(), before)


def test_seeds_do_not_change_the_split() -> None:
    assert run(quick(epochs=1), seed=1).split == run(quick(epochs=1), seed=2).split
    assert run(quick(epochs=1, split_seed=1)).split != run(quick(epochs=1)).split


@pytest.mark.parametrize("stop", [1, 2])
def test_an_interrupted_training_goes_on_as_if_nothing_had_been(tmp_path: Path, stop: int) -> None:
    path = tmp_path / "deep" / "t.pt"

    def interrupt(number: int, epoch: ShortEpochRecord) -> None:
        if number == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=path, listener=interrupt)
    told: list[int] = []
    found = run(checkpoint=path, listener=lambda number, epoch: told.append(number))
    assert told == list(range(stop + 1, 4))
    whole = run(checkpoint=tmp_path / "whole.pt")
    assert facts(found) == facts(whole)
    kept, other = (torch.load(place, weights_only=True) for place in (path, tmp_path / "whole.pt"))
    for part in ("network", "average"):
        assert all(torch.equal(tensor, other[part][name]) for name, tensor in kept[part].items())
    assert facts(run(checkpoint=path, listener=lambda number, epoch: told.append(number))) == facts(
        whole
    )
    assert told == list(range(stop + 1, 4))
    assert sorted(os.listdir(path.parent)) == ["t.pt"]


def test_a_failed_write_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.pt"
    run(quick(epochs=1), checkpoint=path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    path.rename(tmp_path / "kept.pt")
    with pytest.raises(
        TrainingError, match=r"t.pt: cannot be written \(No space left on device\)$"
    ):
        run(quick(epochs=1), checkpoint=path)
    assert sorted(os.listdir(tmp_path)) == ["kept.pt"]
    assert (tmp_path / "kept.pt").read_bytes() == before


def test_checkpoints_of_other_trainings_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.pt"
    run(quick(epochs=1), checkpoint=path)
    with pytest.raises(
        TrainingError, match=r"t.pt: checkpoint of another training \(seed = 0, not 1\); choose "
    ):
        run(quick(epochs=1), seed=1, checkpoint=path)
    with pytest.raises(
        TrainingError,
        match=r"t.pt: checkpoint of another training \(protocol = '\w+', not '\w+'\); ",
    ):
        run(quick(epochs=2), checkpoint=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(
        TrainingError,
        match=r"t.pt: truncated, or no file of torch.save \(\w+\); delete it to start again$",
    ):
        run(quick(epochs=1), checkpoint=path)
    torch.save({"weights": 1}, path)
    with pytest.raises(
        TrainingError,
        match=r"t.pt: not a checkpoint of a training; delete it or choose another path$",
    ):
        run(quick(epochs=1), checkpoint=path)


def test_divergence_is_told_and_kept(tmp_path: Path) -> None:
    told: list[int] = []
    path = tmp_path / "t.pt"
    for _ in range(2):
        found = run(
            quick(learning_rate=1e4, warmup_share=0),
            checkpoint=path,
            listener=lambda number, epoch: told.append(number),
        )
        assert found.status.startswith("diverged: loss ")
        assert found.status.endswith(" in epoch 1")
        assert math.isnan(found.accuracy)
        assert math.isnan(found.tse_ema)
    assert found.curve == ()
    assert told == []


def test_a_loss_far_above_guessing_is_divergence() -> None:
    found = run(quick(learning_rate=0.5, warmup_share=0, weight_decay=0))
    assert re.fullmatch(r"diverged: loss [\d.e+]+, guessing has 2.3 in epoch 1", found.status)


def test_each_epoch_has_its_own_order_and_augmentation(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    batch = ImageTensors.batch

    def watched(
        self: ImageTensors,
        rows: torch.Tensor,
        flips: torch.Tensor | None = None,
        shifts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if flips is not None and shifts is not None:
            seen.append(torch.cat([rows[:, None], flips[:, None], shifts], 1))
        return batch(self, rows, flips, shifts)

    monkeypatch.setattr(ImageTensors, "batch", watched)
    run(quick(batch_size=256, epochs=2, flip=True))
    first, second = seen
    assert sorted(first[:, 0].tolist()) == sorted(second[:, 0].tolist()) == list(range(256))
    for column in range(4):
        assert not torch.equal(first[:, column], second[:, column])
    assert 0.35 < first[:, 1].float().mean() < 0.65
    assert set(first[:, 2].tolist()) == {-1, 0, 1}


def test_the_first_step_is_that_of_torch_written_out() -> None:
    """One epoch of one batch, without augmentation, against a plain loop."""
    protocol = quick(
        train_images=64,
        batch_size=64,
        epochs=1,
        warmup_share=0,
        crop_padding=0,
        label_smoothing=0.2,
        weight_decay=0.3,
    )
    images = digits()
    split = images.split(train=64, validation=100, seed=0)
    cpu = torch.device("cpu")
    state = new_short_training_state(SMALL, protocol, 10, 5, cpu)
    tensors = image_tensors(images, split.train, split.validation, cpu)
    training = ShortTraining(
        state,
        protocol,
        *tensors,
        accelerator=SingleDevice(cpu, "fp32"),
        num_classes=10,
        seed=9,
    )
    found = training.train_one_epoch()

    network = build_model(SMALL, num_classes=10, seed=5)
    pixels = torch.from_numpy(images.images[split.train]).double()
    x = (
        ((pixels - pixels.mean((0, 1, 2))) / pixels.std((0, 1, 2), correction=0))
        .permute(0, 3, 1, 2)
        .float()
    )
    y = torch.from_numpy(images.labels[split.train])
    logits = network.train()(x)
    smooth = functional.one_hot(y, 10) * 0.8 + 0.02
    loss = -(smooth * functional.log_softmax(logits, 1)).sum(1).mean()
    assert found == pytest.approx(loss.item(), rel=1e-5)
    assert found == pytest.approx(
        torch.nn.CrossEntropyLoss(label_smoothing=0.2)(logits, y).item(), rel=1e-5
    )
    loss.backward()  # type: ignore[no-untyped-call]  # torch's
    for mine, theirs in zip(state.network.parameters(), network.parameters(), strict=True):
        decay = protocol.weight_decay if theirs.ndim > 1 else 0.0
        gradient = theirs.grad
        assert gradient is not None
        stepped = theirs.detach() * (
            1 - protocol.learning_rate * decay
        ) - protocol.learning_rate * gradient / (gradient.abs() + 1e-8)
        firm = gradient.abs() > 1e-4  # where rounding does not decide the sign of the first step
        assert torch.allclose(mine.detach()[firm], stepped[firm], atol=1e-4)


def test_bfloat16_learns_too() -> None:
    found = run(quick(train_images=1000, epochs=4, dtype="bf16"))
    assert (found.status, found.dtype) == ("complete", "bf16")
    assert found.accuracy > 0.6


def test_without_the_rule_for_small_pictures_strides_stay() -> None:
    strided = dataclasses.replace(
        SMALL, stages=tuple(dataclasses.replace(stage, stride=2) for stage in SMALL.stages)
    )
    choices = {"images": digits(), "seed": 0, "device": "cpu"}
    kept = train_short(strided, protocol=quick(epochs=1, small_images=False), **choices)  # type: ignore[arg-type]
    changed = train_short(strided, protocol=quick(epochs=1), **choices)  # type: ignore[arg-type]
    assert [stage.stride for stage in kept.architecture.stages] == [2, 2]
    assert [stage.stride for stage in changed.architecture.stages] == [1, 2]
    assert kept.architecture.resolution_px == changed.architecture.resolution_px == 16


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"protocol": quick(pixels=32)}, r"^digits: images of 16 px, the protocol is for 32 px$"),
        ({"seed": -1}, r"^seed = -1 is not allowed; an integer from 0 to 2147483647$"),
        ({"threads": 0}, r"^threads = 0 is not allowed; an integer from 1 to 1024$"),
        (
            {"device": "quantum"},
            r"^device = 'quantum' cannot be used; auto, cpu or cuda is allowed \(",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(choices: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"protocol": quick(), "seed": 0, "device": "cpu"} | choices
    with pytest.raises(TrainingError, match=message):
        train_short(SMALL, digits(), **given)


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(
        DataError,
        match=r"^digits: 1797 images do not suffice .*; these values fit: train_images = 1697,",
    ):
        run(quick(train_images=1700))


def test_pictures_that_are_mapped_and_read_only_can_be_learnt_from(tmp_path: Path) -> None:
    images = digits()
    np.save(tmp_path / "i.npy", images.images)
    mapped = dataclasses.replace(images, images=np.load(tmp_path / "i.npy", mmap_mode="r"))
    assert (
        train_short(SMALL, mapped, quick(epochs=1), seed=0, device="cpu").curve
        == run(quick(epochs=1)).curve
    )
