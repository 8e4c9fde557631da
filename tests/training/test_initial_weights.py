"""Weights to begin with: what fits of another network is taken and counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mvt_nas.checkpoints import load_checkpoint
from mvt_nas.errors import CheckpointError
from mvt_nas.models.network import build_model
from mvt_nas.space.published import zoo
from mvt_nas.training.initial_weights import Initialization, load_initial_weights
from tests.support.short_training_processes import SMALL


def weights_of(classes: int, seed: int, path: Path, width: int = 24) -> Path:
    torch.save(build_model(SMALL, num_classes=classes, seed=seed).state_dict(), path)
    return path


def test_weights_of_the_same_network_are_taken_whole(tmp_path: Path) -> None:
    path = weights_of(10, 5, tmp_path / "w.pt")
    network = build_model(SMALL, num_classes=10, seed=0)
    assert load_initial_weights(network, Initialization(path)) == f"{path}, in the names of mvt-nas"
    expected = build_model(SMALL, num_classes=10, seed=5).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    assert load_initial_weights(network, Initialization()) == "initial weights"


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_classifier_of_other_classes_is_replaced(tmp_path: Path, wrapped: bool) -> None:
    given, fresh = (
        build_model(SMALL, num_classes=7, seed=5).state_dict(),
        build_model(SMALL, num_classes=10, seed=0).state_dict(),
    )
    torch.save(
        (
            {"state_dict": {f"module.{name}": value for name, value in given.items()}}
            if wrapped
            else given
        ),
        tmp_path / "w.pt",
    )
    network = build_model(SMALL, num_classes=10, seed=0)
    words = load_initial_weights(network, Initialization(tmp_path / "w.pt"))
    assert words.endswith(
        "w.pt, in the names of mvt-nas, with a new classifier for 10 classes instead of its 7"
    )
    for name, value in network.state_dict().items():
        assert torch.equal(value, (fresh if name.startswith("classifier") else given)[name])


@pytest.mark.parametrize("dialect", ["cvnets", "timm", "transformers"])
def test_classifiers_are_found_in_every_dialect(tmp_path: Path, dialect: str) -> None:
    from mvt_nas.checkpoints.key_mapping import translations

    model = build_model(zoo("mobilevit_xxs"), num_classes=21, seed=1)
    theirs: dict[str, Tensor] = {}
    for name, names in translations(model, dialect).items():
        theirs |= dict(
            zip(
                names,
                (
                    model.state_dict()[name].chunk(len(names))
                    if len(names) > 1
                    else [model.state_dict()[name]]
                ),
                strict=True,
            )
        )
    torch.save(theirs, tmp_path / "w.pt")
    network = build_model(zoo("mobilevit_xxs"), num_classes=4, seed=0)
    assert (
        f"in the names of {dialect}, with a new classifier for 4 classes"
        in load_initial_weights(network, Initialization(tmp_path / "w.pt"))
    )
    assert torch.equal(network.state_dict()["stem.0.weight"], model.state_dict()["stem.0.weight"])
    assert (
        load_checkpoint(build_model(zoo("mobilevit_xxs"), num_classes=21), tmp_path / "w.pt")
        == dialect
    )


def test_what_fits_of_another_network_is_taken_and_counted(tmp_path: Path) -> None:
    import dataclasses

    wider = dataclasses.replace(
        SMALL, stages=(SMALL.stages[0], dataclasses.replace(SMALL.stages[1], width=40))
    )
    given = build_model(wider, num_classes=10, seed=5).state_dict()
    (tmp_path / "trained").mkdir()
    torch.save(given, tmp_path / "trained" / "weights.pt")
    network = build_model(SMALL, num_classes=10, seed=0)
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    words = load_initial_weights(network, Initialization(tmp_path / "trained", same=False))
    fits = {
        name
        for name, value in fresh.items()
        if value.shape == given[name].shape and not name.endswith("num_batches_tracked")
    }
    total = sum(not name.endswith("num_batches_tracked") for name in fresh)
    assert f": {len(fits)} of {total} tensors fit, " in words
    assert 0 < len(fits) < total
    for name, value in network.state_dict().items():
        assert torch.equal(value, (given if name in fits else fresh)[name])


def test_where_nothing_fits_it_is_refused(tmp_path: Path) -> None:
    torch.save({"other": torch.zeros(3)}, tmp_path / "w.pt")
    network = build_model(SMALL, num_classes=10, seed=0)
    with pytest.raises(
        CheckpointError, match=r"w.pt: none of its 1 tensors fits the network by name and shape$"
    ):
        load_initial_weights(network, Initialization(tmp_path / "w.pt", same=False))
    torch.save([1], tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match=r"w.pt: a mapping of names to tensors is expected$"):
        load_initial_weights(network, Initialization(tmp_path / "w.pt", same=False))
    with pytest.raises(CheckpointError, match=r"none.pt: no such file$"):
        load_initial_weights(network, Initialization(tmp_path / "none.pt"))
