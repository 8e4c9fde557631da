"""Protocols for few images: the default is scaled, and one that is too large says so once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mvt_nas.data.dataset import ImageDataset
from mvt_nas.errors import DataError
from mvt_nas.training.protocol_size import check_size, load_protocol, scaled_protocol
from mvt_nas.training.reliability import ENOUGH_STEPS
from mvt_nas.training.short_recipe import ShortRecipe


def dataset(count: int, held_out: int = 0) -> ImageDataset:
    """Return black images of three classes; the last ``held_out`` are the source's validation."""
    return ImageDataset(
        np.zeros((count, 8, 8, 3), np.uint8),
        np.arange(count, dtype=np.int64) % 3,
        ("a", "b", "c"),
        np.arange(count) >= count - held_out,
        "mine",
        "0" * 16,
    )


@pytest.mark.parametrize("count", [200, 300, 750, 1797, 3000, 5000, 9000, 11_999])
def test_the_default_protocol_has_enough_steps_for_any_number_of_images(count: int) -> None:
    found = scaled_protocol(count)
    steps = found.epochs * found.steps_per_epoch
    assert ENOUGH_STEPS <= steps <= 2 * ENOUGH_STEPS
    assert 16 <= found.batch_size <= 64
    assert 10 <= found.epochs <= 100
    assert found.train_images + found.validation_images == min(count, 12_000)
    assert found.validation_images == min(2_000, round(0.2 * count))
    # Nothing else depends on the images.
    default = ShortRecipe()
    assert default == dataclasses.replace(
        found,
        **{
            name: getattr(default, name)
            for name in ("train_images", "validation_images", "batch_size", "epochs")
        },
    )
    check_size(found, dataset(count))


def test_with_enough_images_the_default_protocol_is_not_scaled() -> None:
    assert scaled_protocol(12_000) == scaled_protocol(60_000, 10_000) == ShortRecipe()


def test_epochs_are_bounded_for_very_few_images() -> None:
    found = scaled_protocol(20)
    assert (found.train_images, found.validation_images) == (16, 4)
    assert (found.batch_size, found.epochs) == (16, 100)
    with pytest.raises(DataError, match="1 images for training are too few; at least 2"):
        scaled_protocol(2)


def test_validation_images_of_the_source_are_not_trained_on() -> None:
    found = load_protocol(None, lambda recipe: dataset(400, held_out=150))
    assert (found.train_images, found.validation_images) == (250, 150)
    dataset(400, held_out=150).split(train=250, validation=150, seed=0)


def test_one_message_has_everything_that_does_not_fit() -> None:
    with pytest.raises(DataError) as caught:
        check_size(ShortRecipe(), dataset(300))
    assert str(caught.value) == (
        "mine: 300 images do not suffice for train_images = 10000, validation_images = 2000 of the"
        " protocol; these values fit: train_images = 240, validation_images = 60, batch_size = 16,"
        " epochs = 67"
    )
    fitting = ShortRecipe(train_images=240, validation_images=60, batch_size=16, epochs=67)
    check_size(fitting, dataset(300))


def test_values_that_fit_are_left_alone() -> None:
    wanted = ShortRecipe(train_images=900, validation_images=100, batch_size=8, epochs=90)
    with pytest.raises(DataError, match=r"fit: train_images = 400$"):
        check_size(wanted, dataset(500))
    with pytest.raises(
        DataError,
        match=(
            r"mine: 350 training and 150 validation images do not suffice for train_images = 900 of"
            r" the protocol; these values fit: train_images = 350$"
        ),
    ):
        check_size(wanted, dataset(500, held_out=150))
    with pytest.raises(DataError, match=r"validation_images = 100 of .* validation_images = 50"):
        check_size(wanted, dataset(950, held_out=50))


def written(folder: Path, text: str) -> Path:
    path = folder / "protocol.yaml"
    path.write_text(text)
    return path


def test_numbers_that_a_file_leaves_out_are_scaled(tmp_path: Path) -> None:
    path = written(tmp_path, "pixels: 24\nflip: false\n")
    found = load_protocol(path, lambda recipe: dataset(300))
    assert found == dataclasses.replace(scaled_protocol(300), pixels=24, flip=False)
    path = written(tmp_path, "pixels: 24\nbatch_size: 32\n")
    found = load_protocol(path, lambda recipe: dataset(300))
    assert (found.train_images, found.batch_size, found.epochs) == (240, 32, 100)
    path = written(tmp_path, "epochs: 3\n")
    assert load_protocol(path, lambda recipe: dataset(300)).epochs == 3
    # With enough images, what is left out has its default, as everywhere else.
    assert load_protocol(path, lambda recipe: dataset(12_000)) == ShortRecipe.load(path)


def test_numbers_that_a_file_gives_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "train_images: 200\nvalidation_images: 50\n")
    assert load_protocol(path, lambda recipe: dataset(300)) == ShortRecipe.load(path)
    path = written(tmp_path, "validation_images: 50\n")
    with pytest.raises(DataError, match=r"fit: train_images = 250, batch_size = 16, epochs = 67"):
        load_protocol(path, lambda recipe: dataset(300))
    path = written(tmp_path, "batch_size: 512\n")
    with pytest.raises(
        DataError, match=r"batch_size = 512 of .* batch_size = 16, train_images = 240"
    ):
        load_protocol(path, lambda recipe: dataset(300))
    whole = ShortRecipe(train_images=100, validation_images=100)
    assert load_protocol(whole, lambda recipe: dataset(300)) is whole
