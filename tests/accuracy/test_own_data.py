"""Predictions for a user's own data, from a handful of trainings and published networks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mvt_nas import search
from mvt_nas.accuracy.imagenet.estimator import default_estimator
from mvt_nas.accuracy.own_data import OwnDataModel
from mvt_nas.accuracy.predicted import OwnDataInSpace, by_name
from mvt_nas.accuracy.protocol import at_protocol
from mvt_nas.accuracy.quality import measure_quality, own_data_model, predicted_by_law
from mvt_nas.accuracy.ranking_metrics import kendall
from mvt_nas.accuracy.table import AccuracyTable, TrainedNetwork, append, read_table, start_table
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.cost.counts import count
from mvt_nas.errors import AccuracyError
from mvt_nas.metrics.names import PREDICTED
from mvt_nas.nas.problem.accuracy_model import load_accuracy_model
from mvt_nas.report.accuracy_notes import accuracy_notes
from mvt_nas.resources import default_table
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import load_space
from mvt_nas.training.short_recipe import ShortRecipe


@cache
def shipped() -> DistinctNetworks:
    """Return the 101 networks of the shipped table."""
    return read_table(default_table()).networks()


def some(indices: Sequence[int]) -> DistinctNetworks:
    """Return some of these networks."""
    networks = shipped()
    chosen = list(indices)
    return DistinctNetworks(
        tuple(networks.architectures[index] for index in chosen),
        tuple(networks.subsets[index] for index in chosen),
        networks.accuracy[chosen],
        networks.single[chosen],
        networks.seed_sd,
        networks.num_classes,
    )


def own_table(folder: Path, networks: int, px: int = 128) -> Path:
    """Write a table of trainings at some resolution whose accuracies follow the networks' sizes."""
    space = load_space("photos_128")
    protocol = ShortRecipe(pixels=px, train_images=400, validation_images=200, small_images=False)
    path = folder / "own.csv"
    head = {"format": 1, "num_classes": 5, "protocol": protocol.to_dict()}
    start_table(path, head)
    table = AccuracyTable(head, ())
    for number, architecture in enumerate(space.decode_many(space.sample(networks, 1))):
        trained = at_protocol(architecture, table)
        costs = count(trained, num_classes=5)
        append(path, _training(trained, number, 100 - 40 / np.log10(costs.macs / 1e6), costs))
    return path


def _training(architecture: Architecture, number: int, accuracy: float, costs) -> TrainedNetwork:  # type: ignore[no-untyped-def]
    return TrainedNetwork(
        key=architecture.key,
        title=f"own{number}",
        subset="spread",
        seed=0,
        status="complete",
        accuracy=round(float(accuracy), 3),
        validation_loss=1.0,
        tse_ema=1.0,
        params=int(costs.params),
        macs=int(costs.macs),
        seconds=1.0,
        images_per_second=1.0,
        hardware="here",
        curve=(1.0,),
        architecture=architecture,
    )


def test_a_handful_of_trainings_sharpens_the_prediction() -> None:
    networks = shipped()
    errors, taus, widths, covered = {}, {}, {}, {}
    for size in (3, 10, 40):
        found = []
        for seed in range(6):
            order = np.random.default_rng(seed).permutation(len(networks))
            model = OwnDataModel(some(order[:size]), default_estimator(), 5000)
            rest = order[40:]
            estimates = model.predict([networks.architectures[index] for index in rest])
            accuracy = networks.accuracy[rest]
            inside = (estimates.low <= accuracy) & (accuracy <= estimates.high)
            found.append(
                (
                    np.abs(estimates.percent - accuracy).mean(),
                    kendall(estimates.percent, accuracy),
                    (estimates.high - estimates.low).mean(),
                    inside.mean(),
                )
            )
        errors[size], taus[size], widths[size], covered[size] = np.mean(found, axis=0)
    assert errors[40] < errors[10] < errors[3]
    assert taus[40] > taus[10] > taus[3] > 0.2
    assert widths[40] < widths[10] < widths[3]
    assert all(share >= 0.88 for share in covered.values())
    # Published networks alone, of 256 px, hardly order small networks of short trainings.
    imagenet = default_estimator().of(networks.architectures).percent
    assert taus[10] > kendall(imagenet, networks.accuracy) + 0.1


def test_leaving_one_out_is_fitting_without_it() -> None:
    found = OwnDataModel(some(range(8)), default_estimator(), 5000).leave_one_out()
    for left_out in (0, 5):
        others = [index for index in range(8) if index != left_out]
        model = OwnDataModel(some(others), default_estimator(), 5000)
        alone = model.predict([shipped().architectures[left_out]])
        assert found.percent[left_out] == pytest.approx(alone.percent[0], abs=1e-3)


def test_rows_are_predicted_as_their_architectures(tmp_path: Path) -> None:
    table = read_table(own_table(tmp_path, 6))
    space = load_space("photos_128")
    rows = space.sample(40, 3)
    model = own_data_model(table)
    of_rows = OwnDataInSpace(table, space, model).of(rows)
    single = by_name(model.predict([at_protocol(one, table) for one in space.decode_many(rows)]))
    for name in PREDICTED:
        assert of_rows[name] == pytest.approx(single[name], rel=1e-9)


def test_which_tables_published_networks_help_to_predict(tmp_path: Path) -> None:
    assert not predicted_by_law(read_table(default_table()))
    (tmp_path / "large").mkdir()
    assert predicted_by_law(read_table(own_table(tmp_path / "large", 12)))
    (tmp_path / "few").mkdir()
    assert predicted_by_law(read_table(own_table(tmp_path / "few", 5, px=32)))


def test_a_search_uses_a_handful_of_trainings(tmp_path: Path) -> None:
    path = own_table(tmp_path, 5)
    quality = measure_quality(read_table(path))
    assert quality.by_law
    assert quality.figures["n"] == 5
    result = search("photos_128", accuracy_table=path, trials=8, out=tmp_path / "run")
    assert result.run.config.objectives[0].name == "accuracy"
    for candidate in result.run.complete():
        scores = candidate.scores
        assert scores["accuracy_low"] < scores["accuracy"] < scores["accuracy_high"]
    assert "5 networks of these trainings correct what published networks say" in next(
        accuracy_notes(result.run)
    )
    single = load_accuracy_model(path).predict([result.run.architecture(0)])
    assert result.run.candidates[0].scores["accuracy"] == pytest.approx(single.percent[0])


def test_two_trainings_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(AccuracyError, match="2 trained networks are too few; at least 3"):
        load_accuracy_model(own_table(tmp_path, 2))
