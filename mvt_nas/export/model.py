"""The network to export: an architecture with weights, a name for files, and the published model that it is most like."""

from __future__ import annotations

import builtins
import keyword
import math
import re
import sys
from pathlib import Path

from mvt_nas.checkpoints.load import load_checkpoint
from mvt_nas.cost.counts import count
from mvt_nas.errors import ExportError
from mvt_nas.export.base import ExportModel
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.tasks.base import Task, for_classes, task_from_text

_SEED = 0
_OTHERS = ("nn", "numpy", "objects", "torch")
"""Names that a file called so would hide from code in it and beside it, as it would those of
Python's own modules and functions."""


def export_model(
    title: str,
    architecture: Architecture,
    *,
    num_classes: int = 1000,
    weights: Path | None = None,
    task: Task | None = None,
) -> ExportModel:
    """Return the network to export.

    Args:
        title: what it is called; files get the identifier nearest to it.
        architecture: what it is.
        num_classes: outputs of its classifier; a task has its own.
        weights: a checkpoint; without one, the papers' initial weights.
        task: what it is for; ``None`` for classification.

    Raises:
        CheckpointError: the checkpoint cannot be read, or is another network's.
        ArchitectureError: a number of classes that is not allowed, or a task that the backbone
            cannot serve.
    """
    module = build_model(architecture, task=task, num_classes=num_classes, seed=_SEED).eval()
    words = f"initial weights, seed {_SEED}"
    if weights is not None:
        words = f"{weights}, in the names of {load_checkpoint(module, weights)}"
    classes = num_classes if task is None else task.num_classes
    return ExportModel(
        identifier(title), architecture, module, classes, words, nearest(architecture), task
    )


def task_with_classes(text: str | None, num_classes: int | None) -> Task | None:
    """Return the task that a text names, for so many classes where that is said; ``None`` for classification.

    Raises:
        ArchitectureError: no such task, or a field that it does not have or that may not hold this.
        ExportError: the text says another number of classes.
    """
    task = None if text is None else task_from_text(text)
    if task is None or num_classes is None or task.num_classes == num_classes:
        return task
    if any(part.partition("=")[0].strip() == "num_classes" for part in str(text).split(",")):
        raise ExportError(
            f"{text!r} contradicts num_classes = {num_classes}; give the number of classes once",
            parameter="task",
        )
    return for_classes(task, num_classes)


def identifier(title: str) -> str:
    """Return the identifier nearest to a title, in lower case: letters, digits and underscores, and no name that files need otherwise."""
    name = (
        re.sub(r"\W+", "_", title.rpartition("/")[2].removesuffix(".json"), flags=re.ASCII)
        .strip("_")
        .lower()
        or "network"
    )
    taken = (
        keyword.iskeyword(name)
        or name in sys.stdlib_module_names
        or hasattr(builtins, name)
        or name in _OTHERS
    )
    return f"network_{name}" if taken or name[0].isdigit() else name


def nearest(architecture: Architecture) -> str:
    """Return the published model of the most similar kind and size: same attention in most stages, then nearest in parameters."""
    kinds, params = _kinds(architecture), count(architecture).params
    return min(published_names(), key=lambda name: _distance(kinds, params, zoo(name)))


def _kinds(architecture: Architecture) -> tuple[tuple[str, str], ...]:
    """Return attention and fusion of each block with any."""
    blocks = [stage.block for stage in architecture.stages if stage.block is not None]
    return tuple(
        (str(getattr(block, "attention", "")), str(getattr(block, "fusion", "")))
        for block in blocks
    )


def _distance(
    kinds: tuple[tuple[str, str], ...], params: int, model: Architecture
) -> tuple[float, float]:
    """Return how unlike a model is: the share of blocks of another kind than its own, then the ratio of the sizes."""
    own, *_ = _kinds(model)
    unlike = sum((kind[0] != own[0]) + (kind[1] != own[1]) for kind in kinds)
    return unlike / max(len(kinds), 1), abs(math.log(params / count(model).params))
