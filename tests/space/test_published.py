"""The published models, and the ablation of the third paper, as architectures of the space."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mvt_nas import Architecture, count, load_space, published, published_names, zoo
from mvt_nas.errors import ArchitectureError

# MobileViTv3 (arXiv 2209.15159), Table 6: one change after another, from MobileViT-S to a block of
# v3.
ABLATION: list[dict[str, Any]] = [
    {"fusion": "input", "fusion_kernel": 3, "residual": False, "local_conv": "full"},
    {"fusion": "input", "fusion_kernel": 1, "residual": False, "local_conv": "full"},
    {"fusion": "local", "fusion_kernel": 1, "residual": False, "local_conv": "full"},
    {"fusion": "local", "fusion_kernel": 1, "residual": True, "local_conv": "full"},
    {"fusion": "local", "fusion_kernel": 1, "residual": True, "local_conv": "depthwise"},
]


def _with_blocks(architecture: Architecture, choices: dict[str, Any]) -> Architecture:
    stages = tuple(
        stage if stage.block is None else replace(stage, block=replace(stage.block, **choices))
        for stage in architecture.stages
    )
    return replace(architecture, stages=stages)


def test_every_row_of_the_ablation_is_a_point_of_the_space() -> None:
    space = load_space("mobilevit")
    rows = [_with_blocks(zoo("mobilevit_s"), choices) for choices in ABLATION]
    assert rows[0] == zoo("mobilevit_s")
    assert len({row.key for row in rows}) == 5
    assert all(space.contains(row) for row in rows)


def test_the_ablation_changes_size_as_the_paper_says() -> None:
    params = [count(_with_blocks(zoo("mobilevit_s"), choices)).params for choices in ABLATION]
    assert params[1] < params[0]  # 1 x 1 in place of 3 x 3
    assert params[3] == params[2]  # the residual weighs nothing
    assert params[4] < params[3]  # depthwise in place of full


def test_names_are_those_of_the_papers() -> None:
    assert len(published_names()) == 19
    assert len({zoo(name).key for name in published_names()}) == 19
    assert published("mobilevitv2_200").imagenet_top1 == 81.17
    assert published("mobilevitv3_xxs_l2").macs_m == 256


def test_short_blocks_of_the_l2_models() -> None:
    blocks = [stage.block for stage in zoo("mobilevitv3_s_l2").stages if stage.block is not None]
    assert [block.transformer_depth for block in blocks] == [2, 2, 3]  # type: ignore[attr-defined]


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        ArchitectureError, match="unknown model 'mobilevit_xx'; did you mean 'mobilevit_xxs'"
    ):
        zoo("mobilevit_xx")


@pytest.mark.parametrize("name", published_names())
def test_json_round_trip_keeps_the_key(name: str) -> None:
    again = Architecture.from_json(zoo(name).to_json())
    assert again == zoo(name)
    assert again.key == zoo(name).key


def test_an_inactive_choice_does_not_change_the_key() -> None:
    v2 = zoo("mobilevitv2_050")
    data = v2.to_dict()
    for stage in data["stages"][2:]:
        stage |= {"heads": 8, "fusion_kernel": 3}
    assert Architecture.from_dict(data).key == v2.key
