"""``mvt-nas bench train``: many trainings, one table, and interruptions in between."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from mvt_nas.accuracy import table_builder as bench
from mvt_nas.accuracy.design import PlannedNetwork, plan_networks
from mvt_nas.accuracy.table import COMPLETE, TrainedNetwork, read_table
from mvt_nas.accuracy.table_builder import TableBuilder, build_table
from mvt_nas.data.load import load_images
from mvt_nas.errors import AccuracyError
from mvt_nas.metrics.binomial import format_accuracy
from mvt_nas.space.search_space import SearchSpace, load_space
from mvt_nas.training.reliability import at_chance
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.short_training import train_short
from mvt_nas.training.small_images import as_trained
from tests.support.cli import run

pytestmark = pytest.mark.slow

PROTOCOL = ShortRecipe(
    pixels=16,
    train_images=96,
    validation_images=100,
    epochs=1,
    batch_size=16,
    ema_decay=0.5,
    flip=False,
    crop_padding=1,
)
SMALL = TableBuilder(
    load_space("small_images"),
    "digits",
    PROTOCOL,
    spread=8,
    matched=2,
    published=2,
    repeated=2,
    most_macs=1.2e6,
    budget=8e5,
    limit=20,
)


@pytest.fixture(scope="module", autouse=True)
def _planned_once() -> Iterator[None]:
    """Plan equal tables once; that a plan is the same each time is tested in ``test_design.py``."""
    kept: dict[tuple[Any, ...], tuple[list[PlannedNetwork], float]] = {}

    def plan(space: SearchSpace, **settings: Any) -> tuple[list[PlannedNetwork], float]:
        key = (space.hash, *sorted(settings.items()))
        if key not in kept:
            kept[key] = plan_networks(space, **settings)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "plan_networks", plan)
        yield


def _pairs(trainings: tuple[TrainedNetwork, ...]) -> list[tuple[str, int]]:
    return [(one.key, one.seed) for one in trainings]


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
    assert sorted(_pairs(whole.trainings)) == sorted(
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
        _pairs(whole.trainings)
    )
    grown = build_table(more, path, device="cpu")
    assert path.read_bytes().startswith(before)
    assert sorted(_pairs(grown.trainings[16:])) == sorted(new)
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


def _command(path: Path, protocol: Path) -> list[str]:
    options = (
        "--space small_images --n 8 --matched 1 --published 0 --repeats 0 --most-macs 1.2e6"
        " --matched-macs 8e5 --limit 20 --workers 2"
    )
    start = "from mvt_nas.cli.main import main\nif __name__ == '__main__': main()"
    return [
        sys.executable,
        "-c",
        start,
        "bench",
        "train",
        "--out",
        str(path),
        "--protocol",
        str(protocol),
        "--device",
        "cpu",
        *options.split(),
    ]


def _after_the_first_row(process: subprocess.Popen[str], path: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") > len(_head_lines(path)) + 1:
            return
        time.sleep(0.02)
    process.kill()
    raise AssertionError(process.communicate())


def _head_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.startswith("#")]


def _children(pid: int) -> list[int]:
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.soak)]
)
def test_interrupted_it_goes_on(tmp_path: Path, how: signal.Signals) -> None:
    path, protocol = tmp_path / "table.csv", tmp_path / "protocol.yaml"
    slower = dataclasses.replace(PROTOCOL, epochs=3)
    protocol.write_text(yaml.safe_dump(slower.to_dict()))
    process = subprocess.Popen(
        _command(path, protocol),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _after_the_first_row(process, path)
    workers = _children(process.pid)
    assert workers
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (-9 if how == signal.SIGKILL else 130), err
    assert "Traceback" not in err
    end = time.monotonic() + 30
    while any(_alive(pid) for pid in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert [pid for pid in workers if _alive(pid)] == []  # no worker survives
    some = read_table(path).trainings
    assert 1 <= len(some) < 9

    small = dataclasses.replace(SMALL, protocol=slower, matched=1, published=0, repeated=0)
    if how == signal.SIGINT:
        return  # to the end once is enough
    whole = build_table(small, path, device="cpu").trainings
    assert whole[: len(some)] == some
    pairs = {(job.planned.architecture.key, job.seed) for job in small.jobs(10)[0]}
    assert len(set(_pairs(whole))) == len(whole) == 9
    assert set(_pairs(whole)) == pairs


@pytest.mark.usefixtures("forked_workers")
def test_the_command_tells_what_it_does(tmp_path: Path) -> None:
    path, protocol = tmp_path / "t.csv", tmp_path / "p.json"
    protocol.write_text(json.dumps(PROTOCOL.to_dict()))
    options = _command(path, protocol)[5:]
    code, out, err = run("bench", "train", *options, "--most", "1")
    assert code == 0, err
    lines = err.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["1/9"]
    (trained,) = read_table(path).trainings
    accuracy = format_accuracy(trained.accuracy, PROTOCOL.validation_images, unit=" %")
    assert [line.partition(" seed 0: ")[2] for line in lines] == [f"{accuracy}, complete"]
    summary, steps, *chance = out.splitlines()
    assert (
        summary == f"{path}: 1 trainings; validate proxies with it: mvt-nas proxy validate {path}"
    )
    assert steps.startswith("Protocol: 6 steps are few")
    guesses = at_chance(trained.accuracy, PROTOCOL.validation_images, 10)
    assert [line.partition(":")[0] for line in chance] == [
        "The training has not left chance"
    ] * guesses


@pytest.mark.usefixtures("forked_workers")
def test_a_table_is_extended_by_its_own_protocol(tmp_path: Path) -> None:
    path, protocol = tmp_path / "t.csv", tmp_path / "p.json"
    protocol.write_text(json.dumps(PROTOCOL.to_dict()))
    options = _command(path, protocol)[5:]
    assert run("bench", "train", *options, "--most", "1")[0] == 0
    without = options.index("--protocol")
    others = [*options[:without], *options[without + 2 :]]
    code, _, err = run("bench", "train", *others, "--most", "1")
    assert (code, err.split(" ")[0]) == (0, "2/9")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "images"], "images: 24 images do not suffice for train_images = 96,"),
        (["--protocol", "huge.yaml"], "batch_size = 4096 of the protocol; these values fit: batch"),
        (["--protocol", "wrong.yaml"], "wrong.yaml: pixels = 4 is not allowed"),
        (["--most-macs", "10"], "0 networks of 20000 drawn are small enough"),
        (["--matched-macs", "1e12"], "small_images: 0 of"),
        (["--device", "cuda"], "device = 'cuda' cannot be used"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    _write_images(tmp_path / "images", 12)
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(PROTOCOL.to_dict()))
    (tmp_path / "huge.yaml").write_text("batch_size: 4096\n")
    (tmp_path / "wrong.yaml").write_text("pixels: 4\n")
    before = sorted(tmp_path.iterdir())
    common = ("--out", "new/t.csv", "--protocol", "p.yaml", "--limit", "20")
    code, out, err = run("bench", "train", *common, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def _write_images(folder: Path, count: int) -> None:
    """Write noise in two classes of ``count`` images each."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--space", "no_space"], "no_space"),
        (["--data", "no_images"], "no_images: no such file or folder"),
        (["--protocol", "no_protocol.yaml"], "no_protocol.yaml: cannot be read"),
        (["--most-macs", "10"], "small_images: 0 networks of 20000 drawn are small enough"),
        (["--matched-macs", "nan"], "small_images: 0 of"),
        (["--n", "7"], "7 is not in the range x>=8"),
    ],
)
def test_wrong_input_is_told_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("bench", "train", "--out", "t.csv", *options)
    assert (code, out) == (2, "")
    assert err.startswith("mvt-nas: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not Path("t.csv").exists()


def test_an_external_file_is_not_appended_to(tmp_path: Path) -> None:
    path, protocol = tmp_path / "mine.csv", tmp_path / "p.json"
    path.write_text("a,b\n1,2\n")
    protocol.write_text(json.dumps(PROTOCOL.to_dict()))
    code, _, err = run("bench", "train", *_command(path, protocol)[5:])
    assert (code, err.count("\n")) == (2, 1)
    assert f"{path}: no table of trained networks" in err
    assert path.read_text() == "a,b\n1,2\n"
