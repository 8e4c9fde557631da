"""Networks as Python files: they need only torch, compute the same, and hold nothing unused."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from mvt_nas._fields import integer, specs
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.checkpoints.load import load_checkpoint
from mvt_nas.errors import ExportError
from mvt_nas.export.base import ExportModel, read_architecture
from mvt_nas.export.model import identifier
from mvt_nas.export.python_source.file import source
from mvt_nas.export.python_source.templates import TEMPLATES
from mvt_nas.export.verification import export
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture, Block, Stage
from mvt_nas.space.published import published_names, zoo
from tests.support.architectures import random_architecture
from tests.support.export_networks import (
    ALONE,
    BLOCKS,
    architecture_with,
    architectures,
    realistic_export_model,
    realistic_network,
)

NETWORKS = architectures()
RANDOM = {
    f"drawn {seed}": replace(random_architecture(np.random.default_rng(seed)), resolution_px=64)
    for seed in range(1, 9)
}


def made(original: ExportModel) -> torch.nn.Module:
    """Return the network of a source, with the original's weights."""
    space: dict[str, Any] = {}
    exec(compile(source(original), "source", "exec"), space)
    model: torch.nn.Module = space[original.name](pretrained=False)
    model.load_state_dict(original.module.state_dict())
    return model.eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NETWORKS, *RANDOM])
def test_a_source_is_the_same_network(name: str) -> None:
    architecture = (NETWORKS | RANDOM)[name]
    original = realistic_export_model("net", architecture, num_classes=5)
    model = made(original)
    side = architecture.resolution_px
    for size in (side, side + 8):  # another one, which other patches do not divide
        images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            expected, found = original.module(images), model(images)
        assert expected.std() > 0.05
        torch.testing.assert_close(
            found, expected, rtol=0, atol=2e-5 * max(1.0, float(expected.abs().max()))
        )


@pytest.mark.slow
def test_published_sources_have_the_published_parameters() -> None:
    for name in published_names():
        with torch.device("meta"):
            original = ExportModel(
                name, zoo(name), build_model(zoo(name), device="meta"), 1000, "", name
            )
            space: dict[str, Any] = {}
            exec(compile(source(original), name, "exec"), space)
            state = space["Network"]().state_dict()
        assert {key: value.shape for key, value in state.items()} == {
            k: v.shape for k, v in original.module.state_dict().items()
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["seven stages", "mixed norms", "all convolutions"])
def test_a_source_needs_torch_alone(name: str, tmp_path: Path) -> None:
    original = realistic_export_model("alone", NETWORKS[name], num_classes=5)
    exported = export(original, "python", tmp_path / "there")
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["alone.pt", "alone.py"]
    here = tmp_path / "here"
    here.mkdir()
    for path in exported.files:
        shutil.copy(path, here)
    images = torch.randn(2, *original.input_shape[1:], generator=torch.Generator().manual_seed(0))
    torch.save(images, here / "images.pt")
    command = [sys.executable, "-c", ALONE.replace("NAME", "alone")]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == exported.params
    with torch.no_grad():
        torch.testing.assert_close(
            torch.load(here / "outputs.pt"), original.module(images), rtol=0, atol=2e-5
        )


def test_a_source_imports_and_defines_only_what_it_needs() -> None:
    def classes(architecture: Architecture) -> set[str]:
        tree = ast.parse(
            source(
                ExportModel(
                    "net", architecture, build_model(architecture, device="meta"), 5, "", ""
                )
            )
        )
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert {getattr(node, "module", node.names[0].name) for node in imports} <= {
            "__future__",
            "pathlib",
            "torch",
            "torch.nn",
        }
        defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert defined <= used | {"Network"}
        return defined

    always = {"ConvNorm", "InvertedResidual", "Stage", "Network"}
    assert classes(architecture_with(None)) == always | {"DepthwiseSeparable"}
    assert classes(zoo("mobilevitv2_050")) == always | {
        "SeparableAttention",
        "TransformerLayer",
        "Transformer",
        "MobileViTBlock",
    }
    assert classes(zoo("mobilevit_s")) == always | {
        "MultiHeadAttention",
        "TransformerLayer",
        "Transformer",
        "MobileViTBlock",
    }
    several = classes(NETWORKS["seven stages"])
    assert {name for name in several if name.startswith("MobileViTBlock")} == {
        f"MobileViTBlock{stage}" for stage in (3, 4, 5, 6, 7)
    }


def test_a_source_is_formatted_and_says_what_it_is(tmp_path: Path) -> None:
    for number, architecture in enumerate(
        [*NETWORKS.values(), zoo("mobilevit_s"), zoo("mobilevitv3_050")]
    ):
        module = build_model(architecture, num_classes=5, device="meta")
        (tmp_path / f"net{number}.py").write_text(
            source(ExportModel(f"net{number}", architecture, module, 5, "", ""))
        )
    for verb in (
        ["check", "--select", "E,W,F,I,B,UP,RET,SIM,D1", "--ignore", "D107"],
        ["format", "--check"],
    ):
        command = [sys.executable, "-m", "ruff", *verb, "--isolated", "--line-length", "100", "."]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    text = (
        ast.get_docstring(
            ast.parse(source(ExportModel("m", zoo("mobilevit_s"), module, 1000, "", "")))
        )
        or ""
    )
    assert "5,578,632 parameters, 2,000,831,488 multiply-adds for one image, 1000 classes" in text
    assert "arXiv 2110.02178" in text
    assert "arXiv 2206.02680" not in text


def test_its_weights_are_a_checkpoint_here_too(tmp_path: Path) -> None:
    original = realistic_export_model("net", NETWORKS["v2"], num_classes=5)
    export(original, "python", tmp_path)
    model = build_model(original.architecture, num_classes=5, seed=3)
    assert load_checkpoint(model, tmp_path / "net.pt") == "mvt-nas"
    assert all(
        torch.equal(value, original.module.state_dict()[name])
        for name, value in model.state_dict().items()
    )


def test_it_is_read_again_without_being_run(tmp_path: Path) -> None:
    architecture = NETWORKS["mixed attention"]
    text = source(
        ExportModel(
            "net", architecture, build_model(architecture, num_classes=5, device="meta"), 5, "", ""
        )
    )
    path = tmp_path / "net.py"
    path.write_text(
        "from pathlib import"
        f" Path\nPath({str(tmp_path / 'ran')!r}).touch()\n{text.partition('annotations')[2]}"
    )
    found = read_architecture(path)
    assert (found.architecture.key, found.settings) == (architecture.key, {"num_classes": 5})
    assert not (tmp_path / "ran").exists()


def test_a_block_without_a_template_is_named() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Unheard(Block):
        kind: ClassVar[str] = "unheard"

    architecture = Architecture(
        stem_width=8, head_width=None, stages=(Stage(width=8), Stage(width=8, block=Unheard()))
    )
    module = build_model(NETWORKS["v2"], device="meta")
    message = (
        r"^stage 2 cannot be written in PyTorch: no template of block 'unheard' \(known:"
        r" mobilevit\)$"
    )
    with pytest.raises(ExportError, match=message):
        source(ExportModel("net", architecture, module, 5, "", ""))


def test_a_field_that_its_template_does_not_know_is_named() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Grown(MobileViT):
        window: int = integer(1, 64, doc="something new", default=7)

    architecture = Architecture(
        stem_width=8, head_width=None, stages=(Stage(width=8, block=Grown(dim=8, ffn_dim=8)),)
    )
    module = build_model(NETWORKS["v2"], device="meta")
    with pytest.raises(
        ExportError,
        match=(
            "stage 1 cannot be written in PyTorch: the template of mobilevit does not know window"
        ),
    ):
        source(ExportModel("net", architecture, module, 5, "", ""))


def test_templates_know_every_field_there_is() -> None:
    assert set(TEMPLATES.get("mobilevit").fields) == set(specs(MobileViT))


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("mobilevit_s", "mobilevit_s"),
        ("results/phone-12", "phone_12"),
        ("nets/My Net.json", "my_net"),
        ("7.json", "network_7"),
        ("class", "network_class"),
        ("torch", "network_torch"),
        ("json", "network_json"),
        ("nn", "network_nn"),
        ("Range", "network_range"),
        ("***", "network"),
        ("größe", "gr_e"),
    ],
)
def test_titles_become_identifiers(title: str, name: str) -> None:
    assert identifier(title) == name
    assert name.isidentifier()


def test_statistics_of_the_networks_in_these_tests_are_those_of_their_activations() -> None:
    model = realistic_network(NETWORKS["seven stages"], num_classes=5)
    fresh = build_model(NETWORKS["seven stages"], num_classes=5, seed=0).state_dict()
    for name, value in model.state_dict().items():
        assert name.endswith("num_batches_tracked") or not torch.equal(value, fresh[name]), name
    outputs: list[float] = []
    for block in model.feature_blocks():
        block.register_forward_hook(lambda *given: outputs.append(float(given[2].std())))
    with torch.no_grad():
        model(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(7)))
    assert len(outputs) > 8
    assert all(0.2 < output < 20 for output in outputs), outputs


def test_a_block_list_covers_every_choice() -> None:
    for name, spec in specs(MobileViT).items():
        if spec.choices:
            assert {getattr(block, name) for block in BLOCKS.values()} | _in(RANDOM, name) >= set(
                spec.choices
            ), name


def _in(networks: dict[str, Architecture], field: str) -> set[object]:
    return {
        getattr(stage.block, field)
        for one in networks.values()
        for stage in one.stages
        if stage.block is not None
    }
