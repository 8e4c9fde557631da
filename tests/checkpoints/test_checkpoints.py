"""Loading of checkpoints under the names of other projects.

The names are those of the authors' state dicts, of Hugging Face's models, and copied from timm.

``data/authors_state_dicts.json`` holds the names and shapes of the state dicts of the authors'
implementations.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import (
    MobileViTConfig,
    MobileViTForImageClassification,
    MobileViTV2Config,
    MobileViTV2ForImageClassification,
)

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.checkpoints import load_checkpoint
from mvt_nas.checkpoints.key_mapping import KEY_MAPPINGS, translations
from mvt_nas.models.network import Network, build_model
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.published import published_names, zoo
from tests.support.architectures import published_params
from tests.support.checkpoints import SMALL, renamed, small

pytestmark = pytest.mark.slow

AUTHORS: dict[str, dict[str, list[int]]] = json.loads(
    (Path(__file__).parents[1] / "data" / "authors_state_dicts.json").read_text()
)


def shuffled(model: nn.Module, seed: int) -> nn.Module:
    """Give every parameter and statistic of ``model`` a random value.

    The values are so large that attention is far from uniform.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if value.ndim >= 2:
            value.normal_(std=1.5 / value[0].numel() ** 0.5, generator=generator)
        elif value.is_floating_point():
            value.uniform_(0.5, 1.5, generator=generator)
            value.sub_(1 if name.endswith(("running_mean", "bias")) else 0)
    return model.eval()


def equal(left: nn.Module, right: nn.Module) -> bool:
    a, b = left.state_dict(), right.state_dict()
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


# Names


@pytest.mark.parametrize("name", AUTHORS)
def test_names_and_shapes_are_those_of_the_authors_state_dicts(name: str) -> None:
    model = build_model(zoo(name), device="meta")
    own = model.state_dict()
    assert {
        theirs: list(own[ours].shape) for ours, (theirs,) in translations(model, "cvnets").items()
    } == AUTHORS[name]


@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevitv2_050"])
def test_names_of_timm_are_those_in_its_source(name: str) -> None:
    model = build_model(zoo(name), device="meta")
    names = {
        theirs: tuple(model.state_dict()[ours].shape)
        for ours, (theirs,) in translations(model, "timm").items()
    }
    literal: dict[str, dict[str, tuple[int, ...]]] = {
        "mobilevit_xxs": {
            "stem.conv.weight": (16, 3, 3, 3),
            "stem.bn.running_mean": (16,),
            "stages.0.0.conv1_1x1.conv.weight": (32, 16, 1, 1),
            "stages.1.2.conv2_kxk.conv.weight": (48, 1, 3, 3),
            "stages.2.0.conv3_1x1.bn.num_batches_tracked": (),
            "stages.2.1.conv_kxk.conv.weight": (48, 48, 3, 3),
            "stages.2.1.conv_1x1.weight": (64, 48, 1, 1),
            "stages.2.1.transformer.1.norm1.weight": (64,),
            "stages.2.1.transformer.1.attn.qkv.weight": (192, 64),
            "stages.2.1.transformer.1.attn.proj.bias": (64,),
            "stages.3.1.transformer.3.norm2.bias": (80,),
            "stages.3.1.transformer.3.mlp.fc1.weight": (160, 80),
            "stages.3.1.transformer.3.mlp.fc2.weight": (80, 160),
            "stages.4.1.norm.weight": (96,),
            "stages.4.1.conv_proj.conv.weight": (80, 96, 1, 1),
            "stages.4.1.conv_fusion.conv.weight": (80, 160, 3, 3),
            "stages.4.1.conv_fusion.bn.bias": (80,),
            "final_conv.conv.weight": (320, 80, 1, 1),
            "final_conv.bn.weight": (320,),
            "head.fc.weight": (1000, 320),
        },
        "mobilevitv2_050": {
            "stages.1.1.conv1_1x1.bn.running_var": (128,),
            "stages.2.1.conv_kxk.conv.weight": (128, 1, 3, 3),
            "stages.2.1.conv_1x1.weight": (64, 128, 1, 1),
            "stages.2.1.transformer.0.attn.qkv_proj.weight": (129, 64, 1, 1),
            "stages.2.1.transformer.0.attn.out_proj.bias": (64,),
            "stages.2.1.transformer.0.mlp.fc1.weight": (128, 64, 1, 1),
            "stages.2.1.norm.bias": (64,),
            "stages.2.1.conv_proj.bn.weight": (128,),
            "head.fc.bias": (1000,),
        },
    }
    assert literal[name].items() <= names.items()
    assert len(names) == len(model.state_dict())


@pytest.mark.parametrize("mapping", ["cvnets", "mvt-nas", "timm", "transformers"])
@pytest.mark.parametrize("name", [*published_params(), "small"])
def test_every_name_comes_back(name: str, mapping: str) -> None:
    architecture = SMALL if name == "small" else zoo(name)
    saved = shuffled(build_model(architecture, num_classes=2, seed=0), 1)
    assert isinstance(saved, Network)
    if architecture.stages[-1].to_dict().get("projection") == "none" and mapping in (
        "timm",
        "transformers",
    ):
        assert translations(saved, mapping) == {}
        return
    model = build_model(architecture, num_classes=2, seed=2)
    assert load_checkpoint(model, renamed(saved, mapping)) == mapping
    assert equal(model, saved)


@pytest.mark.parametrize("name", published_names())
def test_every_parameter_of_a_published_model_has_one_name(name: str) -> None:
    """Names and shapes alone, of all published models: their weights are not allocated."""
    model = build_model(zoo(name), num_classes=2, device="meta")
    assert isinstance(model, Network)
    for mapping in ("cvnets", "mvt-nas", "timm", "transformers"):
        table = translations(model, mapping)
        names = [name for those in table.values() for name in those]
        assert len({*names}) == len(names)
        assert not table or table.keys() == model.state_dict().keys()


def test_a_second_residual_before_a_block_has_a_name_where_residuals_are_numbered() -> None:
    stage = Stage(width=16, depth=2, block=MobileViT(attention="separable", dim=8, ffn_dim=12))
    model = build_model(Architecture(stem_width=8, stages=(stage,)), device="meta")
    assert "layer_1.2.local_rep.1.block.conv.weight" in renamed(model, "cvnets")
    assert "stages.0.2.conv_1x1.weight" in renamed(model, "timm")
    assert translations(model, "transformers") == {}


# Hugging Face's models


HUGGING_FACE: dict[str, dict[str, Any]] = {
    "mobilevit_xxs": {
        "hidden_sizes": [64, 80, 96],
        "neck_hidden_sizes": [16, 16, 24, 48, 64, 80, 320],
        "expand_ratio": 2.0,
    },
    "mobilevit_xs": {
        "hidden_sizes": [96, 120, 144],
        "neck_hidden_sizes": [16, 32, 48, 64, 80, 96, 384],
    },
    "mobilevit_s": {
        "hidden_sizes": [144, 192, 240],
        "neck_hidden_sizes": [16, 32, 64, 96, 128, 160, 640],
    },
    "mobilevitv2_050": {"width_multiplier": 0.5},
    "mobilevitv2_100": {"width_multiplier": 1.0},
}


def hugging_face(name: str) -> nn.Module:
    torch.manual_seed(0)
    size: dict[str, Any] = {"num_labels": 10} | HUGGING_FACE[name]
    if name.startswith("mobilevitv2"):
        return shuffled(MobileViTV2ForImageClassification(MobileViTV2Config(**size)), 1)
    return shuffled(MobileViTForImageClassification(MobileViTConfig(**size)), 1)


@pytest.mark.parametrize("name", HUGGING_FACE)
def test_logits_are_those_of_hugging_face(name: str) -> None:
    theirs, ours = hugging_face(name), build_model(zoo(name), num_classes=10, seed=0).eval()
    assert load_checkpoint(ours, theirs.state_dict()) == "transformers"
    images = torch.rand(2, 3, 256, 256)
    for kind, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        with torch.no_grad():
            logits, expected = (
                ours.to(kind)(images.to(kind)),
                theirs.to(kind)(images.to(kind)).logits,
            )
        spread = float(expected.std())
        assert spread > 1
        torch.testing.assert_close(logits, expected, rtol=0, atol=tolerance * spread)


# Wrappers, files, precision


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module.", "model."])
def test_wrappers_and_prefixes_are_taken_off(wrapper: str, prefix: str) -> None:
    model, saved = small(), small(1)
    state = {prefix + name: value for name, value in renamed(saved, "cvnets").items()}
    assert load_checkpoint(model, {wrapper: state, "epoch": 3}) == "cvnets"  # type: ignore[dict-item]
    assert equal(model, saved)


@pytest.mark.parametrize("classifier", ["classifier.1", "classifier.fc"])
@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevitv2_050"])
def test_both_of_the_authors_names_of_the_classifier_are_known(name: str, classifier: str) -> None:
    saved, model = (build_model(zoo(name), num_classes=2, seed=seed) for seed in (0, 1))
    state = {
        key: value
        for key, value in renamed(saved, "cvnets").items()
        if not key.startswith("classifier")
    }
    state |= {
        f"{classifier}.{leaf}": saved.classifier.get_parameter(leaf) for leaf in ("weight", "bias")
    }
    assert load_checkpoint(model, state) == "cvnets"
    assert equal(model, saved)


def test_counts_of_batches_may_be_missing() -> None:
    model, saved = small(), small(1)
    state = {
        name: value
        for name, value in saved.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    model.get_buffer("stem.1.num_batches_tracked").fill_(7)
    assert load_checkpoint(model, state) == "mvt-nas"
    assert int(model.state_dict()["stem.1.num_batches_tracked"]) == 7
    assert torch.equal(model.classifier.weight, saved.classifier.weight)


@pytest.mark.parametrize("as_text", [True, False])
def test_files_of_torch_are_read(tmp_path: Path, as_text: bool) -> None:
    path = tmp_path / "weights.pt"
    model, saved = small(), small(1)
    torch.save({"state_dict": renamed(saved, "timm"), "epoch": 3}, path)
    assert load_checkpoint(model, str(path) if as_text else path) == "timm"
    assert equal(model, saved)


def test_files_of_safetensors_are_read(tmp_path: Path) -> None:
    model, saved = small(), small(1)
    save_file(renamed(saved, "transformers"), tmp_path / "model.safetensors")
    assert load_checkpoint(model, tmp_path / "model.safetensors") == "transformers"
    assert equal(model, saved)


def test_precision_memory_and_gradients_of_the_model_stay() -> None:
    model, saved = small().double(), small(1)
    weight = model.classifier.weight
    weight.grad = torch.ones_like(weight)
    address = weight.data_ptr()
    load_checkpoint(model, saved.state_dict())
    assert model.classifier.weight is weight
    assert (weight.dtype, weight.data_ptr(), weight.requires_grad) == (torch.float64, address, True)
    assert (weight.grad == 1).all()
    assert torch.equal(weight, saved.classifier.weight.double())


def test_all_key_mappings_are_found() -> None:
    assert KEY_MAPPINGS.names() == ["cvnets", "mvt-nas", "timm", "transformers"]
