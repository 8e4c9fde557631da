"""``mvt-nas bench train``: what it prints, interruptions, and one line for invalid input."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from mvt_nas.accuracy.table import read_table
from mvt_nas.accuracy.table_builder import build_table
from mvt_nas.metrics.binomial import format_accuracy
from mvt_nas.training.reliability import at_chance
from tests.support.cli import error_line, run
from tests.support.digits_tables import PROTOCOL, SMALL, keys_and_seeds

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("planned_once")]


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
    assert len(set(keys_and_seeds(whole))) == len(whole) == 9
    assert set(keys_and_seeds(whole)) == pairs


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
    assert message in error_line("bench", "train", *common, *options)
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
    assert message in error_line("bench", "train", "--out", "t.csv", *options)
    assert not Path("t.csv").exists()


def test_an_external_file_is_not_appended_to(tmp_path: Path) -> None:
    path, protocol = tmp_path / "mine.csv", tmp_path / "p.json"
    path.write_text("a,b\n1,2\n")
    protocol.write_text(json.dumps(PROTOCOL.to_dict()))
    refusal = error_line("bench", "train", *_command(path, protocol)[5:])
    assert f"{path}: no table of trained networks" in refusal
    assert path.read_text() == "a,b\n1,2\n"
