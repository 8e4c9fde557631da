"""Tasks as data: the use of a backbone, with everything that the task's head depends on.

An architecture is a backbone for any task. A task says which head replaces the classifier, how
large the images are, and how far the backbone may reduce them. Each task is a folder of this
package: ``config.py`` and ``lowering.py`` (no torch), ``module.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from mvt_nas._fields import FieldSpec, complete, specs
from mvt_nas.blocks.graph import Graph, Tensor
from mvt_nas.errors import ArchitectureError, listing, nearest
from mvt_nas.registry import Registry

if TYPE_CHECKING:
    from torch import nn

CLASSIFICATION = "classification"
"""The name of the default: the network ends in the classifier of the papers."""


class Task:
    """Base of the tasks.

    A subclass is a frozen dataclass of declared fields (see :mod:`mvt_nas._fields`).

    Attributes:
        kind: Name in files and in the registry.
        head: Name of the head for people, such as ``DeepLabv3``.
        outputs: Names of the network's outputs.
        resolution_px: Side of the square images.
        num_classes: Number of classes, as the task counts them.
    """

    __slots__ = ()
    kind: ClassVar[str]
    head: ClassVar[str]
    outputs: ClassVar[tuple[str, ...]]
    resolution_px: int
    num_classes: int

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in specs(type(self))}
        for name, value in complete(type(self), given, f"task {self.kind}").items():
            object.__setattr__(self, name, value)

    @property
    def largest_stride(self) -> int | None:
        """Largest reduction of the image by the backbone; ``None`` for no limit."""
        return None

    def fitted(self, attention: str | None) -> Self:
        """Return the task with the fields settled that depend on the backbone.

        Args:
            attention: Attention of the last stage's block; ``None`` where it has none.
        """
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the task as plain data."""
        return {"task": self.kind} | _fields(self)

    def __str__(self) -> str:
        """Return the text that :func:`task_from_text` reads, without fields at their default."""
        default = type(self)()
        parts = [self.kind]
        for name, value in _fields(self).items():
            if value != getattr(default, name):
                parts.append(f"{name}={value:g}")
        return ",".join(parts)


TASKS: Registry[type[Task]] = Registry("task", "mvt_nas.tasks", suffix="lowering")
"""The configuration of each task, by name."""


@dataclass(frozen=True, slots=True)
class Head:
    """The lowering of a task's head.

    Attributes:
        taps: ``(reductions) -> numbers of the stages``, from 0, whose maps the head reads, that of
            the last stage last. ``reductions`` are the ratios of the image's side to those of the
            stages' maps.
        lower: ``(graph, maps, task) -> outputs``, which appends the kernels of the head; each map
            is (B, C, H, W).
        descriptions: Descriptions of the head's parts, by the scopes of their kernels without the
            prefix ``head.`` and without a number at the end.
    """

    taps: Callable[[Sequence[int]], tuple[int, ...]]
    lower: Callable[[Graph, Sequence[Tensor], Any], tuple[Tensor, ...]]
    descriptions: Mapping[str, str]


HEADS: Registry[Head] = Registry("task head", "mvt_nas.tasks", suffix="lowering")
"""The lowering of each task's head, by the task's name."""

HEAD_MODULES: Registry[Callable[[Any, Sequence[int], float], nn.Module]] = Registry(
    "task head module", "mvt_nas.tasks", suffix="module"
)
"""Constructor of each task's head, by the task's name: ``(task, widths of the maps, dropout) ->
nn.Module``, which takes images (B, 3, H, W) and the maps, each (B, C, h, w)."""


def task_names() -> list[str]:
    """Return the names of all tasks, classification first."""
    return [CLASSIFICATION, *TASKS]


def task_from_text(text: str) -> Task | None:
    """Return the task that a text such as ``segmentation,num_classes=4`` describes.

    Args:
        text: Name of the task and fields that differ from their defaults.

    Returns:
        The task; ``None`` for classification.

    Raises:
        ArchitectureError: The task or a field is unknown, or a value is not allowed.
    """
    kind, *rest = (part.strip() for part in text.split(","))
    fields: dict[str, Any] = {}
    for part in rest:
        name, equals, value = part.partition("=")
        if not equals or not name or not value:
            raise ArchitectureError(
                f"{text!r}: {part!r} cannot be read; write {kind},num_classes=4 for example",
                parameter="task",
            )
        fields[name] = _number(value)
    try:
        return _make_task(kind, fields)
    except ArchitectureError as error:
        raise ArchitectureError(error.message, parameter="task") from None


def task_from_dict(data: object, where: str) -> Task | None:
    """Return the task that plain data describe (see :meth:`Task.to_dict`).

    Args:
        data: A mapping with the key ``task`` and the fields of the task.
        where: Beginning of error messages.

    Returns:
        The task; ``None`` for classification.

    Raises:
        ArchitectureError: The task or a field is unknown, or a value is not allowed.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("task"), str):
        raise ArchitectureError(
            f"{where}: a mapping with the key task is expected (tasks: {listing(task_names())})"
        )
    fields = {name: value for name, value in data.items() if name != "task"}
    try:
        return _make_task(data["task"], fields)
    except ArchitectureError as error:
        raise ArchitectureError(f"{where}: {error.message}") from None


def _make_task(kind: str, fields: Mapping[str, Any]) -> Task | None:
    """Return the task of a kind with some fields given; ``None`` for classification.

    Raises:
        ArchitectureError: The kind or a field is unknown, or a value is not allowed.
    """
    if kind == CLASSIFICATION:
        if fields:
            raise ArchitectureError(f"classification has no field {listing(fields)}")
        return None
    if kind not in TASKS:
        known = task_names()
        raise ArchitectureError(
            f"{kind!r} is not allowed; one of {listing(known)}{nearest(kind, known)}"
        )
    return TASKS.get(kind)(**complete(TASKS.get(kind), fields, kind))


def at_resolution(task: Task, resolution_px: int) -> Task:
    """Return the task for images of another side."""
    return type(task)(**_fields(task) | {"resolution_px": resolution_px})


def for_classes(task: Task, num_classes: int) -> Task:
    """Return the task for another number of classes."""
    return type(task)(**_fields(task) | {"num_classes": num_classes})


def _fields(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in specs(type(task))}


def fields_of(kind: str) -> Mapping[str, FieldSpec]:
    """Return the declarations of a task's fields by name."""
    return specs(TASKS.get(kind))


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
