"""Random spaces with conditions, shared choices, factors and rules.

Sizes and rows are compared with brute force over all raw codes.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from mvt_nas.cost.counts import count
from mvt_nas.cost.table import CostTable
from mvt_nas.errors import SpaceError
from mvt_nas.space.search_space import SearchSpace
from tests.support.spaces import raw_rows

Document = dict[str, Any]

VALUES: dict[str, list[Any]] = {
    "width": [16, 24, 32],
    "depth": [1, 2],
    "expansion": [1, 2, 3],
    "stride": [1, 2],
}
VALUES |= {
    "block": ["conv", "mobilevit"],
    "attention": ["multi_head", "separable"],
    "dim": [8, 16, 24],
    "heads": [1, 2, 4],
}
VALUES |= {
    "patch": [1, 2, 3],
    "transformer_depth": [1, 2],
    "fusion": ["none", "input", "local"],
    "fusion_kernel": [1, 3],
}
VALUES |= {"residual": [False, True], "ffn_multiplier": [1, 1.5, 2, 2.5]}
SHARED = [
    "heads",
    "patch",
    "attention",
    "ffn_multiplier",
    "fusion",
    "depth",
    "residual",
    "fusion_kernel",
]
CONDITIONS = ["attention", "patch", "block", "width", "depth", "fusion", "residual", "expansion"]
RULES = [
    *(
        "dim % heads == 0",
        "width >= dim",
        "attention == 'separable'",
        "not residual or patch > 1",
        "patch > 1 or fusion != 'none'",
    ),
    *(
        "ffn_dim > dim",
        "width // (patch - 2) > 1",
        "block == 'conv' or residual",
        "ffn_dim <= 2 * dim",
        "fusion_kernel == 3",
    ),
    *(
        "expansion * width > 32",
        "stage1.width <= stage2.width",
        "head.width >= 32",
        "stem.width < stage1.width",
    ),
]


def random_document(rng: random.Random) -> Document:
    stages = [_stage(rng) for _ in range(rng.choice([1, 2, 2, 3]))]
    document: Document = {
        "stem": {"width": 8},
        "stages": stages,
        "resolution_px": rng.choice([32, [32, 64]]),
    }
    document |= {
        key: _entries(rng, rng.sample(SHARED, 2))
        for key in ("shared", "defaults")
        if rng.random() < 0.6
    }
    if rng.random() < 0.5:
        capped = {"values": [1, 2, 4, 16], "when": {"stage1.width": 16}, "otherwise": 0}
        document["head"] = {"expansion": rng.choice([[0, 2, 4], capped])}
    return document | {"rules": rng.sample(RULES, rng.choice([0, 1, 2]))}


def _stage(rng: random.Random) -> Document:
    kinds = rng.choice(["conv", "mobilevit", ["conv", "mobilevit"]])
    fields = (
        ["depth", "stride", "expansion"]
        if kinds == "conv"
        else sorted(set(VALUES) - {"block", "width", "dim"})
    )
    stage = {"block": kinds} | _entries(rng, ["width", *rng.sample(fields, rng.choice([0, 1, 2]))])
    return stage if kinds == "conv" else stage | _entries(rng, ["dim"])


def _entries(rng: random.Random, fields: list[str]) -> Document:
    return {field: _entry(rng, field) for field in fields}


def _entry(rng: random.Random, field: str) -> Any:
    values = rng.sample(VALUES[field], rng.choice([1, 2, 2, len(VALUES[field])]))
    if rng.random() < 0.7:
        return values
    when: Document = {name: rng.sample(VALUES[name], 1) for name in [rng.choice(CONDITIONS)]}
    when |= {"resolution_px": 32} if rng.random() < 0.2 else {}
    otherwise = (
        {"otherwise": rng.choice(VALUES[field])}
        if field in ("width", "dim") or rng.random() < 0.5
        else {}
    )
    return {"values": values, "when": when} | otherwise


def _spaces(n: int) -> list[tuple[int, SearchSpace]]:
    """Return random spaces of few raw rows, with their seeds.

    Documents that contradict themselves are left out.
    """
    found: list[tuple[int, SearchSpace]] = []
    for seed in range(20 * n):
        try:
            space = SearchSpace(random_document(random.Random(seed)))
        except SpaceError:
            continue
        if 1 < _raw(space) <= 1500 and len(found) < n:
            found.append((seed, space))
    return found


def _raw(space: SearchSpace) -> int:
    number = 1
    for dimension in space.dimensions:
        number *= len(dimension.values)
    return number


SPACES = _spaces(120)


def test_there_are_enough_spaces() -> None:
    assert len(SPACES) == 120
    assert sum(space.size < _raw(space) for _, space in SPACES) > 60


@pytest.mark.parametrize(("seed", "space"), SPACES, ids=[str(seed) for seed, _ in SPACES])
def test_random_spaces_hold_what_their_rows_decode_to(seed: int, space: SearchSpace) -> None:
    rows = raw_rows(space)
    rows, canonical = rows[space.obeys(rows)], space.canonical(rows[space.obeys(rows)])
    architectures = space.decode_many(rows)
    assert len(set(architectures)) == space.size
    assert set(space.decode_many(space.enumerate())) == set(architectures)
    assert space.decode_many(canonical) == architectures
    assert (space.canonical(canonical) == canonical).all()
    for row, architecture in list(zip(canonical.tolist(), architectures, strict=True))[
        :: max(1, len(rows) // 10)
    ]:
        assert space.encode(architecture).tolist() == row
        assert type(architecture).from_dict(architecture.to_dict()) == architecture


@pytest.mark.parametrize(("seed", "space"), SPACES[::4], ids=[str(seed) for seed, _ in SPACES[::4]])
def test_random_spaces_cost_what_their_architectures_count(seed: int, space: SearchSpace) -> None:
    rows = space.sample(10, seed=seed)
    costs = CostTable(space).costs(rows)
    for index, counts in enumerate(map(count, space.decode_many(rows))):
        found = (costs.params[index], costs.macs[index], costs.memory_bytes[index])
        assert found == (counts.params, counts.macs, counts.memory_bytes)
