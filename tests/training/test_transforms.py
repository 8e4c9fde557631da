"""What is done to pictures, against closed forms, other ways to do it, and statistics."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageEnhance, ImageOps
from scipy import stats

from mvt_nas.data.decode import TooLarge, Unreadable, decode_part, strict_warnings
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import Augmentation
from mvt_nas.training.transforms.crop import center_crop, random_resized_crop
from mvt_nas.training.transforms.mixup import mix_batch
from mvt_nas.training.transforms.rand_augment import OPERATIONS, rand_augment
from mvt_nas.training.transforms.random_erasing import erase
from tests.support.images import noise, write


def picture(side: int = 32, seed: int = 0) -> Image.Image:
    """Return a picture whose values lie between 40 and 200, so that its contrast can be raised."""
    levels = np.asarray(
        Image.fromarray(noise(seed, 8, 8)).resize((side, side), Image.Resampling.BICUBIC)
    ).astype(float)
    return Image.fromarray((40 + levels * 160 / 255).astype(np.uint8))


def augmentation(**changes: float) -> Augmentation:
    return (
        Recipe()
        .changed({f"augmentation.{name}": value for name, value in changes.items()})
        .augmentation
    )


def as_bytes(image: Image.Image, form: str, exif: Image.Exif | None = None) -> bytes:
    file = io.BytesIO()
    image.save(
        file,
        form,
        **({} if exif is None else {"exif": exif}),
        **({"quality": 95} if form == "JPEG" else {}),
    )
    return file.getvalue()


def test_random_parts_lie_inside_and_have_areas_and_ratios_as_told() -> None:
    random = np.random.default_rng(0)
    boxes = np.array([random_resized_crop(400, 300, 0.08, random) for _ in range(4000)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0
    assert (boxes[:, 2] <= 400).all() & (boxes[:, 3] <= 300).all()
    shares, ratios = width * height / (400 * 300), width / height
    assert 0.075 < shares.min() < 0.09
    assert shares.max() > 0.9
    assert ((ratios > 0.74) & (ratios < 1.35)).all()
    small = shares < 0.4  # these fit whatever their ratio, so the draw is not distorted
    assert stats.kstest((shares[small] - 0.08) / 0.32, "uniform").pvalue > 0.001
    assert stats.kstest((np.log(ratios[small]) / np.log(4 / 3) + 1) / 2, "uniform").pvalue > 0.001


def test_where_no_part_fits_the_middle_is_taken() -> None:
    assert random_resized_crop(1000, 10, 1.0, np.random.default_rng(0)) == (493, 0, 506, 10)
    assert random_resized_crop(10, 1000, 1.0, np.random.default_rng(0)) == (0, 493, 10, 506)


def test_the_middle_is_that_of_resizing_and_cutting() -> None:
    """288 px on the short side, 256 px of it, against pillow in two steps; both resize by 1 / 2."""
    image = picture(64).resize((768, 576), Image.Resampling.BICUBIC)
    found = decode_part(
        np.asarray(image), 256, lambda width, height: center_crop(width, height, 256 / 288)
    )
    whole = image.resize((384, 288), Image.Resampling.BILINEAR)
    assert ImageChops.difference(found, whole.crop((64, 16, 320, 272))).getextrema() == (
        (0, 0),
        (0, 0),
        (0, 0),
    )


@pytest.mark.parametrize("bicubic", [False, True])
def test_a_part_is_what_pillow_cuts_and_resizes(bicubic: bool) -> None:
    image = picture(100)
    found = decode_part(
        as_bytes(image, "PNG"), 24, lambda width, height: (10, 20, 70, 90), bicubic=bicubic
    )
    how = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    assert np.array_equal(
        np.asarray(found), np.asarray(image.resize((24, 24), how, box=(10, 20, 70, 90)))
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_parts_are_those_of_the_upright_picture(orientation: int) -> None:
    image = picture(64).crop((0, 0, 64, 40))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = as_bytes(image, "JPEG", exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    sizes: list[tuple[int, int]] = []

    def part(width: int, height: int) -> tuple[float, float, float, float]:
        sizes.append((width, height))
        return 0, 0, 20, 10

    found = decode_part(data, 16, part)
    assert sizes == [upright.size]
    assert np.array_equal(
        np.asarray(found),
        np.asarray(upright.resize((16, 16), Image.Resampling.BILINEAR, box=(0, 0, 20, 10))),
    )


def test_large_photographs_are_decoded_small_and_look_alike() -> None:
    image = Image.fromarray(noise(0, 30, 40)).resize((1600, 1200), Image.Resampling.BICUBIC)
    data = as_bytes(image, "JPEG")
    found = decode_part(data, 64, lambda width, height: (200, 100, 1400, 1100))
    exact = Image.open(io.BytesIO(data)).resize(
        (64, 64), Image.Resampling.BILINEAR, box=(200, 100, 1400, 1100)
    )
    assert np.abs(np.asarray(found).astype(int) - np.asarray(exact)).mean() < 1.5


def test_what_cannot_be_decoded_says_so() -> None:
    with pytest.raises(Unreadable, match="cannot identify image file"):
        decode_part(b"none", 8, lambda width, height: (0, 0, 1, 1))
    with pytest.raises(TooLarge, match="exceeds limit"), strict_warnings():
        decode_part(b"P5 30000 30000 255\n", 8, lambda width, height: (0, 0, 1, 1))


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operations_of_no_strength_change_nothing_and_of_some_do(name: str) -> None:
    operation, has_direction = OPERATIONS[name]
    image = picture()
    if name not in ("auto_contrast", "equalize"):
        assert np.array_equal(np.asarray(operation(image, 0.0)), np.asarray(image))
    changed = [
        np.asarray(operation(image, strength))
        for strength in ((0.5, -0.5) if has_direction else (0.5,))
    ]
    assert all(one.shape == (32, 32, 3) for one in changed)
    assert all(np.array_equal(one, np.asarray(image)) == (name == "identity") for one in changed)
    assert not has_direction or not np.array_equal(*changed)


def test_operations_against_pillow_and_numpy() -> None:
    """Every operation agrees with that of torchvision 0.28 to the last pixel.

    Brightness, colour and sharpness agree to 0.2 of a level.
    """
    image, pixels = picture(), np.asarray(picture())
    done = {name: np.asarray(OPERATIONS[name][0](image, 0.5)) for name in OPERATIONS}
    assert np.array_equal(done["posterize"], pixels & 0b11111100)
    assert np.array_equal(done["solarize"], np.where(pixels < 128, pixels, 255 - pixels))
    assert np.array_equal(
        done["brightness"], np.asarray(ImageEnhance.Brightness(image).enhance(1.45))
    )
    assert np.array_equal(done["rotate"], np.asarray(image.rotate(15)))
    moved = int(0.5 * 32 * 150 / 331)
    assert np.array_equal(done["translate_x"][:, moved:], pixels[:, :-moved])
    assert not done["translate_x"][:, :moved].any()
    assert np.array_equal(done["translate_y"][moved:], pixels[:-moved])
    sheared = np.asarray(OPERATIONS["shear_x"][0](image, 1.0))
    assert np.array_equal(sheared[10, :-3], pixels[10, 3:])  # the row at 10.5 moves by 0.3 * 10.5
    assert np.array_equal(done["equalize"], np.asarray(ImageOps.equalize(image)))
    assert np.array_equal(done["auto_contrast"], np.asarray(ImageOps.autocontrast(image)))


def test_rand_augment_draws_all_operations_evenly_and_by_its_generator() -> None:
    image = picture()
    first, second = (
        np.asarray(rand_augment(image, 2, 9, np.random.default_rng(5))) for _ in range(2)
    )
    assert np.array_equal(first, second)
    assert rand_augment(image, 0, 9, np.random.default_rng(0)) is image
    drawn = [int(np.random.default_rng(seed).integers(len(OPERATIONS))) for seed in range(2000)]
    assert stats.chisquare(np.bincount(drawn)).pvalue > 0.001
    assert len(set(drawn)) == 14


def test_erased_rectangles_have_areas_and_ratios_as_told() -> None:
    shares = []
    for seed in range(500):
        pixels = np.full((64, 64, 3), 255, np.uint8)
        erase(pixels, 1.0, np.random.default_rng(seed))
        black = (pixels == 0).all(2)
        rows, columns = np.flatnonzero(black.any(1)), np.flatnonzero(black.any(0))
        assert black.sum() == len(rows) * len(columns) > 0
        shares.append(black.mean())
        assert 0.25 < len(rows) / len(columns) < 4.1
    assert min(shares) > 0.01
    assert 0.3 < max(shares) < 0.36


def test_erasing_happens_as_often_as_told() -> None:
    def erased(probability: float) -> float:
        found = []
        for seed in range(1000):
            pixels: NDArray[np.uint8] = np.full((16, 16, 3), 255, np.uint8)
            erase(pixels, probability, np.random.default_rng(seed))
            found.append(not pixels.all())
        return float(np.mean(found))

    assert erased(0.0) == 0
    assert abs(erased(0.25) - 0.25) < 0.05


IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 2])


def mixed(
    seed: int, mixup_alpha: float = 0.0, cutmix_alpha: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    return mix_batch(IMAGES, LABELS, 3, random, mixup_alpha=mixup_alpha, cutmix_alpha=cutmix_alpha)


def test_without_mixing_nothing_is_touched() -> None:
    images, labels = mixed(0)
    assert images is IMAGES
    assert labels is LABELS


def test_mixup_mixes_neighbours_and_their_labels_alike() -> None:
    for seed in range(20):
        images, targets = mixed(seed, mixup_alpha=1.0)
        own = float(targets[0, 0])  # picture 0 has label 0, its neighbour, picture 3, label 2
        assert torch.allclose(images, own * IMAGES + (1 - own) * IMAGES[[3, 0, 1, 2]], atol=1e-6)
        expected = torch.tensor(
            [[own, 0, 1 - own], [1 - own, own, 0], [0, 1 - own, own], [0, 0, 1.0]]
        )
        assert torch.allclose(targets, expected, atol=1e-6)


def test_cutmix_takes_a_rectangle_and_labels_by_its_area() -> None:
    areas = []
    for seed in range(200):
        images, targets = mixed(seed, cutmix_alpha=1.0)
        taken = (images[0] == IMAGES[3]).all(0)
        assert torch.equal(images[0][:, ~taken], IMAGES[0][:, ~taken])
        rows, columns = taken.any(1).sum(), taken.any(0).sum()
        assert int(taken.sum()) == int(rows * columns)
        assert float(targets[0, 0]) == pytest.approx(1 - float(taken.float().mean()), abs=1e-6)
        areas.append(float(taken.float().mean()))
    assert min(areas) == 0
    assert (
        0.5 < max(areas) <= 49 / 64
    )  # of eight pixels, less than four on either side of the middle


def test_shares_of_mixup_follow_the_beta_distribution() -> None:
    shares = [float(mixed(seed, mixup_alpha=0.2)[1][0, 0]) for seed in range(1500)]
    assert stats.kstest(np.clip(shares, 1e-9, 1 - 1e-9), stats.beta(0.2, 0.2).cdf).pvalue > 0.001


def test_one_of_both_ways_is_drawn() -> None:
    pixels = [mixed(seed, mixup_alpha=0.2, cutmix_alpha=1.0)[0][0] for seed in range(400)]
    cut = [bool(((one == IMAGES[0]) | (one == IMAGES[3])).all()) for one in pixels]
    assert abs(np.mean(cut) - 0.5) < 0.1


def test_pictures_of_all_kinds_can_be_learnt_from(tmp_path: Path) -> None:
    for mode in ("L", "P", "RGBA", "CMYK", "I;16", "1"):
        path = write(tmp_path / f"{mode}.tif", noise(0))
        Image.open(path).convert(mode if mode != "I;16" else "L").convert(mode).save(path)
        assert (
            decode_part(path.read_bytes(), 8, lambda width, height: (0, 0, width, height)).mode
            == "RGB"
        )
