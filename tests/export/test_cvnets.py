"""Exports for ml-cvnets, built on a stand-in of its interfaces: the model is the same network."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from mvt_nas._fields import integer
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportModel, read_architecture
from mvt_nas.export.verification import export
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture, Block, Stage
from mvt_nas.space.published import zoo
from tests.support.export_networks import (
    BLOCKS,
    architecture_with,
    architectures,
    difference,
    images,
    random_export_model,
)

pytestmark = pytest.mark.slow

STANDIN = Path(__file__).parents[1] / "support" / "cvnets_standin"
AUTHORS: dict[str, dict[str, list[int]]] = json.loads(
    (Path(__file__).parents[1] / "data" / "authors_state_dicts.json").read_text()
)
ARCHITECTURES = architectures()


@pytest.fixture(scope="module")
def standin() -> Iterator[Any]:
    """The stand-in's options, while ``cvnets`` can be imported."""
    sys.path.insert(0, str(STANDIN))
    try:
        from options import opts

        yield opts
    finally:
        sys.path.remove(str(STANDIN))
        for name in [name for name in sys.modules if name.split(".")[0] in ("cvnets", "options")]:
            del sys.modules[name]


def write(model: ExportModel, folder: Path) -> str:
    """Export into a folder as where ml-cvnets is missing, and return the model's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvt_nas.export.targets.cvnets.installed", lambda name: False)
        written = TARGETS.get("cvnets").write(model, folder)
    assert (written.params, written.run, len(written.notes)) == (None, None, 1)
    return f"mvt_{model.name}"


def built(
    standin: Any, folder: Path, name: str, changes: dict[str, Any] | None = None, **kwargs: Any
) -> Any:
    """Return the model that ml-cvnets builds from model file and settings, and ``kwargs``."""
    from cvnets.models import MODEL_REGISTRY

    MODEL_REGISTRY.classes.pop(f"classification:{name}", None)
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    opts = standin.get_training_arguments(
        args=["--common.config-file", str(folder / f"{name}.yaml")]
    )
    for option, value in ({"model.activation.name": "swish"} | (changes or {})).items():
        setattr(opts, option, value)
    cls: Any = MODEL_REGISTRY[getattr(opts, "model.classification.name"), "classification"]
    return cls(opts, **kwargs).eval() if kwargs else cls.build_model(opts).eval()


def with_weights(model: nn.Module, folder: Path, name: str) -> nn.Module:
    model.load_state_dict(torch.load(folder / f"{name}.pt", weights_only=True))
    return model


# The model


@pytest.mark.parametrize("what", ARCHITECTURES)
def test_the_exported_model_is_the_same_network(what: str, standin: Any, tmp_path: Path) -> None:
    architecture = ARCHITECTURES[what]
    model = random_export_model(architecture)
    name = write(model, tmp_path)
    theirs, ours = with_weights(built(standin, tmp_path, name), tmp_path, name), model.module
    assert sum(weight.numel() for weight in theirs.parameters()) == sum(
        weight.numel() for weight in ours.parameters()
    )
    x = torch.from_numpy(images(architecture))
    with torch.inference_mode():
        assert difference(theirs(x), ours(x)) < 1e-5
        assert difference(theirs.double()(x.double()), ours.double()(x.double())) < 1e-10
    for file in (f"{name}.yaml", f"{name}.py"):
        assert read_architecture(tmp_path / file).architecture.key == architecture.key


@pytest.mark.parametrize("name", AUTHORS)
def test_names_and_shapes_are_those_of_the_authors_state_dicts(
    name: str, standin: Any, tmp_path: Path
) -> None:
    model = build_model(zoo(name), seed=0).eval()
    exported = write(ExportModel(name, zoo(name), model, 1000, "none", name), tmp_path)
    theirs = built(standin, tmp_path, exported)
    assert {tensor: list(value.shape) for tensor, value in theirs.state_dict().items()} == AUTHORS[
        name
    ]


@pytest.mark.parametrize(
    ("what", "block"),
    [
        ("v1", "MobileViTBlock"),
        ("v1 of one head", "MobileViTBlock"),
        ("v1 of wide kernels", "MobileViTBlock"),
        ("v1 without fusion", "MobileViTBlock"),
        ("v1 with a small fusion", "MixedBlock"),
        ("v2", "MobileViTBlockv2"),
        ("v2 of odd sizes", "MixedBlock"),
        ("v3 on v1", "MixedBlock"),
        ("v3 on v2", "MixedBlock"),
    ],
)
def test_blocks_are_ml_cvnets_own_where_they_compute_the_same(
    what: str, block: str, standin: Any, tmp_path: Path
) -> None:
    model = built(
        standin, tmp_path, write(random_export_model(architecture_with(BLOCKS[what])), tmp_path)
    )
    assert type(model.layer_3[-1]).__name__ == block
    assert [type(layer).__name__ for layer in (*model.layer_1, *model.layer_2)] == [
        "PlainResidual",
        *["InvertedResidual"] * 2,
    ]


V1_CHANGES = {
    "norm": "group_norm",
    "local_conv": "depthwise",
    "projection": "linear",
    "residual": True,
    "resize": "input",
    "align_corners": True,
    "fusion": "local",
    "fusion_activation": "linear",
    "concat_order": "global_first",
    "fusion_kernel": 5,
}
V2_CHANGES = {
    "norm": "layer_norm",
    "local_conv": "full",
    "projection": "silu",
    "residual": True,
    "resize": "local",
    "align_corners": False,
    "fusion": "input",
    "ffn_dim": 72,
}


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        *(("v1", {name: value}) for name, value in V1_CHANGES.items()),
        *(("v2", {name: value}) for name, value in V2_CHANGES.items()),
    ],
    ids=str,
)
def test_every_other_choice_needs_a_block_of_its_own(
    what: str, changed: dict[str, Any], standin: Any, tmp_path: Path
) -> None:
    # Patches of 3 do not divide a map of 16.
    model = random_export_model(architecture_with(replace(BLOCKS[what], patch=3, **changed)))
    name = write(model, tmp_path)
    theirs, x = (
        with_weights(built(standin, tmp_path, name), tmp_path, name),
        torch.from_numpy(images(model.architecture, batch=1)),
    )
    assert type(theirs.layer_3[-1]).__name__ == "MixedBlock"
    with torch.inference_mode():
        assert difference(theirs(x), model.module(x)) < 1e-5


def test_the_norm_of_tokens_does_not_mistake_patches_for_channels(
    standin: Any, tmp_path: Path
) -> None:
    # 8 x 8 pixels in patches of 2 x 2 are 16 tokens, as many as there are channels.
    architecture = architecture_with(
        MobileViT(dim=16, ffn_dim=32, fusion="input", fusion_kernel=3), resolution_px=32
    )
    model = random_export_model(
        replace(
            architecture,
            stages=(*architecture.stages[:2], replace(architecture.stages[2], stride=1)),
        )
    )
    name = write(model, tmp_path)
    theirs, x = (
        with_weights(built(standin, tmp_path, name), tmp_path, name),
        torch.from_numpy(images(model.architecture)),
    )
    with torch.inference_mode():
        assert difference(theirs(x), model.module(x)) < 1e-5
        for layer in theirs.modules():  # what ml-cvnets' own norm makes of the same tokens
            layer.forward = (
                super(type(layer), layer).forward
                if type(layer).__name__ == "TokenLayerNorm"
                else layer.forward
            )
        assert difference(theirs(x), model.module(x)) > 1e-2


def test_end_points_are_those_of_the_stages(standin: Any, tmp_path: Path) -> None:
    for what, sides in (("v1", [32, 16, 8, 8, 8]), ("seven stages", [32, 16, 8, 4, 2])):
        model = built(standin, tmp_path, write(random_export_model(ARCHITECTURES[what]), tmp_path))
        points = model.extract_end_points_all(torch.zeros(1, 3, 64, 64))
        assert [points[f"out_l{number}"].shape[-1] for number in range(1, 6)] == sides
        widths = [model.model_conf_dict[f"layer{number}"]["out"] for number in range(1, 6)]
        assert widths[:4] == [points[f"out_l{number}"].shape[1] for number in range(1, 5)]
        assert (
            points["out_l5"].shape[1]
            == ARCHITECTURES[what].stages[-1].width
            == model.model_conf_dict["exp_before_cls"]["in"]
        )


@pytest.mark.parametrize(("output_stride", "side"), [(None, 1), (16, 2), (8, 4)])
def test_stages_are_dilated_for_segmentation(
    output_stride: int | None, side: int, standin: Any, tmp_path: Path
) -> None:
    architecture = replace(zoo("mobilevit_xxs"), resolution_px=32)
    found = ExportModel(
        "xxs", architecture, build_model(architecture, seed=0).eval(), 1000, "none", "mobilevit_xxs"
    )
    model = built(standin, tmp_path, write(found, tmp_path), output_stride=output_stride)
    assert model.extract_end_points_all(torch.zeros(1, 3, 32, 32))["out_l5"].shape[-1] == side


def test_options_reach_the_model(standin: Any, tmp_path: Path) -> None:
    name = write(
        random_export_model(architecture_with(BLOCKS["v3 on v1"], BLOCKS["v3 on v2"])), tmp_path
    )
    changes = {"model.classification.n_classes": 7, "model.classification.classifier_dropout": 0.25}
    changes |= {
        "model.classification.mit.ffn_dropout": 0.3,
        "model.classification.mitv2.attn_dropout": 0.4,
    }
    model = built(standin, tmp_path, name, changes)
    assert [layer for layer, _ in model.classifier.named_children()] == [
        "global_pool",
        "dropout",
        "fc",
    ]
    assert model.classifier[-1].out_features == 7
    assert model.classifier[1].p == 0.25
    assert model.layer_3[-1].global_rep[0].pre_norm_ffn[3].p == 0.3
    assert model.layer_4[-1].global_rep[0].pre_norm_attn[1].attn_dropout.p == 0.4
    assert model.resets == 1
    model.train()(torch.zeros(2, 3, 64, 64)).sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


# Where ml-cvnets is installed


def test_where_ml_cvnets_is_installed_it_builds_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(STANDIN))
    monkeypatch.syspath_prepend(STANDIN)
    model = random_export_model(architecture_with(BLOCKS["v3 on v1"]))
    written = TARGETS.get("cvnets").write(model, tmp_path)
    assert [file.name for file in written.files] == [
        "mvt_found_7.yaml",
        "mvt_found_7.py",
        "mvt_found_7.pt",
        "README.md",
    ]
    assert (written.params, written.notes) == (
        sum(weight.numel() for weight in model.module.parameters()),
        (),
    )
    assert written.run is not None
    x = images(model.architecture)
    assert difference(torch.from_numpy(written.run(x)), model.module(torch.from_numpy(x))) < 1e-5


def test_an_installed_ml_cvnets_that_fails_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("cvnets", "options"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(
            "raise ImportError('no module named wonders')\n"
        )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ExportError, match="does not build mvt_found_7: ImportError: no module named wonders"
    ):
        export(random_export_model(architecture_with(None)), "cvnets", tmp_path / "out")


def test_a_block_that_the_file_has_no_code_for_is_refused(tmp_path: Path) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Strange(Block):
        kind: ClassVar[str] = "strange"
        size: int = integer(1, 9, doc="of it")

    architecture = architecture_with(None)
    strange = Architecture(
        stem_width=8, stages=(*architecture.stages, Stage(width=16, block=Strange(size=3)))
    )
    model = replace(random_export_model(architecture), architecture=strange)
    with pytest.raises(
        ExportError,
        match="target cvnets cannot express stage 4: block = 'strange'; one of conv, mobilevit",
    ):
        export(model, "cvnets", tmp_path)
