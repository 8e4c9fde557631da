"""One entry of a space file: a constant, a list of values or a range, perhaps with a condition."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mvt_nas._fields import Conditions, FieldSpec, Value
from mvt_nas.errors import ArchitectureError, SpaceError, listing, nearest

KEYS = ("values", "min", "max", "step", "when", "otherwise")
"""The keys of an entry that is a mapping."""

MOST_VALUES = 1024
"""Largest number of values of one entry."""


@dataclass(frozen=True, slots=True)
class SpaceEntry:
    """The parsed entry of a field.

    Attributes:
        values: One value for a constant, several for a dimension; numbers ascend.
        when: Conditions (field name to allowed values) under which the values apply.
        otherwise: Value where the conditions fail; ``None`` for the field's default.
    """

    values: tuple[Value, ...]
    when: Conditions = field(default_factory=dict)
    otherwise: Value = None


def parse_entry(data: object, spec: FieldSpec, where: str) -> SpaceEntry:
    """Return the parsed entry of a field.

    Args:
        data: Plain data from the file.
        spec: Declaration of the field.
        where: Beginning of error messages.

    Raises:
        SpaceError: A range is empty, a value is repeated, has the wrong type or is not allowed.
    """
    if not isinstance(data, Mapping):
        return SpaceEntry(_values(data if isinstance(data, list) else [data], spec, where))
    for key in data:
        if key not in KEYS:
            raise SpaceError(
                f"{where}: unknown key {key!r}{nearest(str(key), KEYS)} (known: {listing(KEYS)})"
            )
    if ("values" in data) == any(key in data for key in ("min", "max", "step")):
        raise SpaceError(f"{where}: needs either values (a list) or min and max (with step)")
    if "otherwise" in data and "when" not in data:
        raise SpaceError(f"{where}: otherwise needs a condition (when)")
    listed = _listed(data["values"]) if "values" in data else _range(data, spec, where)
    values = _values(listed, spec, where)
    when = _conditions(data.get("when", {}), where)
    otherwise = None
    if data.get("otherwise") is not None:
        otherwise = checked(data["otherwise"], spec, f"{where}.otherwise")
    return SpaceEntry(values, when, otherwise)


def checked(value: object, spec: FieldSpec, where: str) -> Value:
    """Return ``value`` as the field stores it.

    Raises:
        SpaceError: It is not allowed; ``where`` begins the message.
    """
    try:
        return spec.check(value, where)
    except ArchitectureError as error:
        raise SpaceError(str(error)) from None


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _values(listed: list[Any], spec: FieldSpec, where: str) -> tuple[Value, ...]:
    if not listed:
        raise SpaceError(f"{where}: the list of values is empty; {spec.allowed()}")
    if len(listed) > MOST_VALUES:
        raise SpaceError(
            f"{where}: {len(listed)} values; at most {MOST_VALUES} (use a larger step)"
        )
    values = [checked(value, spec, where) for value in listed]
    for value in values:
        if values.count(value) > 1:
            raise SpaceError(f"{where}: the value {value!r} is given twice")
    return tuple(sorted(values)) if spec.kind in (int, float) else tuple(values)  # type: ignore[type-var]  # numbers, as checked


def _range(data: Mapping[str, Any], spec: FieldSpec, where: str) -> list[Any]:
    if spec.kind not in (int, float):
        raise SpaceError(f"{where}: a range needs numbers; {spec.allowed()}")
    for name in ("min", "max"):
        if name not in data:
            raise SpaceError(f"{where}: {name} is missing; {spec.allowed()}")
        checked(data[name], spec, f"{where}.{name}")
    low = data["min"]
    high = data["max"]
    step = data.get("step", 1)
    if type(step) not in (int, spec.kind) or not 0 < step <= (spec.high or 0):
        noun = "an integer" if spec.kind is int else "a number"
        raise SpaceError(
            f"{where}.step = {reprlib.repr(step)} is not allowed; {noun} above 0 and up to"
            f" {spec.high:g}"
        )
    if low > high:
        raise SpaceError(
            f"{where}: the range from {low} to {high} in steps of {step} is empty; {spec.allowed()}"
        )
    if (high - low) / step >= MOST_VALUES:
        raise SpaceError(
            f"{where}: more than {MOST_VALUES} values from {low} to {high}; use a larger step"
        )
    # The small number makes up for the rounding of fractions: (0.3 - 0) / 0.1 is below 3.
    count = int((high - low) / step + 1e-9) + 1
    return [_without_rounding_error(low + index * step) for index in range(count)]


def _without_rounding_error(value: Any) -> Any:
    """Return a number of a range as a person would write it."""
    return round(value, 9) if isinstance(value, float) else value


def _conditions(data: object, where: str) -> Conditions:
    if not isinstance(data, Mapping) or not all(isinstance(name, str) for name in data):
        raise SpaceError(
            f"{where}.when = {reprlib.repr(data)} is not allowed; a mapping of fields to values"
        )
    found = {name: tuple(_listed(value)) for name, value in data.items()}
    for name, allowed in found.items():
        for value in allowed:
            if not isinstance(value, int | float | str):
                raise SpaceError(
                    f"{where}.when.{name} = {reprlib.repr(value)} is not allowed; a value of that"
                    " field"
                )
    return found
