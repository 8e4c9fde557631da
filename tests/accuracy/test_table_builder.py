"""Tables of trained networks: their jobs, order, rows, and trainings that go wrong."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from mvt_nas.accuracy import table_builder as bench
from mvt_nas.accuracy.table import COMPLETE, TrainedNetwork, read_table
from mvt_nas.accuracy.table_builder import TableBuilder, build_table
from mvt_nas.data.load import load_images
from mvt_nas.errors import AccuracyError
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.short_training import train_short
from mvt_nas.training.small_images import as_trained
from tests.support.digits_tables import PROTOCOL, SMALL, keys_and_seeds

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("planned_once")]


@pytest.mark.usefixtures("forked_workers")
def test_a_table_grows_and_nothing_is_trained_twice(tmp_path: Path) -> None:
    path, progress = tmp_path / "new" / "table.csv", []
    first = build_table(
        SMALL,
        path,
        workers=2,
        most=5,
        device="cpu",
        listener=lambda done, total, one: progress.append((done, total)),
    )
    jobs = SMALL.jobs(10)[0]
    assert len(jobs) == 12 + 2 * 2
    assert progress == [(number, 16) for number in range(1, 6)]
    assert len(first.trainings) == 5
    whole = build_table(
        SMALL, path, device="cpu", listener=lambda done, total, one: progress.append((done, total))
    )
    assert progress[5:] == [(number, 16) for number in range(6, 17)]
    assert whole.trainings[:5] == first.trainings
    assert sorted(keys_and_seeds(whole.trainings)) == sorted(
        (job.planned.architecture.key, job.seed) for job in jobs
    )
    before = path.read_bytes()
    again = build_table(
        SMALL, path, device="cpu", listener=lambda done, total, one: progress.append((done, total))
    )
    assert again.trainings == whole.trainings
    assert (len(progress), path.read_bytes()) == (16, before)
    assert list((path.parent / ".table.checkpoints").iterdir()) == []

    more = dataclasses.replace(SMALL, repeated=3)
    new = {(job.planned.architecture.key, job.seed) for job in more.jobs(10)[0]} - set(
        keys_and_seeds(whole.trainings)
    )
    grown = build_table(more, path, device="cpu")
    assert path.read_bytes().startswith(before)
    assert sorted(keys_and_seeds(grown.trainings[16:])) == sorted(new)
    assert 2 <= len(new) <= 6

    _what_is_in_it(path)
    for change, name in (
        (dataclasses.replace(PROTOCOL, epochs=2), "protocol_key"),
        (
            dataclasses.replace(PROTOCOL, split_seed=1),
            "data_fingerprint",
        ),  # a limit chooses images by it
    ):
        with pytest.raises(
            AccuracyError,
            match=(
                rf"table\.csv: {name} is \w+ there, \w+ here; accuracies of both cannot be compared"
            ),
        ):
            build_table(dataclasses.replace(SMALL, protocol=change), path)


def _what_is_in_it(path: Path) -> None:
    table = read_table(path)
    assert table.head["protocol"] == PROTOCOL.to_dict()
    assert table.head["num_classes"] == 10
    assert table.head["matched_macs"] == 8e5
    assert {one.subset for one in table.trainings} == {"spread", "matched", "published"}
    assert all(one.architecture.resolution_px == 16 for one in table.trainings)
    assert all(
        one.status == COMPLETE and len(one.curve) == 1 and one.seconds > 0
        for one in table.trainings
    )
    assert len(table.networks()) == 12
    losses = {one.validation_loss for one in table.trainings}
    assert len(losses) == len(table.trainings)  # seeds differ
    # A row is what a training of its own gives.
    one = next(one for one in table.trainings if one.seed == 1)
    images = load_images("digits", 16, limit=20, seed=0)
    alone = train_short(one.architecture, images, PROTOCOL, seed=1, device="cpu")
    assert one.accuracy == pytest.approx(100 * alone.ema_accuracy, abs=1e-4)
    assert one.validation_loss == pytest.approx(alone.curve[-1].validation_loss, rel=1e-3)
    assert one.curve[0] == pytest.approx(100 * alone.ema_accuracy, abs=1e-3)


def test_jobs_come_in_an_order_in_which_an_early_end_leaves_some_of_all() -> None:
    plain = dataclasses.replace(
        SMALL,
        protocol=ShortRecipe(),
        spread=16,
        matched=8,
        published=4,
        repeated=4,
        most_macs=None,
        budget=None,
    )
    jobs, budget = plain.jobs(10)
    assert (
        len({(job.planned.architecture.key, job.seed) for job in jobs}) == len(jobs) == 28 + 2 * 4
    )
    assert [job.seed for job in jobs] == [0] * 21 + [1] * 4 + [2] * 4 + [0] * 7
    subsets = [job.planned.subset for job in jobs[:7]]
    assert {subset: subsets.count(subset) for subset in ("spread", "matched", "published")} == {
        "spread": 4,
        "matched": 2,
        "published": 1,
    }
    assert {job.planned.architecture.key for job in jobs[21:29]} < {
        job.planned.architecture.key for job in jobs[:21]
    }
    assert plain.jobs(10) == (jobs, budget)


def test_networks_that_shrinking_makes_equal_are_trained_once() -> None:
    """Models of one family and different width are one network when shrunk to one size."""
    all_published = dataclasses.replace(
        SMALL, protocol=ShortRecipe(), published=19, repeated=0, most_macs=None, budget=2.5e6
    )
    jobs, budget = all_published.jobs(10)
    keys = [job.planned.architecture.key for job in jobs]
    assert len(set(keys)) == len(keys)
    titles = [job.planned.title for job in jobs if job.planned.subset == "published"]
    assert 5 <= len(titles) < 19
    assert len(all_published._published(budget, 10)) == 19


def test_networks_come_as_the_protocol_trains_them() -> None:
    for job in SMALL.jobs(10)[0]:
        assert job.planned.architecture == as_trained(job.planned.architecture, PROTOCOL)


@pytest.mark.usefixtures("forked_workers")
def test_a_training_that_goes_wrong_is_kept_as_such(tmp_path: Path) -> None:
    wild = dataclasses.replace(
        PROTOCOL, learning_rate=1e4, weight_decay=100, epochs=3, warmup_share=0
    )
    table = build_table(
        dataclasses.replace(SMALL, protocol=wild), tmp_path / "wild.csv", most=1, device="cpu"
    )
    one = table.trainings[0]
    assert one.status.startswith("diverged: ")
    assert one.accuracy != one.accuracy
    with pytest.raises(AccuracyError, match="0 trained networks are too few"):
        table.networks()


def _killed(
    benchmark: TableBuilder, job: bench.TableTraining, folder: Path, device: str
) -> TrainedNetwork:
    os._exit(9)


@pytest.mark.usefixtures("forked_workers")
def test_a_worker_that_is_killed_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_train", _killed)
    path = tmp_path / "t.csv"
    with pytest.raises(AccuracyError, match=r"t\.csv: a training process was killed"):
        build_table(SMALL, path, most=1, device="cpu")
    assert read_table(path).trainings == ()
