"""Size, listing, samples and neighbours of spaces.

They are compared with brute force over raw codes, and with sets written out by hand.
"""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import SpaceError
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.counting import ConstraintFactor, RowCounter
from mvt_nas.space.search_space import SearchSpace, load_space
from tests.support.spaces import SPACES, everything, raw_rows

every_space = pytest.mark.parametrize("name", SPACES)


@every_space
def test_size_and_listing_are_the_different_architectures(name: str) -> None:
    space = SearchSpace(SPACES[name])
    expected = everything(space)
    listed = space.decode_many(space.enumerate())
    assert space.size == len(expected) == len(listed)
    assert set(listed) == expected


@every_space
def test_listing_is_sorted_and_canonical(name: str) -> None:
    space = SearchSpace(SPACES[name])
    rows = space.enumerate()
    assert rows.tolist() == sorted(rows.tolist())
    assert (space.canonical(rows) == rows).all()
    assert space.obeys(rows).all()


@every_space
def test_rows_with_one_architecture_have_one_canonical_row_and_one_verdict(name: str) -> None:
    space = SearchSpace(SPACES[name])
    rows = raw_rows(space)
    canonical = space.canonical(rows)
    assert (space.obeys(rows) == space.obeys(canonical)).all()
    assert (space.canonical(canonical) == canonical).all()
    obeying = space.obeys(rows)
    assert space.decode_many(rows[obeying]) == space.decode_many(canonical[obeying])


@every_space
def test_neighbours_are_what_one_changed_code_decodes_to(name: str) -> None:
    space = SearchSpace(SPACES[name])
    for row in space.sample(10, seed=3):
        changed = [row.copy() for dimension in space.dimensions for _ in dimension.values]
        places = [
            (index, code)
            for index, dimension in enumerate(space.dimensions)
            for code in range(len(dimension.values))
        ]
        for other, (index, code) in zip(changed, places, strict=True):
            other[index] = code
        expected = {space.decode(other) for other in changed if space.obeys([other])[0]} - {
            space.decode(row)
        }
        neighbours = space.neighbours(row)
        assert len(neighbours) == len(expected)
        assert set(space.decode_many(neighbours)) == expected


@pytest.mark.parametrize(
    "name",
    ["a block or none", "heads that do not divide", "a shared choice", "rules of every kind"],
)
def test_samples_are_uniform(name: str) -> None:
    space = SearchSpace(SPACES[name])
    drawn = Counter(map(tuple, space.sample(40 * space.size, seed=7).tolist()))
    assert set(drawn) == set(map(tuple, space.enumerate().tolist()))
    statistic = sum((count - 40) ** 2 / 40 for count in drawn.values())
    assert chi2.sf(statistic, space.size - 1) > 0.01


def test_samples_follow_the_seed() -> None:
    space = load_space("mobilevit")
    assert (space.sample(50, seed=1) == space.sample(50, seed=1)).all()
    assert (space.sample(50, seed=1) != space.sample(50, seed=2)).any()


def test_samples_leave_the_global_random_state() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    load_space("tiny").sample(5, seed=1)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]


def _shared_choices_by_hand() -> set[Architecture]:
    found = set()
    for first, last, attention, patch in itertools.product(
        (False, True), (False, True), ("multi_head", "separable"), (1, 2, 4)
    ):
        blocks = [
            MobileViT(dim=dim, ffn_dim=2 * dim, attention=attention, patch=patch)
            for dim in (16, 32)
        ]
        stages = (
            Stage(width=16, block=blocks[0] if first else None),
            Stage(width=24),
            Stage(width=32, block=blocks[1] if last else None),
        )
        found.add(Architecture(stem_width=16, stages=stages))
    return found


def _capped_heads_by_hand() -> set[Architecture]:
    choices = itertools.product((239, 320, 480, 960), (1, 2), range(5))
    return {
        Architecture(
            stem_width=16,
            head_width=min(factor * width, 960) or None,
            stages=(Stage(width=width, depth=depth),),
        )
        for width, depth, factor in choices
    }


def _divided_heads_by_hand() -> set[Architecture]:
    found = set()
    for dim, heads, patch in itertools.product((30, 32, 36), (1, 2, 4, 5, None), (1, 3)):
        if heads is None or dim % heads == 0:
            attention = "separable" if heads is None else "multi_head"
            block = MobileViT(
                dim=dim, ffn_dim=2 * dim // 16 * 16, attention=attention, heads=heads, patch=patch
            )
            found.add(Architecture(stem_width=16, stages=(Stage(width=32, block=block),)))
    return found


def _conditions_by_hand() -> set[Architecture]:
    found = set()
    for side, stem, width, kind, depth, patch in itertools.product(
        (64, 128), (8, 16), (16, 32), "cm", (1, 2, 3), (1, 2)
    ):
        depth = depth if kind == "c" else 2
        block = (
            None if kind == "c" else MobileViT(dim=16, ffn_dim=32, patch=patch if side == 64 else 4)
        )
        stages = (Stage(width=width, depth=depth, block=block),)
        found.add(
            Architecture(resolution_px=side, stem_width=stem if side == 128 else 24, stages=stages)
        )
    return found


def _rules_by_hand() -> set[Architecture]:
    found = set()
    for stem, one, two, kind, attention, residual, dim in itertools.product(
        (16, 24),
        (16, 24, 32),
        (16, 24, 32),
        "cm",
        ("multi_head", "separable"),
        (False, True),
        (24, 32),
    ):
        allowed = stem <= one <= two
        if kind == "m":
            allowed &= (attention == "separable" or not residual) and (
                dim == 24 or two % (dim - 24) == 0
            )
        if allowed:
            ffn = 2 * dim // 16 * 16
            block = (
                None
                if kind == "c"
                else MobileViT(dim=dim, ffn_dim=ffn, attention=attention, residual=residual)
            )
            found.add(
                Architecture(
                    stem_width=stem, stages=(Stage(width=one), Stage(width=two, block=block))
                )
            )
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a shared choice", _shared_choices_by_hand()),
        ("a head that is capped", _capped_heads_by_hand()),
        ("heads that do not divide", _divided_heads_by_hand()),
        ("conditions on conditions", _conditions_by_hand()),
        ("rules of every kind", _rules_by_hand()),
    ],
)
def test_listing_is_the_set_written_out_by_hand(name: str, expected: set[Architecture]) -> None:
    space = SearchSpace(SPACES[name])
    assert set(space.decode_many(space.enumerate())) == expected
    assert space.size == len(expected)


def test_size_beyond_machine_integers_is_exact() -> None:
    # Widths ascend over 16 stages: non-decreasing sequences of 16 out of 60; each stage has 3 free
    # further choices.
    widths = {"min": 8, "max": 480, "step": 8}
    stages = [
        {
            "width": widths,
            "depth": [1, 2, 3, 4, 5],
            "expansion": [1, 2, 3, 4, 5, 6],
            "stride": [1, 2],
        }
        for _ in range(16)
    ]
    rules = [f"stage{number}.width <= stage{number + 1}.width" for number in range(1, 16)]
    space = SearchSpace({"stem": {"width": 16}, "stages": stages, "rules": rules})
    ascending = [1] * 60
    for _ in range(15):
        ascending = list(itertools.accumulate(ascending))
    assert space.size == sum(ascending) * 60**16
    assert space.size > 2**64


def test_samples_where_counts_are_beyond_floating_point() -> None:
    # One dimension decides how many codes each of 200 others has left: 1000 where it is 0, 999
    # where it is 1.
    table = np.ones((2, 1000), dtype=bool)
    table[1, 0] = False
    counter = RowCounter(
        [2] + [1000] * 200, [ConstraintFactor((0, other), table) for other in range(1, 201)]
    )
    assert counter.size == 1000**200 + 999**200
    rows = counter.sample(2000, np.random.default_rng(0))
    assert (rows[rows[:, 0] == 1, 1:] > 0).all()
    expected = 999**200 / (1000**200 + 999**200)
    assert abs(rows[:, 0].mean() - expected) < 4 * (expected * (1 - expected) / 2000) ** 0.5
    assert abs(rows[:, 1:].mean() - 499.5) < 4 * 289 / (2000 * 200) ** 0.5


def test_too_many_architectures_to_list() -> None:
    with pytest.raises(
        SpaceError, match=r"tiny.yaml: 3936 architectures are too many to list; at most 100$"
    ):
        load_space("tiny").enumerate(limit=100)


def test_equal_documents_have_one_hash_whatever_they_are_called() -> None:
    document = SPACES["a shared choice"]
    spaces = [
        SearchSpace(document),
        SearchSpace({"description": "x"} | document, "other"),
        SearchSpace(document | {"name": "y"}),
    ]
    assert len({space.hash for space in spaces}) == 1
    assert SearchSpace(document | {"rules": ["width > 1"]}).hash != spaces[0].hash
