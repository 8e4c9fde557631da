"""The sections of a space file (the top, ``stem``, each stage, ``head``): their fields and values.

An entry of a stage takes precedence over one in ``defaults``, and that over one in ``shared``. This
holds for both names of a field that has two (``ffn_dim`` and ``ffn_multiplier``).
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
    """A field of a section.

    Attributes:
        spec: Declaration of the field.
        blocks: Blocks of the stage that have the field; empty for a field that is always there.
    """

    spec: FieldSpec
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawValue:
    """The unparsed value of a field in a file.

    Attributes:
        data: Plain data from the file.
        where: Place in the file.
        dimension: Name of the dimension, if the value leaves a choice.
    """

    data: object
    where: str
    dimension: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the network with fields of its own.

    Attributes:
        name: Prefix of the paths of its fields; empty at the top.
        where: Place in the file.
        fields: Fields in the order of their declaration.
        raw_values: Values in the file, by the name of a field or alias.
        aliases: Other names of fields.
        base: Name of the section with the fields that aliases multiply.
    """

    name: str
    where: str
    fields: Mapping[str, SectionField]
    raw_values: Mapping[str, RawValue]
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    base: str = ""

    def path(self, name: str) -> str:
        """Return the path of a field of the section."""
        return f"{self.name}.{name}" if self.name else name


def sections_of(document: Mapping[str, Any], where: str) -> list[Section]:
    """Return the sections of a checked document, from the image to the head.

    Args:
        document: Content of the file.
        where: Beginning of error messages.

    Raises:
        SpaceError: A field does not exist, or no stage uses a shared one.
    """
    if not document.get("stages"):
        raise SpaceError(f"{where}: stages is missing or empty; a list of at least one stage")
    for key in ("shared", "defaults"):
        _check_for_all_stages(document.get(key, {}), f"{where}: {key}")
    numbers = range(1, len(document["stages"]) + 1)
    stages = [_stage_section(document, number, where) for number in numbers]
    used = {raw.dimension for stage in stages for raw in stage.raw_values.values()}
    for name in document.get("shared", {}):
        if name not in used:
            raise SpaceError(
                f"{where}: shared.{name} is used by no stage: each has its own, or no such field"
            )
    top_fields = {"resolution_px": specs(Architecture)["resolution_px"]}
    top_data = {name: document[name] for name in top_fields if name in document}
    top = _plain_section("", top_data, top_fields, where)
    stem = _plain_section("stem", document.get("stem", {}), STEM_FIELDS, where)
    head = _plain_section(
        "head", document.get("head", {}), HEAD_FIELDS, where, HEAD_ALIASES, stages[-1].name
    )
    return [top, stem, *stages, head]


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
    """Return the fields of a stage: its own, then those of the blocks that it may hold.

    Args:
        kinds: Names of the blocks.

    Raises:
        SpaceError: Two blocks declare a field differently.
    """
    own = {name: SectionField(spec) for name, spec in specs(Stage).items()}
    own["block"] = SectionField(block_spec())
    found: dict[str, SectionField] = {}
    for kind in kinds:
        for name, spec in specs(BLOCKS.get(kind)).items():
            before = found.get(name, SectionField(spec))
            # Blocks may describe a shared field in different words.
            if replace(before.spec, doc="") != replace(spec, doc=""):
                raise SpaceError(
                    f"the blocks {listing(before.blocks)} and {kind} declare {name} differently, so"
                    " no stage can choose between them"
                )
            found[name] = SectionField(spec, (*before.blocks, kind))
    return own | found


@cache
def stage_aliases(kinds: tuple[str, ...]) -> Mapping[str, Alias]:
    """Return the aliases of the fields of certain blocks."""
    return {name: alias for kind in kinds for name, alias in BLOCKS.get(kind).aliases.items()}


def every_spec() -> dict[str, list[FieldSpec]]:
    """Return the declarations of all fields and factors of stages with any block, by name."""
    found = {name: [spec] for name, spec in specs(Stage).items()} | {"block": [block_spec()]}
    for cls in (BLOCKS.get(kind) for kind in BLOCKS):
        factors = {name: alias.spec for name, alias in cls.aliases.items()}
        for name, spec in [*specs(cls).items(), *factors.items()]:
            found.setdefault(name, []).append(spec)
    return found


def overlaid(
    base: Mapping[str, T], top: Mapping[str, T], aliases: Mapping[str, Alias]
) -> dict[str, T]:
    """Return ``base`` with ``top`` over it.

    A field in ``top`` also replaces the other name of that field in ``base``.
    """
    replaced = {alias.target for name, alias in aliases.items() if name in top}
    replaced |= {name for name, alias in aliases.items() if alias.target in top}
    return {name: value for name, value in base.items() if name not in replaced} | dict(top)


def _plain_section(
    name: str,
    data: Mapping[str, object],
    fields: Mapping[str, FieldSpec],
    where: str,
    aliases: Mapping[str, Alias] | None = None,
    base: str = "",
) -> Section:
    """Return a section with a fixed set of fields: the top, the stem or the head."""
    aliases = aliases or {}
    place = f"{where}: {name}" if name else where
    _refuse_unknown(data, [*fields, *aliases], place)
    raw_values = {}
    for key, value in data.items():
        if name:
            raw_values[key] = RawValue(value, f"{place}.{key}", f"{name}.{key}")
        else:
            raw_values[key] = RawValue(value, f"{place}: {key}", key)
    declared = {key: SectionField(spec) for key, spec in fields.items()}
    return Section(name, place, declared, raw_values, aliases, base)


def _stage_section(document: Mapping[str, Any], number: int, where: str) -> Section:
    name = f"stage{number}"
    place = f"{where}: stages[{number - 1}]"
    own = document["stages"][number - 1]
    shared = {
        key: RawValue(value, f"{where}: shared.{key}", key)
        for key, value in document.get("shared", {}).items()
    }
    defaults = {
        key: RawValue(value, f"{where}: defaults.{key}", f"{name}.{key}")
        for key, value in document.get("defaults", {}).items()
    }
    stated = {key: RawValue(value, f"{place}.{key}", f"{name}.{key}") for key, value in own.items()}
    all_aliases = stage_aliases(tuple(BLOCKS))
    raw_values = overlaid(overlaid(shared, defaults, all_aliases), stated, all_aliases)
    kinds = _kinds(raw_values.get("block"))
    fields = stage_fields(kinds)
    aliases = stage_aliases(kinds)
    _refuse_without_effect(own, [*fields, *aliases], kinds, place)
    # Values for all stages may be of blocks that this stage does not have.
    used = {key: raw for key, raw in raw_values.items() if key in fields or key in aliases}
    return Section(name, place, fields, used, aliases, base=name)


def _check_for_all_stages(data: Mapping[str, object], where: str) -> None:
    """Refuse an entry for all stages that no stage could use, even if none does."""
    declarations = every_spec()
    _refuse_unknown(data, list(declarations), where)
    for name, entry in data.items():
        _check_any_spec(entry, declarations[name], f"{where}.{name}")


def _check_any_spec(entry: object, candidates: list[FieldSpec], where: str) -> None:
    """Refuse an entry that suits no declaration, with the message of the last one."""
    for index, spec in enumerate(candidates):
        try:
            parse_entry(entry, spec, where)
            return
        except SpaceError:
            if index == len(candidates) - 1:
                raise


def _kinds(raw: RawValue | None) -> tuple[str, ...]:
    """Return the blocks that a stage may hold, given the raw value of its field ``block``."""
    if raw is None:
        return ()
    entry = parse_entry(raw.data, block_spec(), raw.where)
    return tuple(kind for kind in BLOCKS if kind in (*entry.values, entry.otherwise))


def _refuse_without_effect(
    own: Mapping[str, object], known: list[str], kinds: tuple[str, ...], where: str
) -> None:
    """Refuse a field that no block of the stage has.

    The message tells an unknown name from the field of a block that the stage cannot hold.
    """
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
