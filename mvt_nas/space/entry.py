"""One entry of a space file: a constant, a list of values, or a range, possibly under a condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mvt_nas.errors import ArchitectureError, SpaceError, listing, nearest
from mvt_nas.space.fields import FieldSpec, Value

_KEYS = ("values", "min", "max", "step", "when", "otherwise")
_MOST_VALUES = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file says of a field.

    Attributes:
        values: one for a constant, more for a dimension.
        when: conditions (field name to allowed values) under which they apply.
        otherwise: the value where the conditions fail; ``None`` for the field's default.
    """

    values: tuple[Value, ...]
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    otherwise: Value = None


def parse_entry(data: object, spec: FieldSpec, where: str) -> Entry:
    """Return the entry that ``data`` states for a field.

    Raises:
        SpaceError: an empty range, a duplicate, a value of the wrong type or not allowed; ``where`` begins the message.
    """
    if not isinstance(data, Mapping):
        return Entry(_values(data if isinstance(data, list) else [data], spec, where))
    for key in data:
        if key not in _KEYS:
            raise SpaceError(f"{where}: unknown key {key!r}{nearest(str(key), _KEYS)} (known: {listing(_KEYS)})")
    if ("values" in data) == ("min" in data or "max" in data):
        raise SpaceError(f"{where}: needs either values (a list) or min and max (with step)")
    if "values" in data:
        listed = data["values"] if isinstance(data["values"], list) else [data["values"]]
    else:
        listed = _range(data, spec, where)
    otherwise = None if data.get("otherwise") is None else _checked(data["otherwise"], spec, f"{where}.otherwise")
    return Entry(_values(listed, spec, where), _conditions(data.get("when", {}), where), otherwise)


def _values(listed: list[Any], spec: FieldSpec, where: str) -> tuple[Value, ...]:
    if not listed:
        raise SpaceError(f"{where}: the list of values is empty; {spec.allowed()}")
    if len(listed) > _MOST_VALUES:
        raise SpaceError(f"{where}: {len(listed)} values; at most {_MOST_VALUES} (a larger step does it)")
    values = tuple(_checked(value, spec, where) for value in listed)
    for index, value in enumerate(values):
        if value in values[:index]:
            raise SpaceError(f"{where}: the value {value!r} is given twice")
    return tuple(sorted(values)) if spec.kind in (int, float) else values  # type: ignore[type-var]  # numbers, as checked


def _checked(value: object, spec: FieldSpec, where: str) -> Value:
    try:
        return spec.check(value, where)
    except ArchitectureError as error:
        raise SpaceError(str(error)) from None


def _range(data: Mapping[str, Any], spec: FieldSpec, where: str) -> list[Any]:
    low, high, step = data.get("min"), data.get("max"), data.get("step", 1)
    for name, value in (("min", low), ("max", high), ("step", step)):
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise SpaceError(f"{where}.{name} = {value!r} is not allowed; a number")
    if spec.kind not in (int, float) or step <= 0 or low > high:
        raise SpaceError(f"{where}: the range from {low} to {high} in steps of {step} is empty; {spec.allowed()}")
    count = int((high - low) / step + 1e-9) + 1
    if count > _MOST_VALUES:
        raise SpaceError(f"{where}: {count} values; at most {_MOST_VALUES} (a larger step does it)")
    return [low + index * step for index in range(count)]


def _conditions(data: object, where: str) -> dict[str, tuple[Value, ...]]:
    if not isinstance(data, Mapping) or not all(isinstance(name, str) for name in data):
        raise SpaceError(f"{where}.when = {data!r} is not allowed; a mapping of fields to values")
    return {name: tuple(value) if isinstance(value, list) else (value,) for name, value in data.items()}
