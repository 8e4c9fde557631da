"""Declared settings: one declaration serves defaults, files, resuming and the command line.

A setting is a field of a frozen dataclass, declared with :func:`setting`: its values and
documentation (a :class:`~mvt_nas._fields.FieldSpec`), its default, the value to assume in files
older than the setting, whether results depend on it, and the option that sets it.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any

from mvt_nas._fields import FieldSpec
from mvt_nas.errors import MetricError, listing, nearest


@dataclass(frozen=True, slots=True)
class Option:
    """The option of the command line that sets a setting.

    Attributes:
        name: Spelling, such as ``--trials``; that of a flag which turns the setting off, where the
            setting is true by default.
        metavar: Placeholder for the value in the help text.
        parameter: Name of the Python parameter, if it is not that of the setting.
        default: Description of the default in the help text, if it is not the default itself.
        repeated: Whether the option may be given several times.
        is_file: Whether the value is the path of a file.
    """

    name: str
    metavar: str | None = None
    parameter: str | None = None
    default: str | None = None
    repeated: bool = False
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Codec:
    """Conversion between the value of a setting and plain data.

    Attributes:
        read: Function of plain data and the setting's name that returns the value. It raises
            MvtNasError for data that it does not accept.
        write: Function of the value that returns plain data.
    """

    read: Callable[[Any, str], Any]
    write: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """The declaration of a setting; see :func:`setting`."""

    spec: FieldSpec
    default: Any
    codec: Codec
    option: Option | None
    if_missing: Any
    affects_result: bool
    many: bool


def setting(
    spec: FieldSpec,
    *,
    default: Any = MISSING,
    codec: Codec | None = None,
    option: Option | None = None,
    if_missing: Any = MISSING,
    affects_result: bool = True,
    optional: bool = False,
    many: bool = False,
) -> Any:
    """Declare a setting as a field of a dataclass.

    Args:
        spec: Type, range and documentation of the value.
        default: Default value; without one, the setting is required.
        codec: Conversion from and to plain data; by default ``spec`` checks the value, which is
            plain data itself.
        option: The option of the command line, if there is one.
        if_missing: Plain data to assume in files that were written before the setting existed;
            without it, a file must contain the setting.
        affects_result: Whether another value may change the result.
        optional: Whether ``None`` is allowed.
        many: Whether the value is a tuple of values that ``spec`` checks.
    """
    if codec is None:
        codec = _tuple_codec(spec) if many else _plain_codec(spec, optional)
    declared = Setting(spec, default, codec, option, if_missing, affects_result, many)
    metadata = {"setting": declared}
    if default is MISSING:
        return dataclasses.field(metadata=metadata)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def settings(cls: type) -> dict[str, Setting]:
    """Return the declared settings of a dataclass, by name, in order."""
    return {
        field.name: field.metadata["setting"]
        for field in dataclasses.fields(cls)
        if "setting" in field.metadata
    }


def merge_settings(
    cls: type,
    given: Mapping[str, object],
    previous: object | None,
    *,
    resolved: Mapping[str, Any] | None = None,
    where: str = "",
) -> dict[str, Any]:
    """Return the values of all settings: resolved ones, given ones, previous ones, or defaults.

    Args:
        cls: The dataclass that declares the settings.
        given: Values as plain data, by name; ``None`` stands for a setting that was not given.
        previous: An instance of ``cls`` with the values of settings that were not given, if there
            is one; without it, they have their defaults.
        resolved: Final values by name, which are taken as they are.
        where: Prefix of names in error messages, such as ``scoring.``.

    Raises:
        MetricError: A value is unknown, missing or not allowed.
    """
    declared = settings(cls)
    _refuse_unknown(given, declared, where)
    values = dict(resolved or {})
    for name, one in declared.items():
        if name in values:
            continue
        if given.get(name) is not None:
            values[name] = one.codec.read(given[name], f"{where}{name}")
        elif previous is not None:
            values[name] = getattr(previous, name)
        elif one.default is not MISSING:
            values[name] = one.default
        else:
            raise MetricError(f"missing; {one.spec.doc}", parameter=f"{where}{name}")
    return values


def read_settings(cls: type, data: object, where: str = "") -> dict[str, Any]:
    """Return the values of all settings in plain data.

    Args:
        cls: The dataclass that declares the settings.
        data: A mapping from the names of settings to plain data.
        where: Prefix of names in error messages, such as ``scoring.``.

    Raises:
        MvtNasError: A setting is unknown, missing, or has a value that is not allowed.
    """
    declared = settings(cls)
    if not isinstance(data, Mapping):
        name = where.removesuffix(".") or None
        raise MetricError(f"{reprlib.repr(data)} is not allowed; a mapping", parameter=name)
    _refuse_unknown(data, declared, where)
    values: dict[str, Any] = {}
    for name, one in declared.items():
        plain = data.get(name, one.if_missing)
        if plain is MISSING:
            raise MetricError(f"missing; {one.spec.doc}", parameter=f"{where}{name}")
        values[name] = one.codec.read(plain, f"{where}{name}")
    return values


def write_settings(config: Any) -> dict[str, Any]:
    """Return an instance of a dataclass with settings as plain data."""
    return {
        name: one.codec.write(getattr(config, name)) for name, one in settings(type(config)).items()
    }


def result_settings(config: Any) -> dict[str, Any]:
    """Return the settings on which the result depends as plain data, by name.

    Settings within settings on which the result does not depend are left out too.
    """
    relevant: dict[str, Any] = {}
    for name, one in settings(type(config)).items():
        if not one.affects_result:
            continue
        value = getattr(config, name)
        nested = dataclasses.is_dataclass(value) and settings(type(value))
        relevant[name] = result_settings(value) if nested else one.codec.write(value)
    return relevant


def nested_codec(cls: type) -> Codec:
    """Return the codec of a setting that is itself a dataclass of settings."""

    def read(data: object, where: str) -> Any:
        return cls(**read_settings(cls, data, f"{where}."))

    return Codec(read, write_settings)


def list_codec(parse: Callable[[str], Any]) -> Codec:
    """Return the codec of a tuple of values that are written as texts."""

    def read(data: object, where: str) -> tuple[Any, ...]:
        if not isinstance(data, Sequence) or isinstance(data, str):
            raise MetricError(f"{reprlib.repr(data)} is not allowed; a list of texts", where)
        for text in data:
            if not isinstance(text, str):
                raise MetricError(f"{reprlib.repr(text)} is not allowed; a text", where)
        return tuple(parse(text) for text in data)

    return Codec(read, lambda values: [str(value) for value in values])


def mapping_codec() -> Codec:
    """Return the codec of a mapping of plain data."""

    def read(data: object, where: str) -> dict[str, Any]:
        if type(data) is not dict:
            raise MetricError(f"{reprlib.repr(data)} is not allowed; a mapping", where)
        return dict(data)

    return Codec(read, _copy)


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy in plain dictionaries, which YAML writers need."""
    return {
        name: _copy(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
    }


def _plain_codec(spec: FieldSpec, optional: bool) -> Codec:
    def read(data: object, where: str) -> Any:
        if data is None and optional:
            return None
        return _checked(spec, data, where)

    return Codec(read, lambda value: value)


def _tuple_codec(spec: FieldSpec) -> Codec:
    def read(data: object, where: str) -> tuple[Any, ...]:
        if not isinstance(data, Sequence) or isinstance(data, str):
            raise MetricError(f"{reprlib.repr(data)} is not allowed; a list", parameter=where)
        return tuple(_checked(spec, item, where) for item in data)

    return Codec(read, list)


def _checked(spec: FieldSpec, value: object, where: str) -> Any:
    result = spec.convert(value)
    if result is None:
        raise MetricError(spec.problem(value), parameter=where)
    return result


def _refuse_unknown(
    given: Mapping[str, object], declared: Mapping[str, Setting], where: str
) -> None:
    for name in given:
        if name not in declared:
            hint = nearest(str(name), declared)
            raise MetricError(
                f"unknown setting{hint} (known: {listing(declared)})", f"{where}{name}"
            )
