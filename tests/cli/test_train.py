"""``mvt-nas train``: a configuration in, a folder out, one line for each mistake."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from mvt_nas.data.load import load_images
from mvt_nas.export.base import read_architecture
from mvt_nas.export.model import export_model
from mvt_nas.export.verification import export
from mvt_nas.metrics.binomial import wilson_interval
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo
from mvt_nas.training.config import TrainingConfig
from mvt_nas.training.presets import RECIPES, preset
from tests.support.cli import error_line, run
from tests.support.images import folder
from tests.support.short_training_processes import SMALL
from tests.support.training_processes import data

QUICK = ("--epochs", "2", "--batch", "64", "--threads", "1", "--device", "cpu", "--workers", "0")


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.json").write_text(SMALL.to_json())
    return "small.json"


def refused(*arguments: str) -> str:
    return error_line("train", *arguments)


def test_a_network_becomes_weights_that_can_be_exported(network: str) -> None:
    code, out, err = run(
        "train",
        network,
        "--data",
        data(),
        "--recipe",
        "digits",
        *QUICK,
        "--px",
        "16",
    )
    assert code == 0, err
    assert err.startswith("Training: initial weights\nepoch 1/2: loss ")
    assert "best: epoch " in out
    assert re.search(r"top-1 [\d.]+ % \([\d.]+ to [\d.]+\), averaged weights", err)
    assert re.search(r"^\d+ steps are few \(.*: raise --epochs to \d+", out, re.MULTILINE)
    made = Path("trained/small")
    names = {
        "config.yaml",
        "network.json",
        "metrics.csv",
        "weights.pt",
        "confusion.png",
        "checkpoints",
        "tensorboard",
        ".lock",
    }
    assert {entry.name for entry in made.iterdir()} == names
    assert {entry.name for entry in (made / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    advised = out.splitlines()[-1]
    assert advised == "Export them:  mvt-nas export trained/small --to onnx"
    command = (
        advised.partition("mvt-nas ")[2]
        .replace("--to onnx", "--to trainer --measure-seconds 0")
        .split()
    )
    code, out, err = run(*command)
    assert (code, err) == (0, "")
    assert "same" in out
    code, out, err = run(
        "train",
        network,
        "--data",
        data(),
        "--recipe",
        "digits",
        *QUICK,
        "--px",
        "16",
        "--json",
    )
    assert err == "Training: all epochs are done\n"
    document = json.loads(out)
    assert document["epochs"] == 2
    assert set(document["judged"]) == {"best", "last_averaged"}
    best = document["judged"]["best"]
    validation = round(0.2 * len(load_images(data(), 16)))
    assert best["intervals"] == {
        name: pytest.approx(wilson_interval(best[name], validation)) for name in ("top1", "top5")
    }
    assert run("train", "--resume", "--out", str(made), "--json")[1] == out.replace(
        "trained/small", str(made)
    )


def test_an_exported_configuration_is_trained_with_its_weights(network: str) -> None:
    torch.save(build_model(SMALL, num_classes=7, seed=3).state_dict(), "w.pt")
    code, _, err = run(
        "export",
        network,
        "--to",
        "trainer",
        "--weights",
        "w.pt",
        "--num-classes",
        "7",
        "--out",
        "e",
        "--measure-seconds",
        "0",
    )
    assert (code, err) == (0, "")
    config = TrainingConfig.load(Path("e/trainer/small.yaml"))
    assert (config.architecture, config.num_classes) == (SMALL, 7)
    assert config.recipe == preset("v3", config.nearest, 16)
    code, _, err = run(
        "train",
        "e/trainer/small.yaml",
        "--data",
        data(),
        *QUICK,
        "--set",
        "images.validation_resize_px=16",
    )
    assert code == 0, err
    assert (
        "small.pt, in the names of mvt-nas, with a new classifier for 10 classes instead of its 7\n"
        in err
    )
    assert (
        TrainingConfig.load(Path("trained/small/config.yaml")).recipe.images.validation_resize_px
        == 16
    )
    code, _, err = run(
        "train",
        network,
        "--data",
        data(),
        *QUICK,
        "--warm-start",
        "trained/small",
        "--out",
        "other",
    )
    assert code == 0, err
    assert "trained/small/weights.pt, in the names of mvt-nas: " in err
    assert "tensors fit, 100 % of the values\n" in err


def test_targets_are_exported_at_the_end(network: str) -> None:
    wanted = ("--to", "torch", "--to", "trainer", "--no-tensorboard", "--out", "made")
    code, out, err = run("train", network, "--data", data(), "--recipe", "digits", *QUICK, *wanted)
    assert code == 0, err
    assert all(
        Path(name).is_file()
        for name in ("made/exported/torch/small.pt2", "made/exported/trainer/small.yaml")
    )
    assert "  made/exported/torch/small.pt2\n" in out
    assert not Path("made/tensorboard").exists()


def test_recipes_are_listed() -> None:
    code, out, _ = run("train", "--recipe", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:]] == sorted(RECIPES)


def test_help_names_what_may_be_given() -> None:
    code, out, _ = run("train", "--help")
    assert code == 0
    for name in ("--data", "--recipe", "--resume", "--warm-start", "--set", "--precision", "--to"):
        assert name in out


def test_mistakes_are_one_line(network: str) -> None:
    assert "CONFIG is missing: a file of mvt-nas export --to trainer" in refused()
    assert "--data is missing: digits, a folder of images by class" in refused(network)
    assert "--resume needs --out, the folder of the training" in refused("--resume")
    assert "none/config.yaml: cannot be read (No such file or directory)" in refused(
        "--resume", "--out", "none"
    )
    digits = (network, "--data", data(), "--recipe", "digits")
    assert "unknown recipe 'v9'" in refused(network, "--data", data(), "--recipe", "v9")
    assert "no such file or folder; did you mean 'digits'?" in refused(
        network, "--data", "digit", "--recipe", "digits"
    )
    assert "is not a published model, file, training or candidate RUN:ID; did you mean" in refused(
        "mobilevit_x", "--data", data()
    )
    assert "--set 'epochs' cannot be read; write for example --set" in refused(
        *digits, "--set", "epochs"
    )
    assert "--set.optimisation.epochs = 'x' is not allowed; an integer" in refused(
        *digits, "--set", "optimisation.epochs=x"
    )
    assert "did you mean 'batches.images'?" in refused(*digits, "--set", "batches.image=3")
    assert "validation_share = 2.0 is not allowed" in refused(*digits, "--validation-share", "2")
    assert "recipe.batches.images = 4000 is not allowed; at most 320" in refused(
        *digits, "--batch", "4000"
    )
    assert "unknown export target 'onx'; did you mean 'onnx'?" in refused(*digits, "--to", "onx")
    both = ("--weights", "w.pt", "--warm-start", "w.pt")
    assert "--weights and --warm-start are both given" in refused(*digits, *both)
    assert "w.pt: no such file" in refused(*digits, "--weights", "w.pt", "--out", "made")
    assert not Path("made/checkpoints").exists()


def test_configurations_with_mistakes_are_one_line(network: str) -> None:
    export(export_model("net", SMALL), "trainer", Path("."))
    kept = yaml.safe_load(Path("net.yaml").read_text())
    kept["recipe"]["optimisation"]["epochz"] = 3
    Path("net.yaml").write_text(yaml.safe_dump(kept))
    told = refused("net.yaml", "--data", data())
    assert (
        "net.yaml: recipe.optimisation: unknown field 'epochz'; did you mean 'epochs'? (known:"
        " epochs, warmup_epochs" in told
    )
    Path("net.yaml").write_text("name: x\n")
    assert "net.yaml: not a configuration of a training (no key mvt_nas_trainer)" in refused(
        "net.yaml", "--data", data()
    )


def test_checkpoints_of_strangers_are_one_line_and_not_run(network: str) -> None:
    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, ("owned",)

    Path("made/checkpoints").mkdir(parents=True)
    torch.save({"x": Code()}, "made/checkpoints/last.ckpt")
    digits = (network, "--data", data(), "--recipe", "digits", *QUICK)
    assert "last.ckpt: refused: it would run " in refused(*digits, "--out", "made")
    torch.save({"x": Code()}, "w.pt")
    assert "w.pt: refused: it would run " in refused(*digits, "--weights", "w.pt", "--out", "other")
    Path("w.pt").write_bytes(Path("w.pt").read_bytes()[:50])
    assert "w.pt: truncated, or no file of torch.save" in refused(
        *digits, "--weights", "w.pt", "--out", "other"
    )
    assert not Path("owned").exists()


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize(
    "architecture", [SMALL, zoo("mobilevitv2_050")], ids=["small", "published"]
)
def test_what_is_exported_for_training_is_the_same_network(
    architecture: Architecture, weights: bool, tmp_path: Path
) -> None:
    if weights:
        torch.save(build_model(architecture, num_classes=5, seed=4).state_dict(), tmp_path / "w.pt")
    found = export_model(
        "net", architecture, num_classes=5, weights=tmp_path / "w.pt" if weights else None
    )
    made = export(found, "trainer", tmp_path / "e")
    assert made.same
    assert made.params_equal
    assert made.max_abs_diff == 0
    assert [file.name for file in made.files] == (
        ["net.yaml", "net.pt"] if weights else ["net.yaml"]
    )
    again = read_architecture(made.files[0])
    assert again.architecture.key == architecture.key
    assert (again.format, again.settings["num_classes"], again.settings["nearest"]) == (
        "a configuration for mvt-nas train",
        5,
        found.nearest,
    )


def test_the_folder_of_a_training_is_read_like_its_configuration(tmp_path: Path) -> None:
    export(export_model("net", SMALL), "trainer", tmp_path)
    (tmp_path / "net.yaml").rename(tmp_path / "config.yaml")
    assert read_architecture(tmp_path).architecture == SMALL


@pytest.mark.soak
def test_the_digits_are_learnt(tmp_path: Path) -> None:
    """From the command line, as in the documentation, with a third of the recipe's epochs."""
    command = [
        sys.executable,
        "-m",
        "mvt_nas",
        "train",
        "mobilevit_xxs",
        "--recipe",
        "digits",
        "--data",
        "digits",
        "--epochs",
        "5",
        "--json",
    ]
    result = subprocess.run(
        [*command, "--threads", "1"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["judged"]["best"]["top1"] > 0.8


@pytest.mark.slow
def test_several_processes_train_together(tmp_path: Path) -> None:
    (done,) = together(tmp_path, 1)
    best = json.loads(done.stdout)["best"]
    with (tmp_path / "trained" / "small" / "metrics.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if int(row["epoch"]) == best["epoch"])
    loss = float(row["ema_loss" if best["averaged"] else "validation_loss"])
    # Only if all of them judge by the statistics of batch norms that are kept.
    assert json.loads(done.stdout)["judged"]["best"]["loss"] == pytest.approx(loss, rel=1e-6)
    assert done.stderr.count("epoch 1/2: ") == 1


@pytest.mark.soak
def test_several_processes_go_on_together(tmp_path: Path) -> None:
    first, second = together(tmp_path, 2)
    assert first.stdout == second.stdout
    assert "Training: all epochs are done" in second.stderr


def together(tmp_path: Path, times: int) -> list[subprocess.CompletedProcess[str]]:
    """Train with two processes, the same command some times."""
    folder(tmp_path / "pictures", {"a": 24, "b": 24})
    (tmp_path / "small.json").write_text(SMALL.to_json())
    command = [
        sys.executable,
        "-m",
        "mvt_nas",
        "train",
        "small.json",
        "--recipe",
        "digits",
        "--data",
        "pictures",
        "--px",
        "16",
        "--json",
    ]
    choices = [
        "--device",
        "cpu",
        "--devices",
        "2",
        "--threads",
        "1",
        "--workers",
        "0",
        "--batch",
        "16",
        "--epochs",
        "2",
    ]
    done = [
        subprocess.run(
            [*command, *choices], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        for _ in range(times)
    ]
    assert [one.returncode for one in done] == [0] * times, done[-1].stderr
    return done
