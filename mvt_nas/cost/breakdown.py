"""The costs of an architecture part by part, with words for what each part is."""

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
        name: ``stem``, ``stage3.conv``, ``stage3.block`` or ``head``.
        what: in words.
        shape: of its output, ``channels x height x width``.
        params: trainable parameters.
        macs: multiply-adds of the batch.
    """

    name: str
    what: str
    shape: str
    params: int
    macs: int


@dataclass(frozen=True, slots=True)
class CostBreakdown:
    """An architecture with its parts and its totals."""

    key: str
    resolution_px: int
    batch_size: int
    counts: Counts
    parts: tuple[PartCosts, ...]
    task: Task | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain data."""
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
    """Return the costs of an architecture part by part; with a ``task``, of the task's network at the task's resolution."""
    graph = lower(architecture, batch_size=batch_size, num_classes=num_classes, task=task)
    plan = backbone_steps(architecture, task)
    parts = []
    for scope in dict.fromkeys(op.scope for op in graph.ops):
        ops = [op for op in graph.ops if op.scope == scope]
        shape = " x ".join(str(size) for size in ops[-1].output.shape[1:])
        words = (
            _of_head(task, scope)
            if task is not None and scope.startswith("head.")
            else _words(architecture, scope, plan)
        )
        parts.append(PartCosts(scope, words, shape, total(ops, "params"), total(ops, "macs")))
    counts = count(architecture, batch_size=batch_size, num_classes=num_classes, task=task)
    return CostBreakdown(
        architecture.key,
        (task or architecture).resolution_px,
        batch_size,
        counts,
        tuple(parts),
        task,
    )


def _of_head(task: Task, scope: str) -> str:
    """Return what a part of a task's head is, in words: that of its scope without the number behind it."""
    return HEADS.get(task.kind).words[scope.removeprefix("head.").rstrip("0123456789")]


def _words(architecture: Architecture, scope: str, plan: Sequence[StageStride]) -> str:
    name, _, part = scope.partition(".")
    if name == "stem":
        return "3x3 convolution, stride 2"
    if name == "head":
        return (
            "1x1 convolution, mean, classifier" if architecture.head_width else "mean, classifier"
        )
    number = int(name.removeprefix("stage")) - 1
    stage = architecture.stages[number]
    return _convolutions(stage, plan[number]) if part == "conv" else _block(stage)


def _convolutions(stage: Stage, step: StageStride) -> str:
    kept = (
        "" if step.stride == stage.stride else f" (not {stage.stride}: the task wants a larger map)"
    )
    return (
        f"{stage.depth} x inverted residual, expansion {stage.expansion:g}, stride"
        f" {step.stride}{kept}"
    )


def _block(stage: Stage) -> str:
    """Return the block's fields in words; those that hold what they would by default are left out."""
    block = stage.block
    assert block is not None
    values = {name: getattr(block, name) for name in specs(type(block))}
    told = [
        name
        for name, value in values.items()
        if value is not None and (name in _ALWAYS or not _is_default(block, name, values))
    ]
    return f"{block.kind}: {', '.join(f'{name} {values[name]}' for name in told)}"


_ALWAYS = ("attention", "transformer_depth", "patch", "fusion")


def _is_default(block: Block, name: str, values: Mapping[str, Value]) -> bool:
    for conditions, value in specs(type(block))[name].defaults:
        if holds(conditions, values):
            return value == values[name]
    return False
