"""Small hand-made search spaces, and brute force over their raw codes.

Each space has one trait that makes counting or encoding hard.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import SearchSpace

Document = dict[str, Any]

_BLOCK: Document = {"block": "mobilevit", "width": 32, "dim": 32}

SPACES: dict[str, Document] = {
    "nothing to choose": {"stem": {"width": 16}, "stages": [{"width": 16}]},
    "independent choices": {
        "resolution_px": [32, 64],
        "stem": {"width": [8, 16]},
        "stages": [
            {"width": [16, 24], "stride": [1, 2]},
            {"width": 32, "depth": {"min": 1, "max": 6}, "expansion": [1, 1.5]},
        ],
    },
    "a block or none": {
        "stem": {"width": 16},
        "stages": [
            {"width": [16, 32]},
            {
                "block": ["conv", "mobilevit"],
                "width": [32, 48],
                "dim": [24, 32],
                "fusion": ["none", "input"],
                "fusion_kernel": [1, 3, 5],
            },
        ],
    },
    "heads that do not divide": {
        "stem": {"width": 16},
        "stages": [
            _BLOCK
            | {
                "dim": [30, 32, 36],
                "attention": ["multi_head", "separable"],
                "heads": [1, 2, 4, 5],
                "patch": [1, 3],
            }
        ],
    },
    "a shared choice": {
        "stem": {"width": 16},
        "shared": {"patch": [1, 2, 4], "attention": ["multi_head", "separable"]},
        "stages": [
            {"block": ["conv", "mobilevit"], "width": 16, "dim": 16},
            {"width": 24},
            _BLOCK | {"block": ["conv", "mobilevit"]},
        ],
    },
    "a shared choice under a condition": {
        "stem": {"width": 16},
        "shared": {
            "patch": {"values": [2, 4, 8], "when": {"attention": "separable"}, "otherwise": 2}
        },
        "defaults": {"attention": ["multi_head", "separable"]},
        "stages": [_BLOCK, _BLOCK | {"block": ["conv", "mobilevit"]}],
    },
    "conditions on conditions": {
        "resolution_px": [64, 128],
        "stem": {"width": {"values": [8, 16], "when": {"resolution_px": 128}, "otherwise": 24}},
        "stages": [
            {
                "width": [16, 32],
                "depth": {"values": [1, 2, 3], "when": {"block": "conv"}, "otherwise": 2},
                "block": ["conv", "mobilevit"],
            }
            | {
                "dim": 16,
                "patch": {
                    "values": [1, 2],
                    "when": {"depth": [1, 2], "resolution_px": 64},
                    "otherwise": 4,
                },
            },
        ],
    },
    "a head that is capped": {
        "stem": {"width": 16},
        "head": {"expansion": [0, 1, 2, 3, 4]},
        "stages": [{"width": [239, 320, 480, 960], "depth": [1, 2]}],
    },
    "factors that round alike": {
        "stem": {"width": 16},
        "stages": [
            _BLOCK
            | {
                "dim": [8, 16, 24],
                "ffn_multiplier": [0.5, 1, 1.5, 2, 2.5],
                "attention": "separable",
            }
        ],
        "rules": ["ffn_dim >= dim"],
    },
    "a factor of a constant": {
        "stem": {"width": 16},
        "head": {"expansion": [0, 2, 3, 4]},
        "stages": [_BLOCK | {"dim": 8, "ffn_multiplier": [1, 2, 2.5, 4], "width": 480}],
    },
    "a shared factor under a condition": {
        "stem": {"width": 16},
        "shared": {"ffn_multiplier": {"values": [1, 1.5, 2, 3], "when": {"patch": [1, 2]}}},
        "defaults": {"patch": [1, 4], "attention": "separable"},
        "stages": [
            _BLOCK | {"dim": [8, 16]},
            _BLOCK | {"dim": [16, 64], "block": ["conv", "mobilevit"]},
        ],
    },
    "a width or its factor": {
        "stem": {"width": 16},
        "stages": [
            _BLOCK
            | {
                "ffn_dim": {"values": [48, 64], "when": {"attention": "separable"}},
                "attention": ["multi_head", "separable"],
            }
        ],
    },
    "rules of every kind": {
        "stem": {"width": [16, 24]},
        "defaults": {
            "width": [16, 24, 32],
            "attention": ["multi_head", "separable"],
            "residual": [False, True],
            "dim": [24, 32],
        },
        "stages": [{"block": "conv"}, {"block": ["conv", "mobilevit"]}],
        "rules": [
            "stem.width <= stage1.width <= stage2.width",
            "attention == 'separable' or not residual",
            "width % (dim - 24) == 0 or dim == 24",
        ],
    },
    "fixed under a condition": {
        "stem": {"width": 16},
        "defaults": {
            "heads": {"values": [2, 4], "when": {"attention": "multi_head"}},
            "attention": ["multi_head", "separable"],
        },
        "stages": [
            _BLOCK | {"patch": [1, 2]},
            _BLOCK | {"width": [32, 40], "fusion": ["none", "local"], "fusion_kernel": [1, 3]},
        ],
        "fix": {"heads": 4, "stage2.fusion": "none"},
    },
}
"""Documents by trait; each has at most a few thousand raw rows."""


def raw_rows(space: SearchSpace) -> NDArray[np.int32]:
    """Return every combination of codes, (product of the sizes, dimensions), valid or not."""
    codes = list(
        itertools.product(*(range(len(dimension.values)) for dimension in space.dimensions))
    )
    return np.array(codes, dtype=np.int32).reshape(len(codes), len(space.dimensions))


def everything(space: SearchSpace) -> set[Architecture]:
    """Return the distinct architectures of all rows that obey the rules, decoded one by one."""
    rows = raw_rows(space)
    return {space.decode(row) for row in rows[space.obeys(rows)]}


def random_rows(space: SearchSpace, n: int, seed: int) -> NDArray[np.int32]:
    """Return up to ``n`` raw rows that obey the rules, canonical or not."""
    sizes = [len(dimension.values) for dimension in space.dimensions]
    rows = np.random.default_rng(seed).integers(0, sizes, (n, len(sizes)), dtype=np.int32)
    return rows[space.obeys(rows)]
