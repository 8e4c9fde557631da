"""Sentences on short protocols, guessing networks, and accuracies without an order."""

from __future__ import annotations

import pytest

from mvt_nas.metrics.binomial import accuracy_interval, overlap
from mvt_nas.training.reliability import (
    ENOUGH_STEPS,
    FEW_STEPS,
    at_chance,
    few_protocol_steps,
    few_steps,
    guessing,
    protocol_notes,
    unordered,
)
from mvt_nas.training.short_recipe import ShortRecipe


def test_few_steps_come_with_the_settings_that_give_enough() -> None:
    assert few_steps(FEW_STEPS, 3, 16) is None
    sentence = few_steps(200, 10, 64)
    assert sentence == (
        "200 steps are few (300 are the least for a comparison): raise epochs to 50 or lower"
        " batch_size to 12."
    )
    # Both give a thousand steps: five times as many epochs, or a fifth of the batch.
    assert ENOUGH_STEPS == 200 * 50 / 10
    assert ENOUGH_STEPS <= 200 * 64 / 12


def test_batches_too_small_for_batch_norm_are_not_recommended() -> None:
    sentence = few_steps(100, 5, 64, epochs_name="--epochs", batch_name="--batch")
    assert sentence is not None
    assert sentence.endswith("raise --epochs to 50.")


def test_the_steps_of_a_protocol_are_counted_without_incomplete_batches() -> None:
    short = ShortRecipe(train_images=640, validation_images=400, epochs=3, batch_size=16)
    sentence = few_protocol_steps(short)
    assert sentence is not None
    assert sentence.startswith("120 steps are few")
    assert few_protocol_steps(ShortRecipe()) is None
    assert list(protocol_notes(ShortRecipe(), [50.0], 10)) == []


@pytest.mark.parametrize(("percent", "expected"), [(9.0, True), (13.0, True), (16.5, False)])
def test_chance_is_left_when_the_whole_interval_is_above_it(percent: float, expected: bool) -> None:
    assert at_chance(percent, 200, 10) == expected
    assert (accuracy_interval(percent, 200)[0] <= 10) == expected


def test_guessing_trainings_are_counted() -> None:
    assert guessing([60.0, 55.0], 100, 4) is None
    sentence = guessing([60.0, 26.0, 24.0], 100, 4)
    assert sentence is not None
    assert sentence.startswith("2 of 3 trainings have not left chance: ")
    assert "guessing, 25 % for 4 classes. Raise epochs, " in sentence
    alone = guessing([26.0], 100, 4, "Raise --epochs")
    assert alone is not None
    assert alone.startswith("The training has not left chance")
    assert ". Raise --epochs, " in alone


def test_accuracies_within_their_intervals_have_no_order() -> None:
    assert unordered([70.0], 60, "all") is None
    assert unordered([40.0, 70.0], 60, "all") is None
    sentence = unordered([68.0, 72.0], 60, "the 2 candidates of the front")
    assert sentence == (
        "The trained accuracies of the 2 candidates of the front differ by 4.0 points, less than"
        " their 90 % intervals on 60 images: their order means nothing. Choose by cost, or train"
        " longer, or validate on 1500 images."
    )
    assert not overlap([68.0, 72.0], 1500)
    equal = unordered([70.0, 70.0], 60, "all")
    assert equal is not None
    assert equal.endswith("Choose by cost, or train longer.")
