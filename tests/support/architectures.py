"""Random architectures with every choice of the dataclasses, in sizes that a test can afford."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import pytest

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.published import published_names
from mvt_nas.tasks.base import Task, task_from_text

T = TypeVar("T")

SOME_PUBLISHED = (
    "mobilevit_xxs",
    "mobilevit_s",
    "mobilevitv2_050",
    "mobilevitv3_050",
    "mobilevitv3_xxs_l2",
)
"""Published models of every version that are tested with weights in ``make test``."""


def published_params() -> list[Any]:
    """Return all published names as parameters of a test; all but a few are marked as soak."""
    return [
        pytest.param(name, marks=() if name in SOME_PUBLISHED else pytest.mark.soak)
        for name in published_names()
    ]


def random_architecture(rng: np.random.Generator) -> Architecture:
    """Return a random architecture of 2 to 6 stages at 96 to 320 px.

    The same state of the generator gives the same architecture.
    """
    return Architecture(
        resolution_px=8 * int(rng.integers(12, 41)),
        stem_width=_multiple_of_8(rng, 6),
        head_width=_multiple_of_8(rng, 60) if _coin(rng) else None,
        stages=_stages(rng),
    )


def _stages(rng: np.random.Generator) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for _ in range(int(rng.integers(2, 7))):
        # At equal widths and a stride of one, the first inverted residual adds its input as well.
        repeats = bool(stages) and _coin(rng)
        stages.append(_stage(rng, stages[-1].width if repeats else _multiple_of_8(rng, 12)))
    return tuple(stages)


def _stage(rng: np.random.Generator, width: int) -> Stage:
    return Stage(
        width=width,
        stride=_one_of(rng, (1, 2)),
        depth=_one_of(rng, (1, 1, 2, 3, 4)),
        expansion=_one_of(rng, (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)),
        block=_block(rng) if _coin(rng) else None,
    )


def _block(rng: np.random.Generator) -> MobileViT:
    heads = _one_of(rng, (1, 2, 4, 8))
    fusion = _one_of(rng, ("none", "input", "local"))
    projections = ("silu", "linear") if fusion == "none" else ("silu", "linear", "none")
    return MobileViT(
        attention=_one_of(rng, ("multi_head", "separable")),
        dim=heads * int(rng.integers(1, 20)),
        transformer_depth=int(rng.integers(1, 4)),
        ffn_dim=int(rng.integers(1, 200)),
        heads=heads,
        patch=_one_of(rng, (1, 2, 3, 4, 8)),
        local_conv=_one_of(rng, ("full", "depthwise")),
        local_kernel=_one_of(rng, (1, 3, 5)),
        fusion=fusion,
        fusion_kernel=_one_of(rng, (1, 3)),
        residual=_coin(rng),
        norm=_one_of(rng, ("layer_norm", "group_norm")),
        projection=_one_of(rng, projections),
        fusion_activation=_one_of(rng, ("silu", "linear")),
        concat_order=_one_of(rng, ("global_last", "global_first")),
        resize=_one_of(rng, ("local", "input")),
        align_corners=_coin(rng),
    )


def _one_of(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _coin(rng: np.random.Generator) -> bool:
    return bool(rng.integers(2))


def _multiple_of_8(rng: np.random.Generator, most: int) -> int:
    return 8 * int(rng.integers(1, most + 1))


def task_of(text: str) -> Task:
    """Return the task that a text names, which is not classification."""
    task = task_from_text(text)
    assert task is not None
    return task
