"""The JSON Schema of search-space files, for completion and checks in editors.

It is made from the declarations of the fields. ``python -m mvt_nas.space.schema`` writes it into
the folder of the shipped spaces. It covers each file by itself; anything that depends on the whole
space (the names in a rule, a value of ``fix``) is checked when the space is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mvt_nas._fields import Alias, FieldSpec, specs
from mvt_nas.resources import shipped_spaces
from mvt_nas.space.architecture import BLOCKS, Architecture
from mvt_nas.space.document import FORMAT, MOST_RULES, MOST_STAGES
from mvt_nas.space.entry import MOST_VALUES
from mvt_nas.space.rules import LONGEST
from mvt_nas.space.sections import (
    HEAD_ALIASES,
    HEAD_FIELDS,
    STEM_FIELDS,
    stage_aliases,
    stage_fields,
)

Schema = dict[str, Any]

_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}


def json_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a search-space file."""
    stage = {"$ref": "#/$defs/stage"}
    top = {
        "format": _described({"const": FORMAT}, "version of the file format"),
        "name": _described(
            {"type": "string"}, "name of the space; the name of the file by default"
        ),
        "description": _described({"type": "string"}, "one or two lines for people"),
        "extends": _described(
            {"type": "string"}, "a space file in the same folder, or a shipped one, to start from"
        ),
        "resolution_px": entry_schema(specs(Architecture)["resolution_px"]),
        "stem": _described(_section(STEM_FIELDS, {}), "the first convolution"),
        "head": _described(_section(HEAD_FIELDS, HEAD_ALIASES), "what follows the stages"),
        "shared": _described(stage, "fields of the stages with one choice for all of them"),
        "defaults": _described(stage, "fields of the stages that have no entry of their own"),
        "stages": _described(
            {"type": "array", "items": stage, "minItems": 1, "maxItems": MOST_STAGES},
            "from the image to the head",
        ),
        "rules": _described(
            _list({"type": "string", "maxLength": LONGEST}, MOST_RULES),
            "conditions that every architecture obeys, such as dim % heads == 0",
        ),
        "fix": _described(
            _mapping(_SCALAR),
            "values of fixed dimensions; a bare field name means that field in all stages",
        ),
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A search space of mvt-nas",
        "type": "object",
    }
    needed = {"anyOf": [{"required": ["extends"]}, {"required": ["stem", "stages"]}]}
    return (
        schema
        | {
            "properties": top,
            "additionalProperties": False,
            "$defs": {"stage": _stage(), "when": _when()},
        }
        | needed
    )


def entry_schema(spec: FieldSpec) -> Schema:
    """Return the schema of a field's entry.

    An entry is a value, a list of values, or a mapping with a list or range and a condition.
    """
    value = value_schema(spec)
    values = {"anyOf": [value, _list(value, MOST_VALUES) | {"minItems": 1, "uniqueItems": True}]}
    properties: Schema = {
        "values": values,
        "when": {"$ref": "#/$defs/when"},
        "otherwise": {"anyOf": [value, {"type": "null"}]},
    }
    forms: list[Schema] = [{"required": ["values"]}]
    if spec.kind in (int, float):
        step = {"type": _TYPES[spec.kind], "exclusiveMinimum": 0, "maximum": spec.high}
        properties |= {"min": value, "max": value, "step": step}
        forms = [
            {"required": ["values"], "properties": dict.fromkeys(("min", "max", "step"), False)},
            {"required": ["min", "max"], "properties": {"values": False}},
        ]
    mapping = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "dependentRequired": {"otherwise": ["when"]},
    }
    return _described({"anyOf": [*values["anyOf"], mapping | {"oneOf": forms}]}, spec.doc)


def value_schema(spec: FieldSpec) -> Schema:
    """Return the schema of one value of a field."""
    if spec.choices:
        return {"enum": list(spec.choices)}
    limits = {"minimum": spec.low, "maximum": spec.high} if spec.kind in (int, float) else {}
    return {"type": _TYPES[spec.kind]} | limits | ({"not": {"multipleOf": 2}} if spec.odd else {})


def write_schema() -> None:
    """Write the schema into the folder of the shipped spaces."""
    path = shipped_spaces() / "schema.json"
    path.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")


def _stage() -> Schema:
    kinds = tuple(BLOCKS)
    return _section(
        {name: field.spec for name, field in stage_fields(kinds).items()}, stage_aliases(kinds)
    )


def _section(fields: Mapping[str, FieldSpec], aliases: Mapping[str, Alias]) -> Schema:
    """Return the schema of a section; a field and its factor exclude each other."""
    every = dict(fields) | {name: alias.spec for name, alias in aliases.items()}
    properties = {name: entry_schema(spec) for name, spec in every.items()}
    either = [{"not": {"required": [name, alias.target]}} for name, alias in aliases.items()]
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"allOf": either} if either else {})


def _when() -> Schema:
    kinds = tuple(BLOCKS)
    in_stage = "|".join(stage_fields(kinds))
    paths = rf"^((resolution_px|{in_stage})|(stem|head)\.width|stage[0-9]+\.({in_stage}))$"
    allowed = {"anyOf": [_SCALAR, _list(_SCALAR, MOST_VALUES) | {"minItems": 1}]}
    doc = (
        "fields, and their values for which the entry applies; elsewhere the value is that of"
        " otherwise, or the field's default"
    )
    return _described(
        {"type": "object", "patternProperties": {paths: allowed}, "additionalProperties": False},
        doc,
    )


def _list(items: Schema, most: int) -> Schema:
    return {"type": "array", "items": items, "maxItems": most}


def _mapping(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _described(schema: Schema, doc: str) -> Schema:
    return {"description": doc} | schema


if __name__ == "__main__":
    write_schema()
