"""Full trainings that are refused or end with an error: other jobs, damage, unreadable images."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from mvt_nas.errors import DataError, TrainingError
from mvt_nas.models.network import build_model
from mvt_nas.training.folder import TrainingFolder
from mvt_nas.training.initial_weights import Initialization
from tests.support.short_training_processes import SMALL
from tests.support.training_processes import ALL_RANDOM, Broken, breaking, job, pictures, plain, run


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"recipe": ALL_RANDOM.lasting(4)}, r"recipe.optimisation.epochs = 3, not 4"),
        ({"seed": 1}, r"pictures = '\w+', not '\w+'"),
        (
            {"architecture": dataclasses.replace(SMALL, stem_width=8)},
            r"architecture = '\w+', not '\w+'",
        ),
        ({"start": Initialization(Path("/x"))}, r"start = 'initial weights', not 'weights /x'"),
    ],
)
def test_other_trainings_do_not_go_on_in_a_folder(
    tmp_path: Path, changes: dict[str, Any], name: str
) -> None:
    with pytest.raises(Broken):
        run(tmp_path, callbacks=breaking(1))
    with pytest.raises(
        TrainingError,
        match=rf"last.ckpt: checkpoint of another training \({name}\); choose another path$",
    ):
        run(tmp_path, **changes)


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Broken):
        run(tmp_path, callbacks=breaking(1))
    last = TrainingFolder(tmp_path).last
    content = torch.load(last, weights_only=True)
    for part, damage in (("network", {}), ("rows", [(1,)]), ("loss_sum", 3), ("step", None)):
        torch.save(
            {
                name: damage if name == part else value
                for name, value in content.items()
                if damage is not None or name != part
            },
            last,
        )
        with pytest.raises(
            TrainingError, match=r"last.ckpt: damaged \(.*\); delete it to start again$"
        ):
            run(tmp_path)
    last.write_bytes(last.read_bytes()[:100])
    with pytest.raises(
        TrainingError,
        match=r"last.ckpt: truncated, or no file of torch.save \(\w+\); delete it to start again$",
    ):
        run(tmp_path)


def test_a_loss_that_is_no_number_ends_the_training_and_is_not_kept(tmp_path: Path) -> None:
    recipe = plain(
        **{
            "optimisation.largest_learning_rate": 10.0,
            "optimisation.first_learning_rate": 10.0,
            "optimisation.clip_norm": 0,
        }
    )
    torch.save(
        {
            n: v * 1e30 if v.ndim > 1 else v
            for n, v in build_model(SMALL, num_classes=10, seed=7).state_dict().items()
        },
        tmp_path / "w",
    )
    with pytest.raises(
        TrainingError,
        match=(
            r"^loss (nan|inf) in epoch 1, by step \d+; a smaller optimisation.largest_learning_rate"
            r" or an "
        ),
    ):
        run(tmp_path / "t", recipe, start=Initialization(tmp_path / "w"))
    kept = torch.load(TrainingFolder(tmp_path / "t").last, weights_only=True)
    assert (kept["epoch"], kept["step"]) == (0, 0)


def test_more_pictures_a_step_than_there_are_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError,
        match=(
            r"^recipe.batches.images = 2000 is not allowed; at most 320, the training"
            r" images in "
        ),
    ):
        run(tmp_path, plain(**{"batches.images": 2000}))


def test_jobs_that_cannot_be_are_refused() -> None:
    with pytest.raises(
        TrainingError,
        match=r"^validation_share = 1.0 is not allowed; a number above 0 and below 1$",
    ):
        job(validation_share=1.0)
    with pytest.raises(
        TrainingError, match=r"^seed = -1 is not allowed; an integer from 0 to 2147483647$"
    ):
        job(seed=-1)


def test_a_few_unreadable_pictures_are_named_and_many_are_refused(tmp_path: Path) -> None:
    recipe = plain(**{"batches.images": 32, "batches.images_per_device": 32})
    fitted = run(tmp_path / "t", recipe, data=str(pictures(tmp_path / "few", 1)))
    assert fitted.unreadable == (f"{tmp_path}/few/a/0.png (cannot identify image file)",)
    with pytest.raises(
        DataError,
        match=(
            r"^\d+ images are unreadable, such as .*.png \(cannot identify image file\); at most"
            r" 1 may be$"
        ),
    ):
        run(tmp_path / "u", recipe, data=str(pictures(tmp_path / "many", 40)))
