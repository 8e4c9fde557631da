"""Classes and functions of a file that is written, each after what it needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

COLUMNS = 100
"""The longest line of a file that is written."""


@dataclass(frozen=True, slots=True)
class CodePiece:
    """A class or a function.

    Attributes:
        name: of it.
        code: its text, from the first column on, without an empty line at the end.
        needs: what stands before it.
    """

    name: str
    code: str
    needs: tuple[CodePiece, ...] = ()


def in_order(pieces: Iterable[CodePiece]) -> list[CodePiece]:
    """Return the pieces and all that they need, each once and after what it needs."""
    found: dict[str, CodePiece] = {}
    for piece in pieces:
        for one in (*in_order(piece.needs), piece):
            known = found.setdefault(one.name, one)
            assert known.code == one.code, f"two pieces are called {one.name}"
    return list(found.values())


def names(base: str, firsts: Iterable[int]) -> dict[int, str]:
    """Return names for variants of one class, by the first stage that has each: with its number where there are several."""
    numbers = list(firsts)
    return {number: base if len(numbers) == 1 else f"{base}{number}" for number in numbers}


def init(parameters: Iterable[str]) -> list[str]:
    """Return the first lines of an ``__init__`` with these parameters, wrapped where they are too long for one."""
    inner = ", ".join(["self", *parameters])
    line = f"    def __init__({inner}) -> None:"
    return (
        [line]
        if len(line) <= COLUMNS
        else ["    def __init__(", f"        {inner}", "    ) -> None:"]
    )
