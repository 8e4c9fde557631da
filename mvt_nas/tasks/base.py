"""Tasks as data: what a backbone is used for, with all that its head depends on.

An architecture is a backbone, whatever the task; a task says which head follows in place of the
classifier, how large pictures are, and how far the backbone may shrink them. Each is a folder of
this package: ``config.py`` and ``lowering.py`` (no torch), ``module.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from mvt_nas._fields import FieldSpec, complete, specs
from mvt_nas.blocks.graph import Graph, Tensor
from mvt_nas.errors import ArchitectureError, listing, nearest
from mvt_nas.registry import Registry

CLASSIFICATION = "classification"
"""What a network does that has no task of its own: it ends in the classifier of the papers."""


class Task:
    """Base of the tasks. A subclass is a frozen dataclass of declared fields (see :mod:`mvt_nas._fields`).

    Attributes:
        kind: the name in files and in the registry.
        head: what follows the backbone, in words.
        outputs: what the network's outputs are called.
        resolution_px: side of the square pictures.
        num_classes: as the task counts them.
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
        """How far the backbone may shrink the picture; ``None`` for as far as it does by itself."""
        return None

    def fitted(self, attention: str | None) -> Self:
        """Return the task with what depends on the backbone settled; ``attention`` is that of the last stage's block, if it has any."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the task as plain data."""
        return {"task": self.kind} | _fields(self)

    def __str__(self) -> str:
        """Return the text that :func:`task_from_text` reads, without what has its default."""
        plain, own = type(self)(), _fields(self)
        return ",".join(
            [
                self.kind,
                *(
                    f"{name}={value:g}"
                    for name, value in own.items()
                    if value != getattr(plain, name)
                ),
            ]
        )


TASKS: Registry[type[Task]] = Registry("task", "mvt_nas.tasks", suffix="lowering")
"""The configuration of each task, by name."""


@dataclass(frozen=True, slots=True)
class Head:
    """How the head of a task lowers.

    Attributes:
        taps: ``(reductions) -> numbers of stages``, from 0, whose maps it reads, the last stage's
            last; ``reductions`` says by how much each stage's map is smaller than the picture.
        lower: ``(graph, maps, task) -> outputs``; each map is (B, C, H, W).
        words: what its parts are, by the scopes that the lowering gives their kernels, without
            ``head.`` and the number behind.
    """

    taps: Callable[[Sequence[int]], tuple[int, ...]]
    lower: Callable[[Graph, Sequence[Tensor], Any], tuple[Tensor, ...]]
    words: Mapping[str, str]


HEADS: Registry[Head] = Registry("task head", "mvt_nas.tasks", suffix="lowering")
"""The lowering of each task's head, by the task's name."""


def task_names() -> list[str]:
    """Return the names of all tasks, the papers' own first."""
    return [CLASSIFICATION, *TASKS]


def task_from_text(text: str) -> Task | None:
    """Return the task that a text such as ``segmentation,num_classes=4`` names; ``None`` for classification.

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
        return _task(kind, fields)
    except ArchitectureError as error:
        raise ArchitectureError(error.message, parameter="task") from None


def task_from_dict(data: object, where: str) -> Task | None:
    """Return the task that plain data describe (see :meth:`Task.to_dict`); ``None`` for classification.

    Raises:
        ArchitectureError: no such task, or a field that it does not have or that may not hold this;
            ``where`` begins the message.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("task"), str):
        raise ArchitectureError(
            f"{where}: a mapping with the key task is expected (tasks: {listing(task_names())})"
        )
    fields = {name: value for name, value in data.items() if name != "task"}
    try:
        return _task(data["task"], fields)
    except ArchitectureError as error:
        raise ArchitectureError(f"{where}: {error.message}") from None


def _task(kind: str, fields: Mapping[str, Any]) -> Task | None:
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
    """Return the task for pictures of another side."""
    return type(task)(**_fields(task) | {"resolution_px": resolution_px})


def for_classes(task: Task, num_classes: int) -> Task:
    """Return the task for another number of classes."""
    return type(task)(**_fields(task) | {"num_classes": num_classes})


def _fields(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in specs(type(task))}


def fields_of(kind: str) -> Mapping[str, FieldSpec]:
    """Return the declared fields of a task, for lists of them."""
    return specs(TASKS.get(kind))


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
