"""The commands of ``docs/loop.md``, run in order as a reader would, and their results."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from mvt_nas import Run
from mvt_nas.data.source import find_source
from mvt_nas.training.config import TrainingConfig
from mvt_nas.training.dataset import ValidationDataset
from mvt_nas.training.split import split_dataset
from tests.support.cli import run_line

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

PAGE = (Path(__file__).parents[2] / "docs" / "loop.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
TRAINED = "trained/digits_knee"
ONNX = f"{TRAINED}/exported/onnx/digits_knee.onnx"


def _run(command: str, folder: Path) -> str:
    with contextlib.chdir(folder):
        return run_line(command)


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder in which all commands of the page were run, and what each printed, by its verb."""
    folder = tmp_path_factory.mktemp("loop")
    return folder, {command.split()[1]: _run(command, folder) for command in COMMANDS}


def _best(folder: Path) -> float:
    """Return the best top-1 of any epoch, 0 to 1."""
    with (folder / TRAINED / "metrics.csv").open(newline="") as file:
        return max(max(float(row["top1"]), float(row["ema_top1"])) for row in csv.DictReader(file))


def _judged(folder: Path) -> tuple[Any, Any]:
    """Return the pictures that judged the training (N, 3, H, W), and their labels."""
    config = TrainingConfig.load(folder / TRAINED / "config.yaml")
    assert config.training is not None
    catalogue = find_source("digits").catalogue("digits")
    rows = split_dataset(
        catalogue, config.training.validation_share, config.training.seed
    ).validation
    pictures = ValidationDataset("digits", catalogue, config.recipe.images)
    images = (
        np.stack([pictures[int(row)][0] for row in rows]).transpose(0, 3, 1, 2).astype(np.float32)
        / 255
    )
    return images, catalogue.labels[rows]


def test_the_commands_are_the_five_steps_and_nothing_is_copied_between_them() -> None:
    assert [command.split()[1] for command in COMMANDS] == [
        "search",
        "pareto",
        "show",
        "train",
        "export",
        "latency",
    ]
    assert not any(re.search(r"digits:\d", command) for command in COMMANDS)


def test_the_knee_is_trained_at_the_size_that_was_searched(
    loop: tuple[Path, dict[str, str]],
) -> None:
    folder, said = loop
    run = Run.load(folder / "results" / "digits")
    config = TrainingConfig.load(folder / TRAINED / "config.yaml")
    knee = run.knee()
    assert knee is not None
    assert config.architecture == run.architecture(knee)
    assert (config.num_classes, run.config.num_classes) == (10, 10)
    assert said["show"].startswith(
        f"results/digits, candidate {knee}  (key {run.candidates[knee].key}, 64 px"
    )
    assert f"{run.candidates[knee].scores['params']:,.0f} params" in said["show"]
    assert said["train"].splitlines()[-1] == f"Export them:  mvt-nas export {TRAINED} --to onnx"


def test_the_exported_network_is_as_accurate_as_training_said(
    loop: tuple[Path, dict[str, str]],
) -> None:
    folder, said = loop
    images, labels = _judged(folder)
    (logits,) = onnxruntime.InferenceSession(str(folder / ONNX)).run(["logits"], {"images": images})
    accuracy = float(np.mean(np.asarray(logits).argmax(1) == labels))
    assert len(labels) == 359
    assert accuracy == pytest.approx(_best(folder), abs=1.5 / 359)  # a tie may fall the other way
    assert accuracy > 0.8
    assert (
        "Of 359 validation images of the training, PyTorch classifies"
        f" {100 * _best(folder):.2f} % correctly;" in said["export"]
    )
    for target in ("onnx", "python"):
        assert re.search(
            rf"^  {target}: \d\d\.\d\d %, the same class as PyTorch for 35[789]$",
            said["export"],
            re.MULTILINE,
        )


def test_what_was_measured_stands_beside_what_the_search_predicted(
    loop: tuple[Path, dict[str, str]],
) -> None:
    folder, said = loop
    assert said["latency"].split("\n")[0].split()[:9] == [
        "network",
        "ms",
        "95",
        "%",
        "interval",
        "predicted",
        "ms",
        "90",
        "%",
    ]
    run = Run.load(folder / "results" / "digits")
    names = (ONNX, f"{TRAINED}", "results/digits:accuracy", "results/digits:latency_ms")
    command = (
        f"mvt-nas latency measure {' '.join(names)} --device x86-onnxruntime-1t --seconds 0.3"
        " --json"
    )
    entries = json.loads(_run(command, folder))
    metric = "latency_ms@x86-onnxruntime-1t"
    by_first = run.front()
    fastest = min(by_first, key=lambda one: one.scores[metric])
    expected = [
        run.candidates[run.knee() or 0],
        run.candidates[run.knee() or 0],
        by_first[0],
        fastest,
    ]
    for entry, candidate in zip(entries, expected, strict=True):
        assert entry["predicted"]["ms"] == pytest.approx(candidate.scores[metric], rel=1e-6)
        assert (
            entry["predicted"]["low_ms"] < entry["predicted"]["ms"] < entry["predicted"]["high_ms"]
        )
        assert entry["ms"] > 0


def test_a_training_is_a_network_for_every_command(loop: tuple[Path, dict[str, str]]) -> None:
    folder, _ = loop
    knee = json.loads(_run("mvt-nas show results/digits:knee --json", folder))
    shown = json.loads(_run(f"mvt-nas show {TRAINED} --json", folder))
    assert {name: shown[name] for name in ("key", "params", "macs")} == {
        name: knee[name] for name in ("key", "params", "macs")
    }
    quick = "--epochs 1 --threads 1 --workers 0 --no-tensorboard --out further --json"
    document = json.loads(_run(f"mvt-nas train {TRAINED} --data digits {quick}", folder))
    assert document["judged"]["best"]["top1"] > 0.8  # after one epoch: it began with the weights
    config, before = (
        TrainingConfig.load(folder / path / "config.yaml") for path in ("further", TRAINED)
    )
    assert config.recipe == before.recipe.lasting(1)
    assert config.training is not None
    assert config.training.weights == str(folder / TRAINED / "weights.pt")


def test_a_training_without_its_pictures_or_its_end_is_told(
    loop: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, _ = loop
    shutil.copytree(
        folder / TRAINED,
        tmp_path / "moved",
        ignore=shutil.ignore_patterns("exported", "checkpoints", "tensorboard"),
    )
    config = tmp_path / "moved" / "config.yaml"
    config.write_text(config.read_text().replace("data: digits", "data: /nowhere/pictures"))
    export = [
        sys.executable,
        "-m",
        "mvt_nas",
        "export",
        "moved",
        "--to",
        "python",
        "--measure-seconds",
        "0",
        "--json",
    ]
    done = subprocess.run(export, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["pictures"] is None
    assert re.fullmatch(
        r"warning: not compared on the validation images of the training: .*/nowhere/pictures.*\n",
        done.stderr,
    )
    (tmp_path / "moved" / "weights.pt").unlink()
    done = subprocess.run(export, cwd=tmp_path, capture_output=True, text=True, check=False)
    advice = "the training has not ended, mvt-nas train --resume --out moved continues it"
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        f"mvt-nas: error: moved/weights.pt: is missing; {advice}\n",
    )
