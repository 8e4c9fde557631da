"""Fixed dimensions: the result is the subspace with their values."""

from __future__ import annotations

from typing import Any

import pytest

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import SpaceError
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import SearchSpace, load_space


def names(space: SearchSpace) -> list[str]:
    return [dimension.name for dimension in space.dimensions]


def architectures(space: SearchSpace) -> list[Architecture]:
    return space.decode_many(space.enumerate())


def test_fixing_drops_the_choices_that_then_have_no_effect() -> None:
    space = load_space("tiny")
    fixed = space.fix({"stage2.attention": "separable", "stage3.block": "conv"})
    assert set(names(space)) - set(names(fixed)) == {
        *(
            "stage2.attention",
            "stage2.heads",
            "stage3.block",
            "stage3.attention",
            "stage3.heads",
            "stage3.fusion",
        )
    }
    expected = [
        a
        for a in architectures(space)
        if a.stages[1].block.attention == "separable" and a.stages[2].block is None
    ]  # type: ignore[union-attr]
    assert set(architectures(fixed)) == set(expected)


def test_a_bare_name_fixes_the_field_of_every_stage_and_nothing_else() -> None:
    space = load_space("mobilevit").fix({"expansion": 2, "patch": 4, "stage3.patch": 2})
    left = names(space)
    assert "head.expansion" in left
    assert not [
        name for name in left if name.startswith("stage") and name.endswith(("expansion", "patch"))
    ]
    assert [stage.expansion for stage in space.decode(space.sample(1, seed=0)[0]).stages] == [
        2.0
    ] * 5
    stages = (
        space.fix({"block": "mobilevit"})
        .decode_many(space.fix({"block": "mobilevit"}).sample(3, seed=0))[0]
        .stages
    )
    assert [stage.block.patch for stage in stages[2:]] == [2, 4, 4]  # type: ignore[union-attr]


def test_a_bare_name_means_the_shared_choice_and_those_of_single_stages() -> None:
    document = {
        "stem": {"width": 8},
        "shared": {"width": [16, 24, 32]},
        "stages": [{}, {}, {"width": [16, 24]}],
    }
    space = SearchSpace(document)
    for choices in ({"width": 16, "stage3.width": 24}, {"stage3.width": 24, "width": 16}):
        (architecture,) = architectures(space.fix(choices))
        assert [stage.width for stage in architecture.stages] == [16, 16, 24]
        assert architectures(SearchSpace(space.fix(choices).document)) == [architecture]


def test_fixing_twice_is_fixing_at_once_and_survives_the_document() -> None:
    space = load_space("tiny")
    once = space.fix({"stage2.attention": "multi_head", "heads": 4, "patch": 2})
    twice = space.fix({"heads": 4}).fix({"patch": 2, "stage2.attention": "multi_head"})
    again = SearchSpace(once.document, once.where)
    assert once.hash == twice.hash == again.hash
    assert once.dimensions == twice.dimensions == again.dimensions
    assert (
        once.size
        == twice.size
        == again.size
        == len([a for a in architectures(space) if _is_fixed(a)])
    )


def _is_fixed(architecture: Architecture) -> bool:
    second, third = architecture.stages[1].block, architecture.stages[2].block
    assert isinstance(second, MobileViT)
    assert third is None or isinstance(third, MobileViT)
    fits = second.attention == "multi_head" and second.heads == 4 and second.patch == 2
    return fits and (third is None or third.heads in (None, 4))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"pach": 2},
            r"tiny.yaml: 'pach' is not a dimension; did you mean 'patch'\? \(known: stem.width, ",
        ),
        ({"patch": 3}, r"tiny.yaml: patch = 3 is not one of its values \(2, 4\)$"),
        ({"patch": "2"}, r"patch = '2' is not one of its values"),
        (
            {"transformer_depth": True},
            r"stage2.transformer_depth = True is not one of its values \(1, 2\)$",
        ),
        (
            {"attention": ["separable"]},
            (
                r"stage2.attention = \['separable'\] is not one of its values \(multi_head,"
                r" separable\)$"
            ),
        ),
        ({"stage1.width": 16}, r"'stage1.width' is not a dimension; did you mean"),
    ],
)
def test_fixing_what_cannot_be_fixed(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        load_space("tiny").fix(choices)
