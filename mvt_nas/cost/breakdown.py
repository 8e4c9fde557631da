"""The costs of an architecture part by part, with a description of each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mvt_nas._fields import Value, holds, specs
from mvt_nas.cost.counts import Counts, count
from mvt_nas.cost.reductions import total
from mvt_nas.models.lowering import backbone_steps, lower
from mvt_nas.space.architecture import Architecture, Block, Stage
from mvt_nas.tasks.base import HEADS, Task
from mvt_nas.tasks.strides import StageStride


@dataclass(frozen=True, slots=True)
class PartCosts:
    """One part of a network.

    Attributes:
        name: Name of the part: ``stem``, ``stage3.conv``, ``stage3.block``, ``head`` or, for a
            task, a part of the head such as ``head.pyramid``.
        what: Description of its layers.
        shape: Shape of its output, ``channels x height x width``.
        params: Trainable parameters.
        macs: Multiply-adds of the batch.
    """

    name: str
    what: str
    shape: str
    params: int
    macs: int


@dataclass(frozen=True, slots=True)
class CostBreakdown:
    """The costs of an architecture, part by part and in total.

    Attributes:
        key: Key of the architecture.
        resolution_px: Side of the images.
        batch_size: Images per inference.
        counts: Costs of the whole network.
        parts: Costs of its parts, from the image to the output.
        task: Task of the network; ``None`` for classification.
    """

    key: str
    resolution_px: int
    batch_size: int
    counts: Counts
    parts: tuple[PartCosts, ...]
    task: Task | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the costs as plain data."""
        counts = {
            name: getattr(self.counts, name) for name in ("params", "macs", "memory_mb", "moved_mb")
        }
        parts = [{name: getattr(part, name) for name in PartCosts.__slots__} for part in self.parts]
        return counts | {"batch_size": self.batch_size, "parts": parts}


def break_down(
    architecture: Architecture,
    *,
    batch_size: int = 1,
    num_classes: int = 1000,
    task: Task | None = None,
) -> CostBreakdown:
    """Return the costs of an architecture part by part.

    Args:
        architecture: The architecture.
        batch_size: Images per inference.
        num_classes: Outputs of the classifier.
        task: Task whose network is counted, at the task's resolution; ``None`` for classification.

    Raises:
        ArchitectureError: A number of images or classes is not allowed, or the backbone does not
            suit the task.
    """
    graph = lower(architecture, batch_size=batch_size, num_classes=num_classes, task=task)
    plan = backbone_steps(architecture, task)
    parts = []
    for scope in dict.fromkeys(op.scope for op in graph.ops):
        ops = [op for op in graph.ops if op.scope == scope]
        shape = " x ".join(str(size) for size in ops[-1].output.shape[1:])
        if task is not None and scope.startswith("head."):
            what = _describe_head_part(task, scope)
        else:
            what = _describe_part(architecture, scope, plan)
        parts.append(PartCosts(scope, what, shape, total(ops, "params"), total(ops, "macs")))
    counts = count(architecture, batch_size=batch_size, num_classes=num_classes, task=task)
    return CostBreakdown(
        architecture.key,
        (task or architecture).resolution_px,
        batch_size,
        counts,
        tuple(parts),
        task,
    )


def _describe_head_part(task: Task, scope: str) -> str:
    """Return the description of a part of a task's head; numbered parts share one."""
    part = scope.removeprefix("head.").rstrip("0123456789")
    return HEADS.get(task.kind).descriptions[part]


def _describe_part(architecture: Architecture, scope: str, plan: Sequence[StageStride]) -> str:
    name, _, part = scope.partition(".")
    if name == "stem":
        return "3x3 convolution, stride 2"
    if name == "head":
        return (
            "1x1 convolution, mean, classifier" if architecture.head_width else "mean, classifier"
        )
    number = int(name.removeprefix("stage")) - 1
    stage = architecture.stages[number]
    if part == "conv":
        return _describe_convolutions(stage, plan[number])
    return _describe_block(stage)


def _describe_convolutions(stage: Stage, step: StageStride) -> str:
    kept = ""
    if step.stride != stage.stride:
        kept = f" (not {stage.stride}: the task needs a larger map)"
    return (
        f"{stage.depth} x inverted residual, expansion {stage.expansion:g}, stride"
        f" {step.stride}{kept}"
    )


def _describe_block(stage: Stage) -> str:
    """Return the kind and the fields of the block; most fields with their default are left out."""
    block = stage.block
    assert block is not None
    values = {name: getattr(block, name) for name in specs(type(block))}
    described = [
        f"{name} {value}"
        for name, value in values.items()
        if value is not None and (name in _ALWAYS or not _is_default(block, name, values))
    ]
    return f"{block.kind}: {', '.join(described)}"


_ALWAYS = ("attention", "transformer_depth", "patch", "fusion")
"""Fields that are described even if they have their default."""


def _is_default(block: Block, name: str, values: Mapping[str, Value]) -> bool:
    for conditions, value in specs(type(block))[name].defaults:
        if holds(conditions, values):
            return value == values[name]
    return False
