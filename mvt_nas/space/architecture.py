"""Architectures as frozen data, with one canonical JSON and the hash of it as key.

A network is a stem, a sequence of stages, and a head. A stage is ``depth`` inverted residuals (the
first with the stage's stride) and then, unless it is purely convolutional, one block such as
MobileViT's. Blocks are plug-ins: each is a frozen dataclass of declared fields, registered in
:data:`BLOCKS` by its folder in ``mvt_nas/blocks``.

Source: the structure of arXiv 2110.02178 (Fig. 1, Table 4), 2206.02680 and 2209.15159, which differ
in the blocks only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from mvt_nas._fields import Alias, complete, integer, number, specs
from mvt_nas.errors import ArchitectureError, listing
from mvt_nas.registry import Registry
from mvt_nas.space.rules import parse

CONV = "conv"
"""Name of the block of a stage that has inverted residuals only."""

_LARGEST_FILE = 1_000_000

T = TypeVar("T")


class Block:
    """Base of the configurations of the blocks that may follow a stage's inverted residuals.

    A subclass is a frozen dataclass of declared fields (see :mod:`mvt_nas._fields`).

    Attributes:
        kind: Name in files and in the registry.
        aliases: Other ways to give a field in files, such as a multiplier.
        constraints: Rules between the fields that every instance obeys.
    """

    __slots__ = ()
    kind: ClassVar[str]
    aliases: ClassVar[Mapping[str, Alias]] = {}
    constraints: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        _normalise(self, f"block {self.kind}")
        for text in self.constraints:
            rule = parse(text, self.kind)
            values = {name: getattr(self, name) for name in rule.names}
            # A rule about an inactive field holds.
            if None not in values.values() and not rule.holds(values.__getitem__):
                stated = ", ".join(f"{name} = {value}" for name, value in values.items())
                raise ArchitectureError(f"block {self.kind}: {stated}, but {text} must hold")


BLOCKS: Registry[type[Block]] = Registry("block", "mvt_nas.blocks", suffix="lowering")
"""The configuration of each block, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage: ``depth`` inverted residuals, then ``block``."""

    width: int = integer(1, 8192, doc="channels of the stage's output")
    stride: int = integer(1, 2, doc="stride of the first inverted residual", default=2)
    depth: int = integer(1, 64, doc="number of inverted residuals", default=1)
    expansion: float = number(
        1.0, 16.0, doc="expansion of the inverted residuals' hidden channels", default=2.0
    )
    block: Block | None = None

    def __post_init__(self) -> None:
        _normalise(self, "stage")

    @property
    def kind(self) -> str:
        """Name of the block, ``"conv"`` where there is none."""
        return CONV if self.block is None else self.block.kind

    def to_dict(self) -> dict[str, Any]:
        """Return the stage as plain data; inactive fields are left out."""
        result: dict[str, Any] = {name: getattr(self, name) for name in specs(Stage)}
        result["block"] = self.kind
        if self.block is not None:
            for name in specs(type(self.block)):
                value = getattr(self.block, name)
                if value is not None:
                    result[name] = value
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One network, apart from its number of classes.

    The fields decide the shapes of its weights and its arithmetic.

    Attributes:
        resolution_px: Side of the square input image.
        stem_width: Channels of the first convolution (3 x 3, stride 2).
        head_width: Channels of the 1 x 1 convolution before pooling; ``None`` where there is none.
        stages: The stages, from the image to the head.
    """

    resolution_px: int = integer(8, 8192, doc="side of the square input image", default=256)
    stem_width: int = integer(1, 8192, doc="channels of the first convolution")
    head_width: int | None = None
    stages: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        _normalise(self, "architecture")
        if not self.stages:
            raise ArchitectureError("architecture: stages = [] is not allowed; at least one stage")
        if self.head_width is not None and (
            type(self.head_width) is not int or not 1 <= self.head_width <= 65536
        ):
            raise ArchitectureError(
                f"architecture.head_width = {self.head_width!r} is not allowed; null or an integer"
                " from 1 to 65536"
            )

    @property
    def key(self) -> str:
        """Hash of the canonical JSON, 16 hexadecimal digits; equal for equal architectures."""
        # Imported here, since loading OpenSSL takes longer than most commands.
        from mvt_nas._io import content_hash

        return content_hash(self.to_json())

    def to_dict(self) -> dict[str, Any]:
        """Return the architecture as plain data."""
        return {
            "resolution_px": self.resolution_px,
            "stem_width": self.stem_width,
            "head_width": self.head_width,
            "stages": [stage.to_dict() for stage in self.stages],
        }

    def to_json(self) -> str:
        """Return the canonical JSON: one line, sorted keys, no spaces."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_dict(data: object, where: str = "architecture") -> Architecture:
        """Return the architecture that plain data describe.

        Args:
            data: Plain data. Fields with a default may be missing.
            where: Beginning of error messages.

        Raises:
            ArchitectureError: A field is unknown, missing or not allowed.
        """
        data = _mapping(data, where)
        known = ("resolution_px", "stem_width", "head_width", "stages")
        unknown = [name for name in data if name not in known]
        stages = data.get("stages")
        if unknown or not isinstance(stages, list):
            raise ArchitectureError(
                f"{where}: needs stages (a list) and may hold resolution_px, stem_width,"
                f" head_width; found {listing(data) or 'nothing'}"
            )
        own: dict[str, Any] = complete(
            Architecture, {n: data[n] for n in specs(Architecture) if n in data}, where
        )
        parsed = tuple(_stage(stage, f"{where}.stages[{i}]") for i, stage in enumerate(stages))
        return Architecture(**own, head_width=data.get("head_width"), stages=parsed)

    @staticmethod
    def from_json(text: str, where: str = "architecture") -> Architecture:
        """Return the architecture in a JSON text (see :meth:`from_dict`).

        Raises:
            ArchitectureError: The text is not JSON, or does not describe an architecture.
        """
        try:
            return Architecture.from_dict(json.loads(text), where)
        except (ValueError, RecursionError) as error:
            raise ArchitectureError(f"{where}: not JSON ({error})") from None

    @staticmethod
    def load(path: str | Path) -> Architecture:
        """Return the architecture in a JSON file.

        Raises:
            ArchitectureError: The file cannot be read, or does not hold an architecture.
        """
        path = Path(path)
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise ArchitectureError(
                    f"{path}: {path.stat().st_size} bytes; an architecture has at most"
                    f" {_LARGEST_FILE}"
                )
            return Architecture.from_json(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ArchitectureError(f"{path}: cannot be read ({error})") from None


def unchecked(cls: type[T], names: Sequence[str], values: Sequence[object]) -> T:
    """Return an instance of a frozen dataclass without any check of its values.

    It serves for millions of instances whose values are known to be complete and normalised.
    """
    instance = object.__new__(cls)
    for name, value in zip(names, values, strict=True):
        object.__setattr__(instance, name, value)
    return instance


def _stage(data: object, where: str) -> Stage:
    data = dict(_mapping(data, where))
    kind = data.pop("block", CONV)
    if kind != CONV and (not isinstance(kind, str) or kind not in BLOCKS):
        raise ArchitectureError(
            f"{where}.block = {kind!r} is not allowed; one of {listing([CONV, *BLOCKS])}"
        )
    own = complete(Stage, {name: data.pop(name) for name in specs(Stage) if name in data}, where)
    if kind == CONV:
        if data:
            raise ArchitectureError(
                f"{where}: a purely convolutional stage has no field {listing(data)}"
            )
        return Stage(**own)  # type: ignore[arg-type]  # complete() has checked every value
    cls = BLOCKS.get(kind)
    block = cls(**complete(cls, data, where, cls.aliases))
    return Stage(**own, block=block)  # type: ignore[arg-type]  # likewise


def _mapping(data: object, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping) or not all(isinstance(name, str) for name in data):
        raise ArchitectureError(
            f"{where}: a mapping of names to values is expected, not {type(data).__name__}"
        )
    return data


def _normalise(instance: Any, where: str) -> None:
    """Check every declared field of a frozen dataclass, and set the inactive ones to ``None``.

    Instances that differ in inactive fields only are thus equal.
    """
    given = {name: getattr(instance, name) for name in specs(type(instance))}
    aliases = getattr(instance, "aliases", None)
    for name, value in complete(type(instance), given, where, aliases).items():
        object.__setattr__(instance, name, value)
