"""Spaces as trained: networks and features equal those of single architectures."""

from __future__ import annotations

import numpy as np
import pytest

from mvt_nas.accuracy.features import features
from mvt_nas.accuracy.predicted import SpaceAsTrained
from mvt_nas.space.search_space import SearchSpace, load_space
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.small_images import as_trained

CONDITIONED = {
    "name": "conditioned",
    "resolution_px": [64, 128],
    "stem": {"width": 16},
    "patch": [1, 2, 4, 8],
    "stages": [
        {"block": "conv", "width": 16, "stride": [1, 2]},
        {
            "block": "conv",
            "width": 24,
            "stride": 2,
            "depth": {"values": [1, 2, 3], "when": {"stage1.stride": 1}, "otherwise": 1},
        },
        {
            "block": "mobilevit",
            "width": 32,
            "dim": 48,
            "stride": [1, 2],
            "attention": ["multi_head", "separable"],
        },
        {
            "block": ["conv", "mobilevit"],
            "width": 48,
            "stride": 2,
            "dim": 64,
            "fusion": {
                "values": ["none", "input"],
                "when": {"patch": [4, 8]},
                "otherwise": "local",
            },
            "transformer_depth": {"values": [1, 2], "when": {"stage3.stride": 2}, "otherwise": 1},
        },
    ],
    "rules": ["stage1.stride + stage3.stride <= 3"],
}
"""What is chosen depends on patches and strides: on those that the file gives, not on those of the
training."""


def _shared(name: str) -> SearchSpace:
    if name != "conditioned":
        return load_space(name)
    document = {key: value for key, value in CONDITIONED.items() if key != "patch"}
    return SearchSpace(document | {"shared": {"patch": CONDITIONED["patch"]}}, "conditioned")


@pytest.mark.parametrize("name", ["mobilevit", "small_images", "conditioned"])
@pytest.mark.parametrize(
    "protocol",
    [ShortRecipe(pixels=32), ShortRecipe(pixels=48), ShortRecipe(pixels=64, small_images=False)],
    ids=str,
)
def test_rows_stand_for_the_networks_that_are_trained(name: str, protocol: ShortRecipe) -> None:
    space = _shared(name)
    rows = space.sample(60, seed=1)
    trained = SpaceAsTrained(space, protocol, num_classes=10)
    wanted = [as_trained(architecture, protocol) for architecture in space.decode_many(rows)]
    for row, given, architecture in zip(rows, space.decode_many(rows), wanted, strict=True):
        strides = tuple(stage.stride for stage in given.stages)
        assert trained.space(strides).decode(row) == architecture
    np.testing.assert_allclose(
        trained.features(rows), features(wanted, num_classes=10), rtol=1e-9, atol=1e-12
    )


def test_the_space_itself_is_left_as_it_was() -> None:
    space = _shared("conditioned")
    before = space.decode_many(space.sample(20, seed=3))
    trained = SpaceAsTrained(space, ShortRecipe(pixels=32), num_classes=10)
    trained.features(space.sample(20, seed=3))
    assert space.decode_many(space.sample(20, seed=3)) == before
    assert trained.features(np.empty((0, len(space.dimensions)), dtype=np.int32)).shape[0] == 0
