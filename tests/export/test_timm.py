"""Exports for timm, on a stand-in of its interfaces: the same network, with its conventions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mvt_nas.checkpoints import load_checkpoint
from mvt_nas.export.base import TARGETS, read_architecture
from mvt_nas.export.verification import export
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture
from tests.support.export_networks import (
    BLOCKS,
    NUM_CLASSES,
    architecture_with,
    architectures,
    difference,
    images,
    random_export_model,
)

pytestmark = pytest.mark.slow

STANDIN = Path(__file__).parents[1] / "support" / "timm_standin"
ARCHITECTURES = architectures()
NAME = "mvt_found_7"
# Options of timm's train.py, of those that the command gives.
_NAMES = """
model data-dir num-classes input-size epochs batch-size opt opt-betas weight-decay sched lr min-lr
warmup-lr warmup-epochs smoothing model-ema model-ema-decay amp train-interpolation aa reprob
mixup cutmix clip-grad drop
"""
OPTIONS = set(_NAMES.split())


@pytest.fixture(autouse=True)
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let ``timm`` be imported."""
    monkeypatch.syspath_prepend(STANDIN)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("timm", NAME)]:
        del sys.modules[name]


def exported(architecture: Architecture, folder: Path, nearest: str = "mobilevit_xxs") -> Any:
    """Return our network, after an export that the stand-in for timm has checked."""
    model = random_export_model(architecture, nearest=nearest)
    done = export(model, "timm", folder)
    assert [file.name for file in done.files] == [f"{NAME}.py", f"{NAME}.pth", "README.md"]
    assert done.params_equal
    assert done.max_abs_diff is not None
    assert done.max_abs_diff <= 1e-5 * done.largest
    return model.module


def created(*args: Any, **kwargs: Any) -> Any:
    from timm import create_model

    return create_model(NAME, *args, **kwargs).eval()


@pytest.mark.parametrize("what", ARCHITECTURES)
def test_the_exported_model_is_the_same_network(what: str, tmp_path: Path) -> None:
    architecture = ARCHITECTURES[what]
    ours = exported(architecture, tmp_path)
    theirs, x = created(pretrained=True), torch.from_numpy(images(architecture))
    with torch.inference_mode():
        assert difference(theirs(x), ours(x)) < 1e-5
        assert difference(theirs.double()(x.double()), ours.double()(x.double())) < 1e-10
    assert read_architecture(tmp_path / f"{NAME}.py").architecture.key == architecture.key


def test_the_model_takes_timms_arguments(tmp_path: Path) -> None:
    ours = exported(architecture_with(BLOCKS["v3 on v1"], BLOCKS["v2"]), tmp_path)
    x = torch.from_numpy(images(ours.architecture))
    model = created(pretrained=True, num_classes=9, in_chans=1, drop_rate=0.5, global_pool="max")
    assert model(x[:, :1]).shape == (2, 9)
    assert (
        model.num_classes,
        model.num_features,
        model.drop_rate,
        model.get_classifier().out_features,
    ) == (9, 24, 0.5, 9)
    assert torch.allclose(model.stem[0].weight, ours.stem[0].weight.sum(dim=1, keepdim=True))
    features = model.forward_features(x[:, :1])
    assert torch.equal(model.forward_head(features, pre_logits=True), features.amax(dim=(2, 3)))
    assert not torch.equal(
        model.train().forward_head(features, pre_logits=True),
        model.eval().forward_head(features, pre_logits=True),
    )


def test_the_classifier_can_be_replaced(tmp_path: Path) -> None:
    ours = exported(architecture_with(BLOCKS["v1"]), tmp_path)
    model, x = created(pretrained=True), torch.from_numpy(images(ours.architecture))
    model.reset_classifier(0)
    assert model(x).shape == (2, 24)
    assert difference(model(x), model.forward_features(x).mean(dim=(2, 3))) < 1e-6
    model.reset_classifier(3)
    assert (model.num_classes, model(x).shape) == (3, (2, 3))
    assert created(num_classes=0)(x).shape == (2, 24)


def test_features_are_those_of_the_stages(tmp_path: Path) -> None:
    ours = exported(ARCHITECTURES["seven stages"], tmp_path)
    x = torch.from_numpy(images(ours.architecture))
    expected, y = [], ours.stem(x)
    for stage in ours.stages:
        expected.append(y := stage(y))
    found = created(pretrained=True, features_only=True)
    assert all(
        difference(left, right) < 1e-5 for left, right in zip(found(x), expected, strict=True)
    )
    assert [one["num_chs"] for one in found.info] == [
        stage.width for stage in ours.architecture.stages
    ]
    assert [64 // one["reduction"] for one in found.info] == [part.shape[-1] for part in expected]


def test_gradients_are_the_same_with_checkpointing(tmp_path: Path) -> None:
    exported(architecture_with(BLOCKS["v2"]), tmp_path)
    gradients = []
    for enable in (False, True):
        model = created(pretrained=True).train()
        model.set_grad_checkpointing(enable)
        model(torch.from_numpy(images(architecture_with(BLOCKS["v2"])))).sum().backward()
        gradients.append([weight.grad for weight in model.parameters()])
    assert all(
        torch.allclose(left, right, atol=1e-5) for left, right in zip(*gradients, strict=True)
    )


def test_layers_are_grouped_by_depth(tmp_path: Path) -> None:
    exported(architecture_with(BLOCKS["v1"]), tmp_path)
    model = created()
    for coarse in (False, True):
        matcher = model.group_matcher(coarse)
        patterns = [matcher["stem"], *(pattern for pattern, _ in matcher["blocks"])]
        for name, _ in model.named_parameters():
            found = [match for pattern in patterns if (match := re.match(pattern, name))]
            assert len(found) == (not name.startswith("classifier"))
            assert all(
                group.isdigit() for match in found for group in match.groups()
            )  # timm makes numbers of them


def test_the_configuration_has_the_image_transform(tmp_path: Path) -> None:
    exported(architecture_with(BLOCKS["v2"], resolution_px=96), tmp_path, nearest="mobilevitv2_100")
    cfg = created().default_cfg
    assert (cfg["input_size"], cfg["pool_size"], cfg["num_classes"]) == (
        (3, 96, 96),
        (12, 12),
        NUM_CLASSES,
    )
    assert (cfg["mean"], cfg["std"], cfg["interpolation"]) == ((0.0,) * 3, (1.0,) * 3, "bicubic")
    assert int(96 / cfg["crop_pct"]) == round(96 * 288 / 256) - 1 or int(
        96 / cfg["crop_pct"]
    ) == round(96 * 288 / 256)
    state = created().state_dict()
    assert {f"{cfg['first_conv']}.weight", f"{cfg['classifier']}.weight"} <= set(state)


def test_weights_that_timm_trained_come_back(tmp_path: Path) -> None:
    architecture = architecture_with(BLOCKS["v3 on v2"])
    exported(architecture, tmp_path)
    torch.save(
        {"state_dict": created(pretrained=True).state_dict()}, tmp_path / "model_best.pth.tar"
    )
    ours = build_model(architecture, num_classes=NUM_CLASSES, seed=4).eval()
    assert load_checkpoint(ours, tmp_path / "model_best.pth.tar") == "mvt-nas"
    x = torch.from_numpy(images(architecture))
    assert difference(ours(x), created(pretrained=True)(x)) < 1e-5


def test_timms_scripts_know_the_model(tmp_path: Path) -> None:
    exported(architecture_with(BLOCKS["v1"]), tmp_path)
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, timm\nprint(__name__, sys.argv, timm.create_model(sys.argv[2]).num_features)\n"
    )
    command = [sys.executable, tmp_path / f"{NAME}.py", script, "--model", NAME]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(STANDIN)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"__main__ {[str(script), '--model', NAME]} 24\n"


@pytest.mark.parametrize(
    ("nearest", "options"),
    [
        (
            "mobilevit_s",
            [
                "batch-size 128",
                "weight-decay 0.01",
                "lr 0.002",
                "min-lr 0.0002",
                "warmup-lr 0.0002",
                "warmup-epochs 2",
            ],
        ),
        (
            "mobilevitv2_075",
            [
                "weight-decay 0.008",
                "lr 0.009",
                "warmup-epochs 16",
                "min-lr 0.0009",
                "warmup-lr 1e-06",
                "mixup 0.2",
                "clip-grad 10",
            ],
        ),
        (
            "mobilevitv3_xs",
            ["batch-size 32", "weight-decay 0.01", "lr 0.002", "warmup-epochs 1", "drop 0.1"],
        ),
    ],
)
def test_the_readme_gives_the_recipe_in_timms_options(
    nearest: str, options: list[str], tmp_path: Path
) -> None:
    exported(architecture_with(BLOCKS["v1"]), tmp_path, nearest=nearest)
    text = (tmp_path / "README.md").read_text()
    command = " ".join(text.split("```")[1].replace("\\\n", " ").split())
    assert f'{NAME}.py "$TIMM/train.py" --model {NAME}' in command
    given = [option.strip() for option in command.partition("train.py")[2].split("--")[1:]]
    assert {option.split()[0] for option in given} <= OPTIONS
    assert set(options) <= set(given)


def test_without_timm_the_model_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvt_nas.export.targets.timm.installed", lambda name: False)
    written = TARGETS.get("timm").write(
        replace(random_export_model(architecture_with(None)), name="mvt_own"), tmp_path
    )
    assert (written.params, written.run) == (None, None)
    assert written.files[0].name == "mvt_own.py"
    assert "timm is not installed here" in written.notes[0]
