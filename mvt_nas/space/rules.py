"""Rules: expressions over fields, such as ``dim % heads == 0`` or ``stem.width <= stage1.width``.

A rule is written in a small part of Python's expression grammar (comparisons,
``and``/``or``/``not``, ``+ - * // %``, numbers, names, strings) and is never executed as Python:
its syntax tree is evaluated here, on plain numbers and NumPy arrays alike. A rule about an inactive
field holds; a comparison that divides by zero is false.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from mvt_nas.errors import SpaceError

Lookup = Callable[[str], Any]
"""Function that returns the value of a field by its dotted name."""

ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
"""The operators between two numbers."""

_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_EXAMPLE = "write for example 'dim % heads == 0'"
LONGEST = 500
"""Largest number of characters of a rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One parsed rule.

    Attributes:
        text: Text of the rule.
        names: Fields that the rule names, in order of appearance.
        tree: Syntax tree of the rule.
        paths: Full path of each field that the text names without its section.
    """

    text: str
    names: tuple[str, ...]
    tree: ast.expr
    paths: Mapping[str, str] = field(default_factory=dict)

    def holds(self, lookup: Lookup) -> Any:
        """Return True if the rule holds; an array of truth values if ``lookup`` returns arrays."""
        return _evaluate(self.tree, lambda name: lookup(self.path(name)), [])

    def path(self, name: str) -> str:
        """Return the path of a field that the text names ``name``."""
        return self.paths.get(name, name)

    def scoped(self, prefix: str, local: set[str]) -> Rule:
        """Return the rule with the names in ``local`` prefixed (``dim`` becomes ``stage3.dim``)."""
        paths = {name: f"{prefix}.{name}" for name in self.names if name in local}
        return replace(self, names=tuple(paths.get(name, name) for name in self.names), paths=paths)


def parse(text: object, where: str) -> Rule:
    """Return the rule in a text.

    Raises:
        SpaceError: The text is not an expression of this grammar; ``where`` begins the message.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise SpaceError(
            f"{where}: a rule is a text of at most {LONGEST} characters such as 'dim % heads == 0',"
            f" not {str(text)[:80]!r}"
        )
    try:
        return _parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, Warning) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise SpaceError(
            f"{where}: the rule {text!r} cannot be read ({reason}); {_EXAMPLE}"
        ) from None


@cache
def _parsed(text: str) -> Rule:
    with warnings.catch_warnings():
        # Python's parser warns of text that it may understand differently than the author.
        warnings.simplefilter("error")
        tree = ast.parse(text.strip(), mode="eval").body
    names = tuple(dict.fromkeys(_names(tree)))
    if not names:
        raise ValueError("it names no field")
    return Rule(text, names, tree)


def dotted(node: ast.expr) -> str:
    """Return the name of a field as written in a rule, such as ``stage3.dim``."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError(f"{ast.unparse(node)!r} is not a field")


def _names(node: ast.expr) -> Iterator[str]:
    """Yield the fields that an expression names; refuse anything outside the grammar."""
    match node:
        case ast.Name() | ast.Attribute():
            yield dotted(node)
        case ast.Constant(value=bool() | int() | float() | str()):
            return
        case ast.Compare(left=left, ops=ops, comparators=comparators) if all(
            type(op) in _COMPARISONS for op in ops
        ):
            for part in (left, *comparators):
                yield from _names(part)
        case ast.BoolOp(values=values):
            for part in values:
                yield from _names(part)
        case ast.BinOp(left=left, right=right, op=op) if type(op) in ARITHMETIC:
            yield from _names(left)
            yield from _names(right)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield from _names(operand)
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not allowed")


def _evaluate(node: ast.expr, lookup: Lookup, undefined: list[Any]) -> Any:
    """Return the value of an expression.

    Args:
        node: The expression.
        lookup: Returns the values of fields.
        undefined: Extended with a mask for each division, true where the divisor is zero.
    """
    match node:
        case ast.Name() | ast.Attribute():
            return lookup(dotted(node))
        case ast.Constant(value=value):
            return value
        case ast.Compare():
            return _compare(node, lookup)
        case ast.BoolOp(op=op, values=values):
            return _join(op, [_evaluate(part, lookup, undefined) for part in values])
        case ast.BinOp(left=left, op=op, right=right):
            return _calculate(
                op,
                _evaluate(left, lookup, undefined),
                _evaluate(right, lookup, undefined),
                undefined,
            )
        case ast.UnaryOp(op=op, operand=operand):
            value = _evaluate(operand, lookup, undefined)
            # Exclusive or negates truth values and arrays of them; ~True would be -2.
            return value ^ True if isinstance(op, ast.Not) else -value
    raise AssertionError(f"unparsed node {node!r}")


def _calculate(op: ast.operator, left: Any, right: Any, undefined: list[Any]) -> Any:
    if isinstance(op, ast.FloorDiv | ast.Mod):
        zero = right == 0
        undefined.append(zero)
        # Divide by 1 instead: the comparison is false there whatever the quotient.
        right = right + zero
    return ARITHMETIC[type(op)](left, right)


def _compare(node: ast.Compare, lookup: Lookup) -> Any:
    """Return ``a < b < c`` as ``(a < b) & (b < c)``; it is false where a side is undefined."""
    undefined: list[Any] = []
    left, *rest = (_evaluate(part, lookup, undefined) for part in (node.left, *node.comparators))
    result: Any = True
    for op, right in zip(node.ops, rest, strict=True):
        result = _COMPARISONS[type(op)](left, right) & result
        left = right
    for zero in undefined:
        result = result & (zero ^ True)
    return result


def _join(op: ast.boolop, parts: list[Any]) -> Any:
    result = parts[0]
    for part in parts[1:]:
        result = result & part if isinstance(op, ast.And) else result | part
    return result
