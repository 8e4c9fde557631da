"""Declared settings: what one declaration serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mvt_nas._fields import FieldSpec
from mvt_nas._settings import (
    Option,
    list_codec,
    merge_settings,
    nested_codec,
    read_settings,
    result_settings,
    setting,
    write_settings,
)
from mvt_nas.cli.parameters import given_settings, option_name, setting_options
from mvt_nas.errors import MetricError


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the settings."""

    size: int = setting(
        FieldSpec(int, "Size.", low=1, high=9), default=3, option=Option("--part-size", "N")
    )
    place: str = setting(FieldSpec(str, "Place."), default="here", affects_result=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Settings of every kind."""

    names: tuple[str, ...] = setting(
        FieldSpec(tuple, "Names."),
        codec=list_codec(str.upper),
        option=Option("--name", "NAME", default="all", repeated=True),
    )
    count: int = setting(
        FieldSpec(int, "Number of things.", low=1),
        default=20,
        option=Option("--count", "N"),
        affects_result=False,
    )
    share: float = setting(
        FieldSpec(float, "Share.", low=0, high=1, exclusive=True),
        default=1 / 3,
        option=Option("--share"),
    )
    fast: bool = setting(FieldSpec(bool, "Be slow."), default=True, option=Option("--slow"))
    steps: tuple[int, ...] = setting(
        FieldSpec(int, "Steps.", low=1),
        default=(),
        option=Option("--step", "N", parameter="stops", default="none"),
        if_missing=(),
        many=True,
    )
    part: Part = setting(FieldSpec(Part, "A part."), default=Part(), codec=nested_codec(Part))


EXAMPLE = Example(names=("A", "B"), count=5, share=0.5, fast=False, steps=(1, 2), part=Part(4))
PLAIN: dict[str, Any] = {
    "names": ["A", "B"],
    "count": 5,
    "share": 0.5,
    "fast": False,
    "steps": [1, 2],
    "part": {"size": 4, "place": "here"},
}


def test_settings_are_written_and_read_back() -> None:
    assert write_settings(EXAMPLE) == PLAIN
    assert list(write_settings(EXAMPLE)) == list(PLAIN)
    assert Example(**read_settings(Example, PLAIN)) == EXAMPLE
    older = {name: value for name, value in PLAIN.items() if name != "steps"}
    assert Example(**read_settings(Example, older)).steps == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "count: 0 is not allowed; an integer from 1"),
        ({"count": True}, "count: True is not allowed; an integer from 1"),
        ({"count": None}, "count: None is not allowed; an integer from 1"),
        ({"share": 1.0}, "share: 1.0 is not allowed; a number above 0 and below 1"),
        ({"share": float("nan")}, "share: nan is not allowed; a number above 0 and below 1"),
        ({"fast": 1}, "fast: 1 is not allowed; true or false"),
        ({"steps": 3}, "steps: 3 is not allowed; a list"),
        ({"steps": [1, 0]}, "steps: 0 is not allowed; an integer from 1"),
        ({"names": "A"}, "names: 'A' is not allowed; a list of texts"),
        ({"names": ["A", 3]}, "names: 3 is not allowed; a text"),
        ({"part": 3}, "part: 3 is not allowed; a mapping"),
        (
            {"part": {"size": 10, "place": ""}},
            "part.size: 10 is not allowed; an integer from 1 to 9",
        ),
        ({"part": {"size": 1}}, "part.place: missing; Place."),
        ({"cuont": 5}, "cuont: unknown setting; did you mean 'count'? (known: names, count,"),
        ({1: 5}, "1: unknown setting (known: names, count,"),
    ],
)
def test_wrong_settings_are_named(changes: dict[Any, Any], message: str) -> None:
    with pytest.raises(MetricError) as refused:
        read_settings(Example, PLAIN | changes)
    assert str(refused.value).startswith(message)


def test_missing_settings_are_named() -> None:
    without_count = {name: value for name, value in PLAIN.items() if name != "count"}
    with pytest.raises(MetricError, match=r"^count: missing; Number of things\.$"):
        read_settings(Example, without_count)
    with pytest.raises(MetricError, match=r"^names: missing; Names\.$"):
        merge_settings(Example, {}, None)


def test_given_settings_come_before_previous_ones_and_these_before_defaults() -> None:
    merged = merge_settings(Example, {"count": 7, "share": None}, EXAMPLE, resolved={"fast": True})
    assert merged["count"] == 7
    assert merged["share"] == 0.5
    assert merged["fast"] is True
    assert merged["part"] == Part(4)
    new = merge_settings(Example, {"names": ["c"]}, None)
    assert Example(**new) == Example(names=("C",))
    assert merge_settings(Part, {"size": 2}, Part(4, "there")) == {"size": 2, "place": "there"}


def test_an_explicit_default_is_given() -> None:
    assert merge_settings(Example, {"share": 1 / 3}, EXAMPLE)["share"] == 1 / 3


def test_settings_without_an_effect_are_not_compared() -> None:
    relevant = result_settings(EXAMPLE)
    assert "count" not in relevant
    assert relevant["part"] == {"size": 4}
    assert relevant["names"] == ["A", "B"]


def _command() -> tuple[click.Command, list[dict[str, Any]]]:
    """Return a command with the options of the settings, and a list of what it was called with."""
    calls: list[dict[str, Any]] = []

    @click.command()
    @click.argument("space", required=False)
    @setting_options(Example, Part)
    def command(space: str | None, **options: Any) -> None:
        calls.append(given_settings(options, Example) | {"part": given_settings(options, Part)})
        assert options == {}

    return command, calls


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"part": {}}),
        (["--count", "20", "--share", "0.3"], {"count": 20, "share": 0.3, "part": {}}),
        (["--slow"], {"fast": False, "part": {}}),
        (["--name", "a", "--name", "b"], {"names": ("a", "b"), "part": {}}),
        (
            ["--step", "1", "--step", "4", "--part-size", "2"],
            {"stops": (1, 4), "part": {"size": 2}},
        ),
    ],
)
def test_options_follow_the_declarations(arguments: list[str], expected: dict[str, Any]) -> None:
    command, calls = _command()
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert calls == [expected]


@pytest.mark.parametrize("arguments", [["--count", "0"], ["--share", "1"], ["--part-size", "10"]])
def test_options_check_the_declared_range(arguments: list[str]) -> None:
    command, calls = _command()
    result = CliRunner().invoke(command, arguments)
    assert (result.exit_code, calls) == (2, [])
    assert f"Invalid value for '{arguments[0]}'" in result.output


def test_help_gives_documentation_and_defaults() -> None:
    command, _ = _command()
    text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    for part in (
        "--name NAME Names. May be repeated. [default: all]",
        "--count N Number of things. [default: 20] [x>=1]",
        "Share. [default: 0.333] [0<x<1]",
        "--slow Be slow.",
        "--step N Steps. May be repeated. [default: none] [x>=1]",
        "--part-size N Size. [default: 3] [1<=x<=9]",
    ):
        assert part in text


def test_parameters_have_their_options() -> None:
    command, _ = _command()
    assert option_name(command, "names") == "--name"
    assert option_name(command, "stops") == "--step"
    assert option_name(command, "part.size") == "--part-size"
    assert option_name(command, "fast") == "--slow"
    assert option_name(command, "space") == "SPACE"
    assert option_name(command, "elsewhere") is None
