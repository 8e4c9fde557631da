"""Fields of a space file: precedence of entries, conditions and factors."""

from __future__ import annotations

from typing import Any

import pytest

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import SpaceError
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import SearchSpace

Document = dict[str, Any]
BLOCK: Document = {"block": "mobilevit", "width": 32, "dim": 32}


def space_of(*stages: Document, **keys: Any) -> SearchSpace:
    return SearchSpace({"stem": {"width": 16}, "stages": list(stages)} | keys)


def names(space: SearchSpace) -> list[str]:
    return [dimension.name for dimension in space.dimensions]


def architectures(space: SearchSpace) -> list[Architecture]:
    return space.decode_many(space.enumerate())


def blocks(space: SearchSpace, stage: int = 1) -> list[MobileViT]:
    found = [architecture.stages[stage - 1].block for architecture in architectures(space)]
    return [block for block in found if isinstance(block, MobileViT)]


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        (24, None),
        ([24], None),
        ([24, 16, 32], (16, 24, 32)),
        ({"values": [32, 16]}, (16, 32)),
        ({"min": 16, "max": 32}, tuple(range(16, 33))),
        ({"min": 16, "max": 39, "step": 8}, (16, 24, 32)),
        ({"min": 16, "max": 16}, None),
    ],
)
def test_entries_give_their_values_in_order(entry: Any, values: tuple[int, ...] | None) -> None:
    space = space_of({"width": entry})
    assert [dimension.values for dimension in space.dimensions] == (
        [] if values is None else [values]
    )


def test_ranges_of_fractions_are_the_decimal_numbers_that_were_meant() -> None:
    space = space_of({"width": 16, "expansion": {"min": 1, "max": 2, "step": 0.1}})
    assert space.dimensions[0].values == (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2)


def test_a_stage_wins_over_the_defaults_and_they_over_what_is_shared() -> None:
    keys: Document = {"shared": {"patch": [1, 2]}, "defaults": {"dim": [48, 64], "depth": 2}}
    space = space_of(
        {"block": "mobilevit", "width": 16}, BLOCK | {"patch": 4, "depth": 3}, BLOCK, **keys
    )
    assert names(space) == ["stage1.dim", "patch"]
    assert {
        (a.stages[0].depth, a.stages[1].depth, a.stages[2].depth) for a in architectures(space)
    } == {(2, 3, 2)}
    patches = {tuple(stage.block.patch for stage in a.stages) for a in architectures(space)}  # type: ignore[union-attr]
    assert patches == {(1, 4, 1), (2, 4, 2)}


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        ({"ffn_dim": [64, 128]}, {"ffn_multiplier": 3}, {96}),
        ({"ffn_multiplier": [2, 3]}, {"ffn_dim": 80}, {80}),
    ],
)
@pytest.mark.parametrize("key", ["shared", "defaults"])
def test_a_field_wins_over_its_other_name_from_further_off(
    key: str, lower: Document, upper: Document, expected: set[int]
) -> None:
    space = space_of(BLOCK | upper, BLOCK, **{key: lower})
    assert {block.ffn_dim for block in blocks(space)} == expected
    assert {block.ffn_dim for block in blocks(space, 2)} == set(lower.get("ffn_dim", [64, 96]))


def test_unnamed_fields_take_the_defaults_of_the_block() -> None:
    (block,) = blocks(space_of(BLOCK | {"attention": "separable"}))
    assert block == MobileViT(dim=32, ffn_dim=64, attention="separable")


def test_a_shared_choice_under_a_condition_counts_only_where_it_holds() -> None:
    keys: Document = {
        "shared": {
            "patch": {"values": [2, 4, 8], "when": {"attention": "separable"}, "otherwise": 1}
        },
        "defaults": {"attention": ["multi_head", "separable"]},
    }
    space = space_of(BLOCK, BLOCK, **keys)
    found = {
        tuple((stage.block.attention, stage.block.patch) for stage in a.stages)
        for a in architectures(space)
    }  # type: ignore[union-attr]
    assert len(found) == space.size == 1 + 3 * 3
    assert all(
        patch == 1 for pairs in found for attention, patch in pairs if attention == "multi_head"
    )
    assert all(
        first[1] == second[1] for first, second in found if first[0] == second[0] == "separable"
    )


def test_a_shared_choice_is_found_again_where_another_stage_has_it_by_chance() -> None:
    # Stage 1 has patch 2 by default; the shared choice is the 4 of stage 2.
    keys: Document = {
        "shared": {"patch": {"values": [2, 4], "when": {"attention": "separable"}, "otherwise": 2}}
    }
    space = space_of(
        BLOCK | {"attention": ["multi_head", "separable"]},
        BLOCK | {"attention": "separable"},
        **keys,
    )
    found = {(a.stages[0].block.patch, a.stages[1].block.patch) for a in architectures(space)}  # type: ignore[union-attr]
    assert found == {(2, 2), (2, 4), (4, 4)}
    for architecture in architectures(space):
        assert space.decode(space.encode(architecture)) == architecture


def test_a_shared_factor_is_found_again_where_one_stage_cannot_tell() -> None:
    # 1 and 1.5 times 16 both round down to 16; only stage 2 tells them apart.
    space = space_of(
        BLOCK | {"dim": 16}, BLOCK | {"dim": 64}, shared={"ffn_multiplier": [1, 1.5, 2]}
    )
    assert [
        (a.stages[0].block.ffn_dim, a.stages[1].block.ffn_dim) for a in architectures(space)
    ] == [
        (16, 64),
        (16, 96),
        (32, 128),
    ]  # type: ignore[union-attr]
    assert [space.encode(architecture).tolist() for architecture in architectures(space)] == [
        [0],
        [1],
        [2],
    ]


def test_a_choice_under_a_condition_falls_back_to_the_default_of_the_block() -> None:
    field = {"values": ["full", "depthwise"], "when": {"attention": "multi_head"}}
    space = space_of(BLOCK | {"attention": ["multi_head", "separable"], "local_conv": field})
    assert sorted((block.attention, block.local_conv) for block in blocks(space)) == [
        ("multi_head", "depthwise"),
        ("multi_head", "full"),
        ("separable", "depthwise"),
    ]


def test_a_constant_under_a_condition_makes_no_dimension() -> None:
    space = space_of(
        BLOCK
        | {
            "attention": ["multi_head", "separable"],
            "patch": {"values": 4, "when": {"attention": "separable"}, "otherwise": 1},
        }
    )
    assert names(space) == ["stage1.attention"]
    assert [(block.attention, block.patch) for block in blocks(space)] == [
        ("multi_head", 1),
        ("separable", 4),
    ]


def test_a_condition_may_name_a_field_of_another_stage_in_full() -> None:
    space = space_of(
        {"width": [16, 32]},
        {"width": 32, "depth": {"values": [1, 2], "when": {"stage1.width": 32}, "otherwise": 3}},
    )
    assert sorted((a.stages[0].width, a.stages[1].depth) for a in architectures(space)) == [
        (16, 3),
        (32, 1),
        (32, 2),
    ]


def test_a_block_may_have_a_condition() -> None:
    block = {"values": ["mobilevit"], "when": {"width": 32}, "otherwise": "conv"}
    space = space_of({"block": block, "width": [16, 32], "dim": [16, 32]})
    assert sorted((a.stages[0].width, a.stages[0].kind) for a in architectures(space)) == [
        (16, "conv"),
        (32, "mobilevit"),
        (32, "mobilevit"),
    ]


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            {"heads": {"values": [2, 4], "when": {"atention": "separable"}}},
            r"heads: the condition names 'atention', which is not a field; did you mean",
        ),
        (
            {"heads": {"values": [2, 4], "when": {"attention": "softmax"}}},
            r"heads.when.attention = 'softmax' is not allowed; one of multi_head",
        ),
        (
            {"heads": {"values": [2, 4], "when": {"patch": 3}}},
            r"heads: the condition that stage1.patch is 3 can never hold; it is one of 1, 2$",
        ),
        (
            {"heads": {"values": [2, 4], "when": {"patch": "2"}}},
            r"heads.when.patch = '2' is not allowed; an integer from 1 to 64$",
        ),
        (
            {"heads": {"values": [2, 4], "when": {"patch": []}}},
            r"heads.when.patch: the list of values is empty; an integer",
        ),
        (
            {"heads": {"values": [2, 4], "when": "patch"}},
            r"heads.when = 'patch' is not allowed; a mapping of fields to values$",
        ),
        (
            {"heads": {"values": [2, 4], "when": {"ffn_multiplier": 2}}},
            r"names 'ffn_multiplier', which is a factor; name 'stage1.ffn_dim'$",
        ),
        (
            {"heads": {"values": [2, 4], "when": {"heads": 2}}},
            r"heads: the conditions form a cycle \(stage1.heads -> stage1.heads\)$",
        ),
        (
            {"dim": {"values": [32, 64], "when": {"patch": 1}}},
            r"dim: needs otherwise, since it has no default; an integer from 1 to 8192$",
        ),
        (
            {"heads": {"values": [2, 4], "otherwise": 1}},
            r"heads: otherwise needs a condition \(when\)$",
        ),
        (
            {"heads": {"values": [2, 4], "when": {"patch": 1}, "otherwise": 0}},
            r"heads.otherwise = 0 is not allowed; an integer from 1 to 64$",
        ),
        (
            {"ffn_multiplier": 2, "ffn_dim": 64},
            r"stages\[0\]: give either 'ffn_dim' or 'ffn_multiplier', not both$",
        ),
        (
            {"dim": 8192, "ffn_multiplier": [2, 16]},
            r"stage1.ffn_multiplier = 16 and stage1.dim = 8192 give stage1.ffn_dim = 131072",
        ),
        (
            {"block": "conv"},
            r"stages\[0\]: field 'dim' has no effect, since the stage's block is only conv$",
        ),
    ],
)
def test_fields_that_cannot_be_are_refused(stage: Document, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        space_of(BLOCK | {"patch": [1, 2]} | stage)


def test_cycles_of_conditions_are_refused() -> None:
    stage = {
        "width": 16,
        "depth": {"values": [1, 2], "when": {"expansion": 2}},
        "expansion": {"values": [2, 3], "when": {"depth": 1}},
    }
    with pytest.raises(
        SpaceError,
        match=(
            r"stages\[0\].depth: the conditions form a cycle \(stage1.depth ->"
            r" stage1.expansion -> stage1"
        ),
    ):
        space_of(stage)


@pytest.mark.parametrize("step", [1, -1], ids=["forwards", "backwards"])
def test_chains_of_conditions_are_followed_as_far_as_a_person_would_write_them(step: int) -> None:
    def chain(stages: int) -> list[Document]:
        places = [
            (number, field)
            for number in range(1, stages + 1)
            for field in ("depth", "expansion", "stride")
        ][::step]
        found: list[Document] = [{"width": 16} for _ in range(stages)]
        found[places[0][0] - 1][places[0][1]] = [1, 2]
        for (number, field), (before, name) in zip(places[1:], places, strict=False):
            found[number - 1][field] = {
                "values": [1, 2],
                "when": {f"stage{before}.{name}": 1},
                "otherwise": 2,
            }
        return found

    assert space_of(*chain(4)).size == 13
    with pytest.raises(
        SpaceError, match=r"stages\[\d+\].\w+: more than 40 conditions depend on each other$"
    ):
        space_of(*chain(16))


def test_a_default_that_can_hold_in_one_stage_only_is_no_mistake() -> None:
    space = space_of(
        BLOCK | {"attention": "separable"},
        BLOCK,
        defaults={"heads": {"values": [2, 4], "when": {"attention": "multi_head"}}},
    )
    assert names(space) == ["stage2.heads"]


@pytest.mark.parametrize(
    ("head", "widths"),
    [
        ({"width": [0, 64, 128]}, [None, 64, 128]),
        ({"expansion": [0, 2, 16]}, [None, 64, 512]),
        ({"expansion": {"values": [2, 3], "when": {"stage1.width": 32}, "otherwise": 0}}, [64, 96]),
        ({"expansion": 0.01}, [None]),
        ({}, [None]),
    ],
)
def test_heads_by_width_and_by_expansion(head: Document, widths: list[int | None]) -> None:
    assert [a.head_width for a in architectures(space_of({"width": 32}, head=head))] == widths


def test_two_names_for_the_head_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"head: give either 'width' or 'expansion', not both$"):
        space_of({"width": 32}, head={"width": 64, "expansion": 2})
