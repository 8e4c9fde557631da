"""Parameters of commands: paths, ``DIM=VALUE``, and options built from declared settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mvt_nas._settings import Setting, settings

Command = TypeVar("Command", bound=Callable[..., Any])


class _NotEmpty(click.Path):
    """A path that is not an empty text, which Python would read as the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).strip():
            self.fail("an empty text is no path", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = _NotEmpty(path_type=Path)
FILE = _NotEmpty(path_type=Path, dir_okay=False)
FILE_OR_FOLDER = _NotEmpty(path_type=Path)


def setting_options(*classes: type) -> Callable[[Command], Command]:
    """Return a decorator that adds an option for each declared setting that has one.

    The command gets the value under the name of the Python parameter; ``None``, or an empty tuple
    for an option that may be repeated, if the option was not given.

    Args:
        classes: Dataclasses of settings (see :mod:`mvt_nas._settings`), in the order of the help.
    """
    options = [
        _option(name, declared)
        for cls in classes
        for name, declared in settings(cls).items()
        if declared.option is not None
    ]

    def decorate(command: Command) -> Command:
        # click lists the option of the outermost decorator first.
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def given_settings(values: dict[str, Any], cls: type) -> dict[str, Any]:
    """Remove the options of a class of settings from ``values``, and return the given ones."""
    given = {}
    for name, declared in settings(cls).items():
        if declared.option is None:
            continue
        parameter = declared.option.parameter or name
        value = values.pop(parameter)
        if value is not None and value != ():
            given[parameter] = value
    return given


def _option(name: str, declared: Setting) -> Callable[[Command], Command]:
    option = declared.option
    assert option is not None
    parameter = option.parameter or name
    if declared.spec.kind is bool:
        return click.option(
            option.name,
            parameter,
            is_flag=True,
            default=None,
            callback=_negate if declared.default is True else None,
            help=declared.spec.doc,
        )
    return click.option(
        option.name,
        parameter,
        type=_type(declared),
        multiple=declared.many or option.repeated,
        metavar=option.metavar,
        help=_help(declared),
    )


def _negate(context: click.Context, parameter: click.Parameter, value: bool | None) -> bool | None:
    """Return the value of a setting whose flag turns it off; ``None`` if the flag is not given."""
    return False if value else None


def _type(declared: Setting) -> click.ParamType | type:  # type: ignore[type-arg]  # older clicks have no type arguments
    spec = declared.spec
    if declared.option is not None and declared.option.is_file:
        return FILE
    if spec.kind is int:
        low = None if spec.low is None else int(spec.low)
        high = None if spec.high is None else int(spec.high)
        return click.IntRange(low, high)
    if spec.kind is float:
        return click.FloatRange(
            spec.low, spec.high, min_open=spec.exclusive, max_open=spec.exclusive
        )
    return str


def _help(declared: Setting) -> str:
    """Return the documentation of a setting with its default."""
    option = declared.option
    assert option is not None
    text = declared.spec.doc
    if declared.many or option.repeated:
        text += " May be repeated."
    default = option.default
    if default is None and isinstance(declared.default, float):
        default = f"{declared.default:.3g}"
    elif default is None and not option.repeated:
        default = str(declared.default)
    return text if default is None else f"{text}  [default: {default}]"


def option_name(command: click.Command, parameter: str) -> str | None:
    """Return the option or argument of a command that sets a Python parameter.

    Args:
        command: The command.
        parameter: Name of the parameter, or the path to a part of it, such as ``scoring.images``.

    Returns:
        The spelling, such as ``--objective``; ``None`` if the command has no such parameter.
    """
    name = parameter.rpartition(".")[2]
    option = f"--{name.replace('_', '-')}"
    for one in command.params:
        if name == one.name or option in one.opts:
            return one.opts[0] if isinstance(one, click.Option) else str(one.name).upper()
    return None
