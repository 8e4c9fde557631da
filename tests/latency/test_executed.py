"""The kernels of the lowering are those that ONNX Runtime executes, by its own profile."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from mvt_nas import zoo
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import LatencyError
from mvt_nas.latency.model.kernels import GROUPS, Signature, kernels, signature
from mvt_nas.latency.onnxruntime_profile import read_events
from mvt_nas.latency.runtimes.onnxruntime import options
from mvt_nas.models.lowering import lower
from mvt_nas.models.random_images import random_images
from mvt_nas.onnx.export import export_onnx
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.tasks.base import Task, task_from_text

V1 = {
    "attention": "multi_head",
    "dim": 32,
    "ffn_dim": 64,
    "transformer_depth": 2,
    "fusion": "input",
    "fusion_kernel": 3,
    "residual": False,
}
V2 = {
    "attention": "separable",
    "dim": 36,
    "ffn_dim": 64,
    "transformer_depth": 2,
    "fusion": "none",
    "residual": False,
}
V3 = {"fusion": "local", "fusion_kernel": 1, "residual": True, "local_conv": "depthwise"}


def small(resolution_px: int, **block: Any) -> Architecture:
    """Return a network whose blocks see maps of an eighth and a sixteenth of the image."""
    both = MobileViT(**block)
    stages = (
        Stage(width=16, stride=1, expansion=1.0),
        Stage(width=24, depth=2),
        Stage(width=32, block=both),
        Stage(width=40, block=both),
    )
    return Architecture(stem_width=16, head_width=64, resolution_px=resolution_px, stages=stages)


NETWORKS = {
    "v1": small(64, **V1),
    "v1, one pixel": small(64, **V1 | {"patch": 1}),
    "v1, patches of 3 on maps of 8 and 4": small(64, **V1 | {"patch": 3, "transformer_depth": 1}),
    "v1, the patch is the map, other norm": small(64, **V1 | {"patch": 4, "norm": "group_norm"}),
    "v1, odd maps enlarged": small(
        72, **V1 | {"resize": "input", "fusion": "none", "projection": "linear", "heads": 1}
    ),
    "v2": small(64, **V2),
    "v2, one pixel": small(64, **V2 | {"patch": 1, "transformer_depth": 1}),
    "v2, odd maps enlarged and back": small(72, **V2 | {"resize": "local"}),
    "v2, the patch is the map": small(64, **V2 | {"patch": 4}),
    "v2, patches of 3, other norm": small(48, **V2 | {"patch": 3, "norm": "layer_norm"}),
    "v3 on v1": small(64, **V1 | V3),
    "v3 on v2": small(64, **V2 | V3),
}
LAYOUT_OPERATORS = {"ReorderInput", "ReorderOutput", "Reshape", "Split", "Unsqueeze", "Flatten"}
FREE = ("add_to_convolution", "add_to_norm", "scale")  # the runtime has them inside other kernels
EXACTLY_AS_MANY = (
    *GROUPS["pointwise"],
    *GROUPS["convolution"],
    *GROUPS["depthwise"],
    *GROUPS["linear"],
    *GROUPS["attention"],
)
RUNS = 3


def profiled(
    architecture: Architecture, folder: Path, task: Task | None = None
) -> list[dict[str, Any]]:
    """Return the events of the kernels in ONNX Runtime's profile of several inferences."""
    chosen = options(1)
    chosen.enable_profiling = True
    chosen.profile_file_prefix = str(folder / "profile")
    path = export_onnx(architecture, folder / "network.onnx", num_classes=10, task=task)
    session = onnxruntime.InferenceSession(path, chosen, providers=["CPUExecutionProvider"])
    side = (task or architecture).resolution_px
    images = random_images((1, 3, side, side))
    for _ in range(RUNS):
        session.run(None, {"images": images})
    events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
    return [
        event
        for event in events
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time")
    ]


def signature_of(event: dict[str, Any]) -> Signature | None:
    return next(iter(read_events([event], 1)), None)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_lowering_is_what_the_runtime_executes(name: str, tmp_path: Path) -> None:
    events = profiled(NETWORKS[name], tmp_path)
    once = events[: len(events) // RUNS]
    lowered = Counter(
        signature(kernel)
        for kernel in kernels(lower(NETWORKS[name], num_classes=10).ops)
        if kernel.kind not in FREE
    )
    executed = Counter(found for event in once if (found := signature_of(event)))
    assert set(lowered) - set(executed) == set()
    assert {
        event["args"]["op_name"] for event in once if signature_of(event) is None
    } <= LAYOUT_OPERATORS
    # Sums with a convolution's output are free in maps, not among tokens that are maps: there the
    # runtime has plain sums.
    assert {found.kind for found in set(executed) - set(lowered)} <= (
        {"add"} if "v2" in name else set()
    )
    for found, count in lowered.items():
        if found.kind in EXACTLY_AS_MANY:
            assert executed[found] == count, found
        assert (
            executed[found] <= count or found.kind == "group_norm"
        )  # which is three kernels there
    times = read_events(events, RUNS)
    assert set(times) == set(executed)
    assert min(times.values()) >= 0 < sum(times.values())


@pytest.mark.parametrize(
    "text", ["segmentation,num_classes=4,resolution_px=256", "detection,num_classes=3"]
)
def test_heads_are_what_the_runtime_executes(text: str, tmp_path: Path) -> None:
    task, architecture = task_from_text(text), zoo("mobilevitv2_050")
    events = profiled(architecture, tmp_path, task)
    once = events[: len(events) // RUNS]
    lowered = Counter(
        signature(kernel)
        for kernel in kernels(lower(architecture, task=task).ops)
        if kernel.kind not in FREE
    )
    executed = Counter(found for event in once if (found := signature_of(event)))
    # After a convolution, ReLU is free; a detector's outputs change their layout on the way out of
    # the blocked one.
    assert {found.kind for found in set(lowered) - set(executed)} <= {"relu", "transpose"}
    assert set(executed) - set(lowered) == set()
    assert {
        event["args"]["op_name"] for event in once if signature_of(event) is None
    } <= LAYOUT_OPERATORS
    for found, count in lowered.items():
        if found.kind in (*EXACTLY_AS_MANY, "resize", "concat"):
            assert executed[found] == count, found


def test_most_of_the_time_is_in_kernels_of_the_lowering(tmp_path: Path) -> None:
    architecture = replace(zoo("mobilevitv2_050"), resolution_px=192)
    events = profiled(architecture, tmp_path)
    lowered = {signature(kernel) for kernel in kernels(lower(architecture, num_classes=10).ops)}
    durations = (
        np.array([event["dur"] for event in events], dtype=float).reshape(RUNS, -1).min(axis=0)
    )
    known = np.array([signature_of(event) in lowered for event in events[: len(durations)]])
    assert durations[known].sum() / durations.sum() > 0.8
    times = read_events(events, RUNS)
    assert sum(times[one] for one in set(times) & lowered) * 1e3 == pytest.approx(
        durations[known].sum(), rel=1e-9
    )


def test_events_that_do_not_repeat_are_refused() -> None:
    event = {"cat": "Node", "name": "x_kernel_time", "dur": 5, "args": {"op_name": "Relu"}}
    for events in ([], [event] * 3):
        with pytest.raises(
            LatencyError,
            match=rf"profile of 2 inferences has {len(events)} kernels; it cannot be read",
        ):
            read_events(events, 2)
