"""Encoding and decoding of architectures.

Decoded architectures are compared with those of the validating constructors; error messages name
the field that does not fit.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import ArchitectureError, SpaceError
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace, load_space
from tests.support.spaces import SPACES, random_rows, raw_rows

SHIPPED = [
    "mobilevit",
    "mobilevit_v1",
    "mobilevit_v2",
    "mobilevit_v3",
    "photos_128",
    "small_images",
    "tiny",
]


def _space(name: str) -> SearchSpace:
    return SearchSpace(SPACES[name]) if name in SPACES else load_space(name)


@pytest.mark.parametrize("name", [*SPACES, *SHIPPED])
def test_encoding_undoes_decoding(name: str) -> None:
    space = _space(name)
    rows = space.sample(60, seed=5)
    for row, architecture in zip(rows, space.decode_many(rows), strict=True):
        assert space.decode(row) == architecture
        assert space.encode(architecture).tolist() == row.tolist()
        assert space.contains(architecture)


@pytest.mark.parametrize("name", SHIPPED)
def test_rows_that_are_not_canonical_decode_alike(name: str) -> None:
    space = _space(name)
    rows = random_rows(space, 3000, seed=6)[:200]
    canonical = space.canonical(rows)
    assert (rows != canonical).any()
    assert space.decode_many(rows) == space.decode_many(canonical)
    assert [
        space.encode(architecture).tolist() for architecture in space.decode_many(rows)
    ] == canonical.tolist()


@pytest.mark.parametrize("name", [*SPACES, *SHIPPED])
def test_decoded_architectures_are_what_the_constructors_would_make(name: str) -> None:
    space = _space(name)
    rows = random_rows(space, 200, seed=8)
    for architecture in space.decode_many(rows):
        assert Architecture.from_dict(architecture.to_dict()) == architecture
        assert Architecture.from_json(architecture.to_json()).key == architecture.key
        blocks = [
            stage.block for stage in architecture.stages if isinstance(stage.block, MobileViT)
        ]
        assert [dataclasses.replace(block) for block in blocks] == blocks
        assert {type(value) for block in blocks for value in dataclasses.astuple(block)} <= {
            int,
            str,
            bool,
            type(None),
        }


def test_decoding_no_rows_gives_no_architectures() -> None:
    assert load_space("tiny").decode_many([]) == []


def test_a_published_model_survives_the_way_there_and_back() -> None:
    space = load_space("mobilevit")
    for name in published_names():
        assert space.decode(space.encode(zoo(name))) == zoo(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"resolution_px": 240},
            r"tiny.yaml: resolution_px = 240 is not in the space \(nearest point has 64\)$",
        ),
        ({"stem_width": 24}, r"stem.width = 24 is not in the space"),
        ({"head_width": None}, r"head.width = 0 is not in the space \(nearest point has \d+\)$"),
        ({"stages": ()}, r"stages = \[\] is not allowed"),
    ],
)
def test_other_architectures_are_refused_by_the_field(change: dict[str, Any], message: str) -> None:
    space = load_space("tiny")
    own = space.decode(space.sample(1, seed=0)[0])
    with pytest.raises((SpaceError, ArchitectureError), match=message):
        space.encode(dataclasses.replace(own, **change))


def test_other_blocks_are_refused_by_the_field() -> None:
    space = load_space("tiny")
    own = next(a for a in space.decode_many(space.enumerate()) if a.stages[2].block is not None)
    assert isinstance(own.stages[2].block, MobileViT)
    unknown = dataclasses.replace(
        own.stages[2], block=dataclasses.replace(own.stages[2].block, patch=8)
    )
    with pytest.raises(
        SpaceError, match=r"stage3.patch = 8 is not in the space \(nearest point has 2\)$"
    ):
        space.encode(dataclasses.replace(own, stages=(*own.stages[:2], unknown)))
    assert not space.contains(dataclasses.replace(own, stages=(*own.stages[:2], unknown)))


@pytest.mark.parametrize("stages", [1, 2, 4, 6])
def test_another_number_of_stages_is_refused(stages: int) -> None:
    space = load_space("tiny")
    own = space.decode(space.sample(1, seed=0)[0])
    with pytest.raises(
        SpaceError,
        match=r"stage\d\.\w+ = .* is not in the space|head.width = .* is not in the space",
    ):
        space.encode(dataclasses.replace(own, stages=(own.stages * 2)[:stages]))


def test_an_architecture_that_breaks_a_rule_is_refused_by_the_rule() -> None:
    document = SPACES["rules of every kind"]
    free = SearchSpace({key: value for key, value in document.items() if key != "rules"})
    rows = raw_rows(free)
    architecture = next(
        a for a in free.decode_many(rows) if a.stem_width == 24 and a.stages[0].width == 16
    )
    with pytest.raises(
        SpaceError,
        match=r"stem.width = 24, stage1.width = 16, .* breaks the rule 'stem.width <= stage1.width",
    ):
        SearchSpace(document).encode(architecture)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0] * 12], r"tiny.yaml: a row is 13 integers, not int64 of shape \(12,\)$"),
        ([[0.5] * 13], r"a row is 13 integers, not float64 of shape \(13,\)$"),
        ([[True] * 13], r"a row is 13 integers, not bool"),
        ([[0] * 12, [0]], r"a row is 13 integers, not object"),
        (0, r"a row is 13 integers"),
        ("row", r"a row is 13 integers"),
        ([[0] * 12 + [2]], r"tiny.yaml: the code of stage3.fusion is out of range; 0 to 1$"),
        ([[-1] + [0] * 12], r"tiny.yaml: the code of stem.width is out of range; 0 to 1$"),
    ],
)
def test_what_is_no_row_is_refused(rows: Any, message: str) -> None:
    space = load_space("tiny")
    assert len(space.dimensions) == 13
    for method in (space.decode_many, space.canonical, space.obeys):
        with pytest.raises(SpaceError, match=message):
            method(rows)


def test_decoding_a_row_that_breaks_a_rule_names_the_rule() -> None:
    space = SearchSpace(SPACES["rules of every kind"])
    row = raw_rows(space)[~space.obeys(raw_rows(space))][0]
    with pytest.raises(SpaceError, match=r"^space: row \[[\d, ]+\] breaks the rule ['\"].*['\"]$"):
        space.decode(row)


def test_rows_of_any_integer_type_decode_alike() -> None:
    space = load_space("mobilevit")
    rows = space.sample(20, seed=2)
    expected = space.decode_many(rows)
    for dtype in (np.uint8, np.int16, np.uint32, np.int64):
        assert space.decode_many(rows.astype(dtype)) == expected
        assert (space.canonical(rows.astype(dtype)) == rows).all()


def test_architectures_need_neither_numpy_nor_torch() -> None:
    code = (
        "import sys; from mvt_nas.space.published import zoo; zoo('mobilevit_s').key;"
        " print({'numpy', 'torch', 'yaml'} & set(sys.modules))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "set()"
    )
