"""Stages that choose between several blocks, which are made up here."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import pytest

from mvt_nas._fields import Alias, FieldSpec, choice, integer
from mvt_nas.errors import SpaceError
from mvt_nas.space.architecture import BLOCKS, Architecture, Block, Stage
from mvt_nas.space.search_space import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class Strict(Block):
    kind: ClassVar[str] = "strict_block"
    constraints: ClassVar[tuple[str, ...]] = ("dim % parts == 0",)

    dim: int = integer(1, 100, doc="width")
    parts: int = integer(1, 10, doc="groups", default=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loose(Block):
    kind: ClassVar[str] = "loose_block"
    aliases: ClassVar[dict[str, Alias]] = {
        "spread": Alias(
            "wide",
            "dim",
            FieldSpec(float, "wide / dim", low=0, high=9),
            lambda factor, dim: factor * dim // 4 * 4,
            1.0,
        )
    }

    dim: int = integer(1, 100, doc="another word for width")
    parts: int = integer(1, 10, doc="groups", default=1)
    wide: int = integer(0, 900, doc="hidden width")
    shape: str = choice("round", "square", doc="form")


@dataclass(frozen=True, slots=True, kw_only=True)
class Other(Block):
    kind: ClassVar[str] = "other_block"

    dim: int = integer(1, 50, doc="width")


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "mobilevit" in BLOCKS  # so that nothing is discovered while these are here
    for block in (Strict, Loose, Other):
        monkeypatch.setitem(BLOCKS._entries, block.kind, block)


def _space(kinds: list[str], **fields: object) -> SearchSpace:
    return SearchSpace({"stem": {"width": 16}, "stages": [{"width": 16, "block": kinds} | fields]})


def _found(space: SearchSpace) -> set[Architecture]:
    return set(space.decode_many(space.enumerate()))


def test_shared_fields_are_one_choice_and_constraints_hold_for_their_own_block() -> None:
    space = _space(
        ["conv", "strict_block", "loose_block"],
        dim=[10, 12],
        parts=[2, 4, 5],
        spread=[1, 1.1, 2],
        shape=["round", "square"],
    )
    blocks: list[Block | None] = [None]
    for dim, parts in itertools.product((10, 12), (2, 4, 5)):
        blocks += [Strict(dim=dim, parts=parts)] if dim % parts == 0 else []
        for wide, shape in itertools.product(
            {int(factor * dim // 4 * 4) for factor in (1, 1.1, 2)}, ("round", "square")
        ):
            blocks.append(Loose(dim=dim, parts=parts, wide=wide, shape=shape))
    expected = {
        Architecture(stem_width=16, stages=(Stage(width=16, block=block),)) for block in blocks
    }
    assert _found(space) == expected
    assert space.size == len(expected)


def test_fields_that_the_blocks_declare_differently_are_refused_where_a_stage_has_both() -> None:
    assert _space(["conv", "other_block"], dim=[10, 50]).size == 3
    with pytest.raises(
        SpaceError,
        match=(
            r"the blocks loose_block and other_block declare dim differently, so no stage can"
            r" choose between them$"
        ),
    ):
        _space(["loose_block", "other_block"], dim=10)


def test_defaults_may_be_right_for_one_block_only() -> None:
    document = {
        "stem": {"width": 16},
        "defaults": {"dim": [60, 70]},
        "stages": [{"width": 16, "block": "strict_block"}],
    }
    assert SearchSpace(document).size == 2
    with pytest.raises(
        SpaceError, match=r"defaults.dim = 70 is not allowed; an integer from 1 to 50$"
    ):
        SearchSpace(
            document
            | {"stages": [{"width": 16, "block": "other_block"}]}
            | {"defaults": {"dim": 70}}
        )


def test_the_other_names_of_fields_are_those_of_the_block() -> None:
    assert {a.stages[0].block for a in _found(_space(["loose_block"], dim=8, spread=[1, 2]))} == {
        Loose(dim=8, wide=8),
        Loose(dim=8, wide=16),
    }
    with pytest.raises(
        SpaceError,
        match=r"field 'spread' has no effect, since the stage's block is only conv, strict_block$",
    ):
        _space(["strict_block"], dim=8, spread=2)
