"""Declared fields: one declaration serves validation, space files, defaults and the JSON Schema.

A field of a stage or block is declared on a frozen dataclass with :func:`choice`, :func:`integer`,
:func:`number` or :func:`flag`. The declaration gives the allowed values, the condition under which
the field is *active* (``heads`` only where attention is multi-head), and its default. An inactive
field is ``None``, so that architectures that differ only in it are equal.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, cast

from mvt_nas.errors import ArchitectureError, listing, nearest

Value = int | float | str | bool | None
"""The value of a field: a number, a name, a truth value, or ``None`` while inactive."""

Conditions = Mapping[str, tuple[Value, ...]]
"""For each named field, the values with which the condition holds."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """The declaration of one field.

    Attributes:
        kind: Python type of the values.
        doc: One line of documentation.
        choices: Allowed names, for ``str``.
        low: Smallest allowed number; ``None`` for no limit.
        high: Largest allowed number; ``None`` for no limit.
        odd: Whether only odd numbers are allowed.
        when: Conditions on *earlier* fields under which the field is active.
        defaults: Cases ``(conditions, value)``; the first case that holds gives the default. A
            field without cases is required.
        exclusive: Whether ``low`` and ``high`` themselves are excluded.
    """

    kind: type
    doc: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    odd: bool = False
    when: Conditions = dataclasses.field(default_factory=dict)
    defaults: tuple[tuple[Conditions, Value], ...] = ()
    exclusive: bool = False

    def check(self, value: object, where: str) -> Value:
        """Return ``value`` as this field stores it.

        Raises:
            ArchitectureError: The value has another type or is not allowed; ``where`` begins the
                message.
        """
        result = self.convert(value)
        if result is None:
            raise ArchitectureError(f"{where} = {self.problem(value)}")
        return result

    def convert(self, value: object) -> Value:
        """Return ``value`` as this field stores it, or ``None`` if it is not allowed."""
        result: Any = value
        if self.kind is float and type(value) is int and self._allows(value):
            result = float(value)
        # bool is a subclass of int, but True is not a number here
        if type(result) is not self.kind or not self._allows(result):
            return None
        return cast(Value, result)

    def problem(self, value: object) -> str:
        """Return the end of an error message on a value that is not allowed."""
        suggestion = nearest(str(value), self.choices)
        return f"{reprlib.repr(value)} is not allowed; {self.allowed()}{suggestion}"

    def _allows(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        if self.kind not in (int, float):
            return True
        if self.exclusive:
            within = (self.low is None or value > self.low) and (
                self.high is None or value < self.high
            )
        else:
            within = (self.low is None or value >= self.low) and (
                self.high is None or value <= self.high
            )
        return bool(within and (not self.odd or value % 2 == 1))

    def allowed(self) -> str:
        """Return a description of the allowed values."""
        if self.choices:
            return f"one of {listing(self.choices)}"
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return "a text"
        noun = "an odd integer" if self.odd else {int: "an integer", float: "a number"}[self.kind]
        first, last = ("above", "and below") if self.exclusive else ("from", "to")
        low = "" if self.low is None else f" {first} {self._format_bound(self.low)}"
        high = "" if self.high is None else f" {last} {self._format_bound(self.high)}"
        return f"{noun}{low}{high}"

    def _format_bound(self, bound: float) -> str:
        return str(int(bound)) if self.kind is int else f"{bound:g}"


def choice(
    *names: str,
    doc: str,
    when: Conditions | None = None,
    defaults: tuple[tuple[Conditions, Value], ...] = (),
) -> Any:
    """Declare a field that holds one of ``names``.

    The first name is the default unless ``defaults`` says otherwise.
    """
    return _declare(
        FieldSpec(str, doc, choices=names, when=when or {}, defaults=defaults or (({}, names[0]),))
    )


def integer(
    low: int,
    high: int,
    *,
    doc: str,
    odd: bool = False,
    default: int | None = None,
    when: Conditions | None = None,
    defaults: tuple[tuple[Conditions, Value], ...] = (),
) -> Any:
    """Declare a field that holds an integer between ``low`` and ``high``, both included."""
    cases = defaults or (() if default is None else (({}, default),))
    return _declare(
        FieldSpec(int, doc, low=low, high=high, odd=odd, when=when or {}, defaults=cases)
    )


def number(low: float, high: float, *, doc: str, default: float | None = None) -> Any:
    """Declare a field that holds a float between ``low`` and ``high``, both included."""
    return _declare(
        FieldSpec(
            float, doc, low=low, high=high, defaults=() if default is None else (({}, default),)
        )
    )


def flag(
    *, doc: str, default: bool = False, defaults: tuple[tuple[Conditions, Value], ...] = ()
) -> Any:
    """Declare a field that holds true or false."""
    return _declare(FieldSpec(bool, doc, defaults=defaults or (({}, default),)))


def _declare(spec: FieldSpec) -> Any:
    """Return the dataclass field.

    Where a default or a condition exists, ``None`` stands for it (see :func:`complete`).
    """
    if spec.defaults or spec.when:
        return dataclasses.field(default=None, metadata={"spec": spec})
    return dataclasses.field(metadata={"spec": spec})


def specs(cls: type) -> MappingProxyType[str, FieldSpec]:
    """Return the declared fields of a dataclass, in order."""
    return _specs(cls)


@cache
def _specs(cls: type) -> MappingProxyType[str, FieldSpec]:
    return MappingProxyType(
        {
            field.name: field.metadata["spec"]
            for field in dataclasses.fields(cls)
            if "spec" in field.metadata
        }
    )


def holds(conditions: Conditions, values: Mapping[str, Any]) -> bool:
    """Return True if ``values`` meet every condition."""
    return all(values[name] in allowed for name, allowed in conditions.items())


Derivation = Callable[[Any, Any], Any]
"""``(factor, base) -> value`` for numbers and for NumPy arrays alike; never smaller for a larger
factor or base."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A factor of an earlier field that may replace a field in a file.

    An example is ``ffn_multiplier`` for ``ffn_dim``.

    Attributes:
        target: Name of the field that is derived.
        base: Name of the field that the factor multiplies.
        spec: Declaration of the allowed factors.
        derive: Function of factor and base that returns the target's value.
        default: Factor if neither it nor the target is given; ``None`` if the target is required.
    """

    target: str
    base: str
    spec: FieldSpec
    derive: Derivation
    default: float | None = None


def complete(
    cls: type, given: Mapping[str, object], where: str, aliases: Mapping[str, Alias] | None = None
) -> dict[str, Value]:
    """Return all fields of ``cls`` from the ``given`` ones.

    Given fields are checked, inactive ones are ``None``, and missing ones have their defaults.

    Raises:
        ArchitectureError: An unknown, missing or forbidden value; ``where`` begins the message.
    """
    declared = specs(cls)
    aliases = aliases or {}
    _refuse_unknown(given, [*declared, *aliases], where)
    _refuse_both(given, aliases, where)
    values: dict[str, Value] = {}
    for name, spec in declared.items():
        if not holds(spec.when, values):
            values[name] = None
        elif given.get(name) is not None:
            values[name] = spec.check(given[name], f"{where}.{name}")
        else:
            values[name] = _default(name, spec, values, given, where, aliases)
    return values


def _refuse_unknown(given: Mapping[str, object], known: list[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise ArchitectureError(
                f"{where}: unknown field {name!r}{nearest(name, known)} (known: {listing(known)})"
            )


def _refuse_both(given: Mapping[str, object], aliases: Mapping[str, Alias], where: str) -> None:
    for name, alias in aliases.items():
        if name in given and alias.target in given:
            raise ArchitectureError(f"{where}: give either {alias.target!r} or {name!r}, not both")


def _default(
    name: str,
    spec: FieldSpec,
    values: Mapping[str, Value],
    given: Mapping[str, object],
    where: str,
    aliases: Mapping[str, Alias],
) -> Value:
    for alias_name, alias in aliases.items():
        if alias.target == name and given.get(alias_name, alias.default) is not None:
            factor = alias.spec.check(given.get(alias_name, alias.default), f"{where}.{alias_name}")
            return spec.check(int(alias.derive(factor, values[alias.base])), f"{where}.{name}")
    for conditions, value in spec.defaults:
        if holds(conditions, values):
            return value
    raise ArchitectureError(f"{where}: field {name!r} is missing; {spec.allowed()}")
