"""Construction of the model to export, and the names that files and trainers give it."""

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

INITIAL_SEED = 0
"""Random seed of the initial weights of a model that is exported without a checkpoint."""

# A file with one of these names would hide the name from code in it and in its folder, as it would
# the standard library's modules and Python's built-in functions.
_TAKEN_NAMES = ("nn", "numpy", "objects", "torch")


def export_model(
    title: str,
    architecture: Architecture,
    *,
    num_classes: int = 1000,
    weights: Path | None = None,
    task: Task | None = None,
) -> ExportModel:
    """Build the model to export.

    Args:
        title: Name of the network; the model is called by the most similar identifier.
        architecture: Architecture of the backbone.
        num_classes: Number of outputs of the classifier; ignored if there is a task.
        weights: Checkpoint; without one, the model has the papers' initial weights.
        task: Task of the network; ``None`` for classification.

    Raises:
        CheckpointError: The checkpoint cannot be read, or belongs to another network.
        ArchitectureError: The number of classes is not allowed, or the backbone does not suit the
            task.
    """
    module = build_model(architecture, task=task, num_classes=num_classes, seed=INITIAL_SEED).eval()
    origin = f"initial weights, seed {INITIAL_SEED}"
    if weights is not None:
        origin = f"{weights}, in the names of {load_checkpoint(module, weights)}"
    return ExportModel(
        name=identifier(title),
        architecture=architecture,
        module=module,
        num_classes=num_classes if task is None else task.num_classes,
        weights=origin,
        nearest=nearest_published(architecture),
        task=task,
    )


def task_with_classes(text: str | None, num_classes: int | None) -> Task | None:
    """Return the task that ``--task`` names; ``None`` for classification.

    Args:
        text: Value of ``--task``, such as ``"detection,num_classes=3"``.
        num_classes: Value of ``--num-classes``, which replaces the task's default.

    Raises:
        ArchitectureError: The task is unknown, or has no such field or not with this value.
        ExportError: Both arguments give a number of classes, and these differ.
    """
    task = None if text is None else task_from_text(text)
    if task is None or num_classes is None or task.num_classes == num_classes:
        return task
    named_fields = [part.partition("=")[0].strip() for part in str(text).split(",")]
    if "num_classes" in named_fields:
        raise ExportError(
            f"{text!r} contradicts num_classes = {num_classes}; give the number of classes once",
            parameter="task",
        )
    return for_classes(task, num_classes)


def identifier(title: str) -> str:
    """Return the Python identifier that is most similar to a title.

    It consists of lower-case ASCII letters, digits and underscores. Keywords and names of modules,
    built-in functions and the like get the prefix ``network_``.
    """
    stem = title.rpartition("/")[2].removesuffix(".json")
    name = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_").lower() or "network"
    taken = (
        keyword.iskeyword(name)
        or name in sys.stdlib_module_names
        or hasattr(builtins, name)
        or name in _TAKEN_NAMES
    )
    return f"network_{name}" if taken or name[0].isdigit() else name


_PREFIX = "mvt_"


def registered_name(name: str) -> str:
    """Return the name under which a trainer registers a model, which begins with ``mvt_``.

    Trainers have a ``mobilevit_s`` of their own, which must not be hidden.
    """
    return name if name.startswith(_PREFIX) else _PREFIX + name


def nearest_published(architecture: Architecture) -> str:
    """Return the name of the most similar published model.

    Similar first in attention and fusion of the blocks, then in the number of parameters.
    """
    kinds = _block_kinds(architecture)
    params = count(architecture).params
    return min(published_names(), key=lambda name: _distance(kinds, params, zoo(name)))


def _block_kinds(architecture: Architecture) -> tuple[tuple[str, str], ...]:
    """Return attention and fusion of each block; empty where a block has none."""
    blocks = [stage.block for stage in architecture.stages if stage.block is not None]
    return tuple(
        (str(getattr(block, "attention", "")), str(getattr(block, "fusion", "")))
        for block in blocks
    )


def _distance(
    kinds: tuple[tuple[str, str], ...], params: int, published: Architecture
) -> tuple[float, float]:
    """Return the distance of a published model from a network, to sort by.

    First the mean number of choices in which a block differs (0 to 2), then the absolute logarithm
    of the ratio of the parameters. All blocks of a published model are of one kind.
    """
    attention, fusion = _block_kinds(published)[0]
    different = sum((kind[0] != attention) + (kind[1] != fusion) for kind in kinds)
    return different / max(len(kinds), 1), abs(math.log(params / count(published).params))
