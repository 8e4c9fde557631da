"""The shipped spaces, and files with ``extends`` and ``fix``."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import SpaceError
from mvt_nas.resources import shipped_names, shipped_spaces
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import load_space

V1 = ["mobilevit_xxs", "mobilevit_xs", "mobilevit_s"]
V2 = [f"mobilevitv2_{percent}" for percent in ("050", "075", "100", "125", "150", "175", "200")]
V3 = [
    f"mobilevitv3_{size}"
    for size in ("xxs", "xs", "s", "050", "075", "100", "xxs_l2", "xs_l2", "s_l2")
]

# name: (architectures, dimensions, published models)
SHIPPED: dict[str, tuple[int, int, list[str]]] = {
    "mobilevit": (334_292_785_262_944_923_972_722_760, 51, V1 + V2 + V3),
    "mobilevit_v1": (21_406_799_247_401_940_530_760, 36, V1),
    "mobilevit_v2": (136_880_554_866_230_120_400, 32, V2),
    "mobilevit_v3": (41_805_246_430_441_242_032_760, 39, V3),
    "photos_128": (1_137_527_896_245_949_728, 45, []),
    "small_images": (4_557_525_397_920, 35, []),
    "tiny": (3_936, 13, []),
}


def test_all_shipped_spaces_are_in_the_table() -> None:
    assert shipped_names() == sorted(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_spaces_have_their_sizes_and_published_models(name: str) -> None:
    space = load_space(name)
    size, dimensions, models = SHIPPED[name]
    assert (space.size, len(space.dimensions), space.name) == (size, dimensions, name)
    assert [model for model in published_names() if space.contains(zoo(model))] == models
    assert load_space(shipped_spaces() / f"{name}.yaml").hash == space.hash


def _blocks(architecture: Architecture) -> list[MobileViT]:
    return [stage.block for stage in architecture.stages if isinstance(stage.block, MobileViT)]


def test_the_smaller_spaces_are_parts_of_the_whole() -> None:
    whole = load_space("mobilevit")
    for name in ("mobilevit_v1", "mobilevit_v2", "mobilevit_v3"):
        part = load_space(name)
        assert all(
            whole.contains(architecture)
            for architecture in part.decode_many(part.sample(20, seed=4))
        )
    blocks = [block for a in whole.decode_many(whole.sample(200, seed=4)) for block in _blocks(a)]
    assert (
        len({(block.attention, block.local_conv, block.fusion, block.residual) for block in blocks})
        == 2 * 2 * 3 * 2
    )


def test_tiny_has_something_of_everything() -> None:
    space = load_space("tiny")
    blocks = [block for a in space.decode_many(space.enumerate()) for block in _blocks(a)]
    assert {block.attention for block in blocks} == {"multi_head", "separable"}
    assert {block.patch for block in blocks} == {2, 4}
    assert {block.fusion for block in blocks} == {"none", "input"}
    assert {len(_blocks(a)) for a in space.decode_many(space.enumerate())} == {1, 2}
    assert "patch" in [dimension.name for dimension in space.dimensions]
    assert space.document["rules"]


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


BASE = """
name: base
description: the first
resolution_px: [64, 128]
stem: {width: [8, 16]}
head: {expansion: [2, 3]}
defaults: {depth: [1, 2], ffn_multiplier: [2, 3]}
stages:
  - {width: [16, 32]}
  - {block: mobilevit, width: 32, dim: [16, 32], heads: 4}
rules: [stage2.width >= stage1.width]
"""


def test_extending_replaces_keys_merges_mappings_and_appends_rules(tmp_path: Path) -> None:
    _write(tmp_path, "base.yaml", BASE)
    text = (
        "extends: base.yaml\nresolution_px: 64\nhead: {width: 64}\ndefaults: {ffn_dim: 48}\nstages:"
        " [{}, {dim: 64}]\nrules: [depth > 1]"
    )
    space = load_space(_write(tmp_path, "child.yaml", text))
    assert [dimension.name for dimension in space.dimensions] == [
        "stem.width",
        "stage1.width",
        "stage1.depth",
        "stage2.depth",
    ]
    architectures = space.decode_many(space.enumerate())
    assert len(architectures) == 4
    assert {(a.resolution_px, a.head_width, a.stages[1].depth) for a in architectures} == {
        (64, 64, 2)
    }
    assert {(block.dim, block.ffn_dim) for a in architectures for block in _blocks(a)} == {(64, 48)}
    assert space.document["rules"] == ["stage2.width >= stage1.width", "depth > 1"]
    assert space.name == "child"
    assert "description" not in space.document


def test_chains_of_files_and_of_fixed_choices(tmp_path: Path) -> None:
    _write(tmp_path, "base.yaml", BASE)
    _write(tmp_path, "middle.yaml", "extends: base.yaml\nfix: {depth: 1, stem.width: 8}")
    space = load_space(
        _write(
            tmp_path, "last.yaml", "extends: middle.yaml\nfix: {stem.width: 16, stage1.depth: 2}"
        )
    )
    assert space.document["fix"] == {"stem.width": 16, "stage1.depth": 2, "stage2.depth": 1}
    assert {
        (a.stem_width, a.stages[0].depth, a.stages[1].depth)
        for a in space.decode_many(space.enumerate())
    } == {(16, 2, 1)}


def test_a_file_may_extend_a_space_that_ships(tmp_path: Path) -> None:
    for name in ("tiny", "tiny.yaml"):
        space = load_space(
            _write(tmp_path, "own.yaml", f"extends: {name}\nresolution_px: [64, 96]")
        )
        assert space.size == 2 * 3936


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "extends: nowhere.yaml",
            (
                r"own.yaml: extends = 'nowhere.yaml' is not allowed; the name of a file in the"
                r" same folder, or of a shipped space$"
            ),
        ),
        ("extends: own.yaml", r"own.yaml: extends itself \(by way of own.yaml\)$"),
        ("extends: other.yaml", r"own.yaml: extends itself \(by way of own.yaml, other.yaml\)$"),
        ("extends: 3", r"own.yaml: extends = 3 is not allowed; a text is expected$"),
        (
            "extends: tiny.yaml\nstages: [{}]",
            (
                r"own.yaml: stages holds 1 entries, the extended file 3; give one mapping each \({}"
                r" keeps the stage\)$"
            ),
        ),
        (
            "extends: tiny.yaml\nfix: {patch: 3}",
            r"own.yaml: fix: patch = 3 is not one of its values \(2, 4\)$",
        ),
        (
            "extends: tiny.yaml\nfix: {pach: 2}",
            r"own.yaml: fix: 'pach' is not a dimension; did you mean 'patch'",
        ),
    ],
)
def test_files_that_extend_wrongly_are_refused(tmp_path: Path, text: str, message: str) -> None:
    _write(tmp_path, "other.yaml", "extends: own.yaml")
    with pytest.raises(SpaceError, match=message):
        load_space(_write(tmp_path, "own.yaml", text))


def test_a_name_that_does_not_ship() -> None:
    with pytest.raises(
        SpaceError,
        match=(
            r"^mobilevitt: no such file, and no shipped space of that name; did you mean"
            r" 'mobilevit'\?"
        ),
    ):
        load_space("mobilevitt")
