"""The scopes of a space file (the top, ``stem``, each stage, ``head``): which fields they have, and what the file says of them.

What a stage says wins over ``defaults``, and that over ``shared``. A field that has two names
(``ffn_dim`` and ``ffn_multiplier``) wins by either of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from mvt_nas._fields import Alias, FieldSpec, specs
from mvt_nas.errors import SpaceError, listing, nearest
from mvt_nas.space.architecture import BLOCKS, CONV, Architecture, Stage
from mvt_nas.space.entry import parse_entry
from mvt_nas.space.widths import head_width

T = TypeVar("T")

STEM_FIELDS: Mapping[str, FieldSpec] = {"width": specs(Architecture)["stem_width"]}
HEAD_FIELDS: Mapping[str, FieldSpec] = {
    "width": FieldSpec(
        int,
        "channels of the 1 x 1 convolution before pooling, 0 for none",
        low=0,
        high=65536,
        defaults=(({}, 0),),
    )
}
HEAD_ALIASES: Mapping[str, Alias] = {
    "expansion": Alias(
        "width",
        "width",
        FieldSpec(float, "head channels / last width, at most 960; 0 for none", low=0, high=16),
        head_width,
    )
}


@dataclass(frozen=True, slots=True)
class SectionField:
    """A field of a scope.

    Attributes:
        spec: what it may hold.
        blocks: the blocks of the stage that have it; empty for a field that is always there.
    """

    spec: FieldSpec
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawValue:
    """What a file says of a field, as yet unread.

    Attributes:
        data: what it says.
        where: the place in the file.
        dimension: what the dimension is called if it leaves a choice.
    """

    data: object
    where: str
    dimension: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the network with fields of its own.

    Attributes:
        name: begins the paths of its fields; empty at the top.
        where: the place in the file.
        fields: in the order of their declaration.
        given: what the file says, by the name of a field or alias.
        aliases: other names of fields.
        base: the scope of the fields that aliases multiply.
    """

    name: str
    where: str
    fields: Mapping[str, SectionField]
    given: Mapping[str, RawValue]
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    base: str = ""

    def path(self, name: str) -> str:
        """Return the path of one of its fields."""
        return f"{self.name}.{name}" if self.name else name


def sections_of(document: Mapping[str, Any], where: str) -> list[Section]:
    """Return the scopes of a checked document, from the image to the head.

    Raises:
        SpaceError: a field that does not exist, or a shared one that no stage takes; ``where``
            begins the message.
    """
    if not document.get("stages"):
        raise SpaceError(f"{where}: stages is missing or empty; a list of at least one stage")
    for key in ("shared", "defaults"):
        _check_wide(document.get(key, {}), f"{where}: {key}")
    stages = [
        _stage_scope(document, number, where) for number in range(1, len(document["stages"]) + 1)
    ]
    top = {"resolution_px": specs(Architecture)["resolution_px"]}
    head = _plain_scope(
        "head", document.get("head", {}), HEAD_FIELDS, where, HEAD_ALIASES, stages[-1].name
    )
    used = {given.dimension for stage in stages for given in stage.given.values()}
    for name in document.get("shared", {}):
        if name not in used:
            raise SpaceError(
                f"{where}: shared.{name} is taken by no stage: each has its own, or no such field"
            )
    named = {name: document[name] for name in top if name in document}
    return [
        _plain_scope("", named, top, where),
        _plain_scope("stem", document.get("stem", {}), STEM_FIELDS, where),
        *stages,
        head,
    ]


def block_spec() -> FieldSpec:
    """Return the declaration of a stage's ``block``."""
    return FieldSpec(
        str,
        "what follows the inverted residuals; conv for nothing",
        choices=(CONV, *BLOCKS),
        defaults=(({}, CONV),),
    )


@cache
def stage_fields(kinds: tuple[str, ...]) -> Mapping[str, SectionField]:
    """Return the fields of a stage that may hold certain blocks: its own, then those of the blocks.

    Raises:
        SpaceError: two blocks declare a field differently.
    """
    own = {name: SectionField(spec) for name, spec in specs(Stage).items()} | {
        "block": SectionField(block_spec())
    }
    found: dict[str, SectionField] = {}
    for kind in kinds:
        for name, spec in specs(BLOCKS.get(kind)).items():
            before = found.get(name, SectionField(spec))
            if replace(before.spec, doc="") != replace(spec, doc=""):
                raise SpaceError(
                    f"the blocks {listing(before.blocks)} and {kind} declare {name} differently, so"
                    " no stage can choose between them"
                )
            found[name] = SectionField(spec, (*before.blocks, kind))
    return own | found


@cache
def stage_aliases(kinds: tuple[str, ...]) -> Mapping[str, Alias]:
    """Return the other names of the fields of certain blocks."""
    return {name: alias for kind in kinds for name, alias in BLOCKS.get(kind).aliases.items()}


def every_spec() -> dict[str, list[FieldSpec]]:
    """Return the declarations of all fields and factors that a stage with some block has, by name."""
    found = {name: [spec] for name, spec in specs(Stage).items()} | {"block": [block_spec()]}
    for cls in (BLOCKS.get(kind) for kind in BLOCKS):
        for name, spec in [
            *specs(cls).items(),
            *((name, alias.spec) for name, alias in cls.aliases.items()),
        ]:
            found.setdefault(name, []).append(spec)
    return found


def overlaid(
    lower: Mapping[str, T], upper: Mapping[str, T], aliases: Mapping[str, Alias]
) -> dict[str, T]:
    """Return ``lower`` with ``upper`` on top; a field named in ``upper`` goes from ``lower`` under its other name too."""
    named = {alias.target for name, alias in aliases.items() if name in upper}
    named |= {name for name, alias in aliases.items() if alias.target in upper}
    return {name: value for name, value in lower.items() if name not in named} | dict(upper)


def _plain_scope(
    name: str,
    data: Mapping[str, object],
    fields: Mapping[str, FieldSpec],
    where: str,
    aliases: Mapping[str, Alias] | None = None,
    base: str = "",
) -> Section:
    aliases = aliases or {}
    _refuse_unknown(data, [*fields, *aliases], f"{where}: {name}" if name else where)
    prefix, place = (f"{name}.", f"{where}: {name}.") if name else ("", f"{where}: ")
    given = {key: RawValue(value, place + key, prefix + key) for key, value in data.items()}
    declared = {key: SectionField(spec) for key, spec in fields.items()}
    return Section(name, f"{where}: {name}" if name else where, declared, given, aliases, base)


def _stage_scope(document: Mapping[str, Any], number: int, where: str) -> Section:
    name, place, own = (
        f"stage{number}",
        f"{where}: stages[{number - 1}]",
        document["stages"][number - 1],
    )
    every = stage_aliases(tuple(BLOCKS))
    given = {
        key: RawValue(value, f"{where}: shared.{key}", key)
        for key, value in document.get("shared", {}).items()
    }
    defaults = {
        key: RawValue(value, f"{where}: defaults.{key}", f"{name}.{key}")
        for key, value in document.get("defaults", {}).items()
    }
    given = overlaid(given, defaults, every)
    given = overlaid(
        given,
        {key: RawValue(value, f"{place}.{key}", f"{name}.{key}") for key, value in own.items()},
        every,
    )
    kinds = _kinds(given.get("block"))
    fields, aliases = stage_fields(kinds), stage_aliases(kinds)
    _refuse_foreign(own, [*fields, *aliases], kinds, place)
    return Section(
        name,
        place,
        fields,
        {key: value for key, value in given.items() if key in fields or key in aliases},
        aliases,
        name,
    )


def _check_wide(data: Mapping[str, object], where: str) -> None:
    """Refuse an entry for all stages that no stage could take, whether one does or not."""
    every = every_spec()
    _refuse_unknown(data, list(every), where)
    for name, entry in data.items():
        for index, spec in enumerate(every[name]):
            try:
                parse_entry(entry, spec, f"{where}.{name}")
                break
            except SpaceError:
                if index == len(every[name]) - 1:
                    raise


def _kinds(given: RawValue | None) -> tuple[str, ...]:
    """Return the blocks that a stage may hold."""
    if given is None:
        return ()
    entry = parse_entry(given.data, block_spec(), given.where)
    return tuple(kind for kind in BLOCKS if kind in (*entry.values, entry.otherwise))


def _refuse_foreign(
    own: Mapping[str, object], known: list[str], kinds: tuple[str, ...], where: str
) -> None:
    """Refuse a field that the stage has not, in words that tell a slip of the pen from the field of a block that it cannot hold."""
    _refuse_unknown(own, list(every_spec()), where)
    for name in own:
        if name not in known:
            raise SpaceError(
                f"{where}: field {name!r} has no effect, since the stage's block is only"
                f" {listing([CONV, *kinds])}"
            )


def _refuse_unknown(data: Iterable[str], known: list[str], where: str) -> None:
    for name in data:
        if name not in known:
            raise SpaceError(
                f"{where}: unknown field {name!r}{nearest(str(name), known)} (known:"
                f" {listing(known)})"
            )
