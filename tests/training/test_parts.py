"""Schedule, random numbers, split, figures, datasets and devices: what a training is made of."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, top_k_accuracy_score
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from mvt_nas.data.source import find_source
from mvt_nas.errors import DataError, TrainingError
from mvt_nas.training.accelerator import AcceleratorConfig, fabric_for, workers_for
from mvt_nas.training.batch_sampler import ImageRequest
from mvt_nas.training.dataset import (
    UNREADABLE,
    ImageBatch,
    TrainDataset,
    ValidationDataset,
    collate,
)
from mvt_nas.training.evaluation import evaluate
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.rng import RngPurpose, generator
from mvt_nas.training.schedule import learning_rate_at_epoch
from mvt_nas.training.split import split_dataset
from mvt_nas.training.tasks.classification import ClassificationAccumulator
from tests.support.images import folder
from tests.support.training_processes import ALL_RANDOM

CPU = AcceleratorConfig(device="cpu", threads=1)


def test_the_learning_rate_rises_in_a_line_and_falls_along_torchs_cosine() -> None:
    values = {
        "epochs": 30,
        "warmup_epochs": 10,
        "first_learning_rate": 0.1,
        "largest_learning_rate": 1.1,
        "last_learning_rate": 0.3,
    }
    how = (
        Recipe()
        .changed({f"optimisation.{name}": value for name, value in values.items()})
        .optimisation
    )
    assert [learning_rate_at_epoch(epoch, how) for epoch in (0, 2.5, 5, 10)] == pytest.approx(
        [0.1, 0.35, 0.6, 1.1]
    )
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.1)
    theirs = CosineAnnealingLR(optimiser, 20, eta_min=0.3)
    for epoch in range(10, 31):
        assert learning_rate_at_epoch(epoch, how) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        theirs.step()
    assert learning_rate_at_epoch(31, how) == pytest.approx(0.3)


def test_random_numbers_differ_by_purpose_and_place() -> None:
    places = [
        (RngPurpose.ORDER, 0, 1),
        (RngPurpose.SIZES, 0, 1),
        (RngPurpose.ORDER, 1, 0),
        (RngPurpose.IMAGE, 0, 1, 0),
        (RngPurpose.IMAGE, 0, 0, 1),
    ]
    assert len({float(generator(*place).random()) for place in places}) == len(places)
    assert generator(*places[0]).random() == generator(*places[0]).random()


def test_a_split_gives_every_class_its_share() -> None:
    catalogue = find_source("digits").catalogue("digits")
    found = split_dataset(catalogue, 0.2, 0)
    assert (len(found.train), len(found.validation)) == (1438, 359)
    assert sorted([*found.train, *found.validation]) == list(range(1797))
    whole, share = np.bincount(catalogue.labels), np.bincount(catalogue.labels[found.validation])
    assert (np.abs(share - 0.2 * whole) < 1).all()
    assert split_dataset(catalogue, 0.2, 0).hash == found.hash
    assert (
        split_dataset(catalogue, 0.2, 1).hash != found.hash != split_dataset(catalogue, 0.3, 0).hash
    )


def test_a_source_with_validation_pictures_keeps_them(tmp_path: Path) -> None:
    folder(tmp_path / "train", {"a": 3, "b": 4})
    folder(tmp_path / "val", {"a": 2, "b": 1})
    catalogue = find_source(str(tmp_path)).catalogue(str(tmp_path))
    found = split_dataset(catalogue, 0.2, 0)
    assert (len(found.train), len(found.validation)) == (7, 3)
    assert all("/val/" in catalogue.name(int(row)) for row in found.validation)


def test_sources_that_cannot_be_split_are_refused(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", {"a": 3})
    with pytest.raises(DataError, match=r"one: the only class is a; two or more are needed$"):
        split_dataset(find_source(str(one)).catalogue(str(one)), 0.2, 0)
    judged = folder(tmp_path / "judged" / "val", {"a": 3, "b": 3})
    folder(tmp_path / "judged" / "test", {"a": 1, "b": 1})
    catalogue = find_source(str(judged.parent)).catalogue(str(judged.parent))
    with pytest.raises(
        DataError, match=r"judged: only images for validation; others for training are needed$"
    ):
        split_dataset(catalogue, 0.2, 0)


class Fixed(nn.Module):
    """Returns the logits that were given, batch by batch."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits, self.place = logits, 0

    def forward(self, images: Tensor) -> Tensor:
        self.place += len(images)
        return self.logits[self.place - len(images) : self.place]


def test_figures_are_those_of_scikit_learn() -> None:
    random = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(50, 8, generator=random), torch.randint(8, (50,), generator=random)
    unreadable = torch.cat([labels[:20], torch.tensor([UNREADABLE]), labels[20:]])
    given = Fixed(torch.cat([logits[:20], torch.full((1, 8), 9.0), logits[20:]]))
    batches = [
        ImageBatch(torch.zeros(len(part), 3, 4, 4, dtype=torch.uint8), part, ())
        for part in unreadable.split(17)
    ]
    (found,), _ = evaluate(
        [given.train()],
        batches,
        [ClassificationAccumulator(8, torch.device("cpu"))],
        fabric_for(CPU),
    )
    truth, shares = labels.numpy(), logits.softmax(1).numpy()
    assert found.top1 == pytest.approx(accuracy_score(truth, shares.argmax(1)))
    assert found.top5 == pytest.approx(top_k_accuracy_score(truth, shares, k=5))
    assert found.loss == pytest.approx(log_loss(truth, shares), rel=1e-5)
    assert found.confusion.tolist() == confusion_matrix(truth, shares.argmax(1)).tolist()
    assert given.training


def test_nothing_to_judge_by_is_an_error() -> None:
    batch = ImageBatch(
        torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.tensor([UNREADABLE]), ("x",)
    )
    with pytest.raises(DataError, match=r"^none of the validation images can be read$"):
        evaluate(
            [Fixed(torch.zeros(1, 2))],
            [batch],
            [ClassificationAccumulator(2, torch.device("cpu"))],
            fabric_for(CPU),
        )


def test_pictures_do_not_depend_on_who_reads_them_and_travel_to_other_processes() -> None:
    catalogue = find_source("digits").catalogue("digits")
    learnt = TrainDataset(
        "digits", catalogue, np.arange(100), ALL_RANDOM.images, ALL_RANDOM.augmentation, 3
    )
    wanted = [
        ImageRequest(7, 24, 1, 5),
        ImageRequest(7, 24, 1, 6),
        ImageRequest(7, 24, 2, 5),
        ImageRequest(7, 16, 1, 5),
    ]
    one, *others = (learnt[ask][0] for ask in wanted)
    assert one.shape == (24, 24, 3)
    assert not any(np.array_equal(one, other) for other in others)
    elsewhere = pickle.loads(pickle.dumps(learnt))
    assert len(pickle.dumps(learnt)) < 5000
    assert np.array_equal(elsewhere[wanted[0]][0], one)
    batch = collate([learnt[wanted[0]], learnt[wanted[1]]])
    assert batch.images.shape == (2, 3, 24, 24)
    assert batch.labels.tolist() == [catalogue.labels[7]] * 2


def test_channels_come_in_the_order_asked_for() -> None:
    catalogue = find_source("digits").catalogue("digits")
    pixels = np.dstack([np.full((8, 8), value, np.uint8) for value in (10, 20, 30)])
    object.__setattr__(catalogue, "image", lambda row: pixels)
    for order, expected in (("rgb", [10, 20, 30]), ("bgr", [30, 20, 10])):
        images = Recipe().changed({"images.channel_order": order, "images.px": 16}).images
        assert ValidationDataset("digits", catalogue, images)[0][0][0, 0].tolist() == expected


def test_pictures_that_cannot_be_read_are_replaced_and_named(tmp_path: Path) -> None:
    folder(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "a" / "1.png").write_bytes(b"none")
    catalogue = find_source(str(tmp_path)).catalogue(str(tmp_path))
    learnt = TrainDataset(
        str(tmp_path), catalogue, np.array([0, 1, 3]), ALL_RANDOM.images, ALL_RANDOM.augmentation, 0
    )
    pixels, label, names = learnt[ImageRequest(1, 16, 0, 0)]
    assert (pixels.any(), label) == (True, 1)  # row 3, the next that is learnt from, is of class b
    assert len(names) == 1
    assert names[0].startswith(f"{tmp_path}/a/1.png (cannot identify image file")
    pixels, label, again = ValidationDataset(str(tmp_path), catalogue, ALL_RANDOM.images)[1]
    assert (pixels.any(), label, again) == (False, UNREADABLE, names)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"device": "gpu"}, r"^device = 'gpu' is not allowed; one of auto, cpu, cuda"),
        (
            {"precision": "bf32"},
            (
                r"^precision = 'bf32' is not allowed; one of auto, fp32, bf16, fp16; did you mean"
                r" 'fp32'\?$"
            ),
        ),
        ({"workers": -1}, r"^workers = -1 is not allowed; an integer from 0 to 256$"),
        (
            {"checkpoint_steps": 0},
            r"^checkpoint_steps = 0 is not allowed; an integer from 1 to 1000000000$",
        ),
    ],
)
def test_machines_that_cannot_be_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        AcceleratorConfig(**choices)


def test_devices_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        TrainingError,
        match=r"^device = 'cuda' cannot be used: torch finds no GPU; auto or cpu is allowed$",
    ):
        fabric_for(AcceleratorConfig(device="cuda"))
    assert str(fabric_for(AcceleratorConfig()).strategy.precision.precision) == "32-true"
    monkeypatch.setattr("mvt_nas.training.accelerator.installed", lambda name: False)
    with pytest.raises(
        TrainingError, match=r"^lightning-fabric is not installed; pip install 'mvt-nas\[train\]'$"
    ):
        fabric_for(AcceleratorConfig())


def test_workers_are_as_many_as_cores_but_none_for_what_is_at_hand() -> None:
    assert workers_for(AcceleratorConfig(workers=3), 1, in_memory=True) == 3
    assert workers_for(AcceleratorConfig(), 1, in_memory=True) == 0
    assert 1 <= workers_for(AcceleratorConfig(), 1, in_memory=False) <= 8
    assert math.isclose(workers_for(AcceleratorConfig(workers=0), 2, in_memory=False), 0)
