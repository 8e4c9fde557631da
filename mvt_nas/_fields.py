"""What a field of a stage or block may hold: one declaration serves validation, search-space files, defaults and the JSON Schema.

A field is declared on a frozen dataclass with :func:`choice`, :func:`integer`, :func:`number` or
:func:`flag`. The declaration says which values are allowed, when the field is *active* (``heads``
only where attention is multi-head), and what it is when nobody says. An inactive field is ``None``,
so that architectures that differ only in it are equal.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from mvt_nas.errors import ArchitectureError, listing, nearest

Value = int | float | str | bool | None
"""What a field holds: a number, a name, a truth value, or ``None`` while inactive."""

Conditions = Mapping[str, tuple[Value, ...]]
"""For each named field the values it may have for the condition to hold."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """The declaration of one field.

    Attributes:
        kind: the Python type of its values.
        doc: one line for people.
        choices: the allowed names, for ``str``.
        low: the smallest allowed number.
        high: the largest allowed number.
        odd: only odd numbers.
        when: the field is active where these conditions on *earlier* fields hold.
        defaults: cases ``(conditions, value)``; the first that holds gives the value where none is
            named. Empty: must be named.
    """

    kind: type
    doc: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    odd: bool = False
    when: Conditions = dataclasses.field(default_factory=dict)
    defaults: tuple[tuple[Conditions, Value], ...] = ()

    def check(self, value: object, where: str) -> Value:
        """Return ``value`` as this field stores it.

        Raises:
            ArchitectureError: the value is of another type or not allowed; ``where`` begins the
                message.
        """
        result: Any = value
        if self.kind is float and type(value) is int and self._allows(value):
            result = float(value)
        if type(result) is not self.kind or not self._allows(result):
            raise ArchitectureError(
                f"{where} = {reprlib.repr(value)} is not allowed;"
                f" {self.allowed()}{nearest(str(value), self.choices)}"
            )
        return cast(Value, result)

    def _allows(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        if self.kind in (int, float):
            within = (self.low is None or value >= self.low) and (
                self.high is None or value <= self.high
            )
            return bool(within and (not self.odd or value % 2 == 1))
        return True

    def allowed(self) -> str:
        """Return in words what the field may hold."""
        if self.choices:
            return f"one of {listing(self.choices)}"
        if self.kind is bool:
            return "true or false"
        noun = "an odd integer" if self.odd else {int: "an integer", float: "a number"}[self.kind]
        return f"{noun} from {self.low:g} to {self.high:g}"


def choice(
    *names: str,
    doc: str,
    when: Conditions | None = None,
    defaults: tuple[tuple[Conditions, Value], ...] = (),
) -> Any:
    """Declare a field that holds one of ``names``; the first is the default unless ``defaults`` says otherwise."""
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
    """Declare a field that holds a floating-point number between ``low`` and ``high``, both included."""
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
    """Return the dataclass field; where a default or a condition exists, ``None`` asks for it (see :func:`complete`)."""
    if spec.defaults or spec.when:
        return dataclasses.field(default=None, metadata={"spec": spec})
    return dataclasses.field(metadata={"spec": spec})


_SPECS: dict[type, MappingProxyType[str, FieldSpec]] = {}


def specs(cls: type) -> MappingProxyType[str, FieldSpec]:
    """Return the declared fields of a dataclass, in order."""
    if cls not in _SPECS:
        _SPECS[cls] = MappingProxyType(
            {f.name: f.metadata["spec"] for f in dataclasses.fields(cls) if "spec" in f.metadata}
        )
    return _SPECS[cls]


def holds(conditions: Conditions, values: Mapping[str, Any]) -> bool:
    """Return whether every condition is met by ``values``."""
    return all(values[name] in allowed for name, allowed in conditions.items())


Derivation = Callable[[Any, Any], Any]
"""``(factor, base) -> value`` for numbers and for NumPy arrays alike; never smaller for a larger
factor or base."""


@dataclass(frozen=True, slots=True)
class Alias:
    """Another way to name a field in a file: a factor of an earlier field (``ffn_multiplier`` for ``ffn_dim``).

    Attributes:
        target: the field that is meant.
        base: the field that the factor multiplies.
        spec: which factors are allowed.
        derive: turns factor and base into the target's value.
        default: the factor when neither it nor the target is named; ``None`` where the target is
            then an error.
    """

    target: str
    base: str
    spec: FieldSpec
    derive: Derivation
    default: float | None = None


def complete(
    cls: type, given: Mapping[str, object], where: str, aliases: Mapping[str, Alias] | None = None
) -> dict[str, Value]:
    """Return all fields of ``cls`` from those ``given``: checked, inactive ones ``None``, missing ones at their defaults.

    Raises:
        ArchitectureError: an unknown, missing or forbidden value; ``where`` begins the message.
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
