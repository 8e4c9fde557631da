"""Rules: short expressions over fields, such as ``dim % heads == 0`` or ``stage4.width >= stage3.width``.

A rule is written in a small part of Python's expression grammar (comparisons, ``and``/``or``/``not``, ``+ - * // %``, numbers, names,
strings) and is never executed as Python: its syntax tree is walked. It works on plain numbers and on NumPy arrays alike. A rule about
a field that is inactive holds.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mvt_nas.errors import SpaceError

Lookup = Callable[[str], Any]
"""Gives the value of a field by its dotted name."""

_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.And: operator.and_,
    ast.Or: operator.or_,
}
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Rule:
    """One parsed rule.

    Attributes:
        text: as it was written.
        names: the fields it mentions, in order of appearance.
    """

    text: str
    names: tuple[str, ...]
    _tree: ast.expr

    def holds(self, lookup: Lookup) -> Any:
        """Return whether the rule holds: a truth value, or an array of them where ``lookup`` gives arrays."""
        return _evaluate(self._tree, lookup)

    def scoped(self, prefix: str, local: set[str]) -> Rule:
        """Return the rule with each name of ``local`` put under ``prefix`` (``dim`` -> ``stage3.dim``)."""

        def rename(name: str) -> str:
            return f"{prefix}.{name}" if name in local else name

        return Rule(self.text, tuple(rename(n) for n in self.names), _Renamed(rename).visit(parse(self.text, self.text)._tree))


class _Renamed(ast.NodeTransformer):
    def __init__(self, rename: Callable[[str], str]) -> None:
        self._rename = rename

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._rename(node.id), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.Name:
        return ast.Name(_dotted(node), node.ctx)


def parse(text: object, where: str) -> Rule:
    """Return the rule that ``text`` states.

    Raises:
        SpaceError: it is no expression of this grammar; ``where`` begins the message.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise SpaceError(f"{where}: a rule is a text of at most {_LONGEST} characters such as 'dim % heads == 0', not {str(text)[:80]!r}")
    try:
        tree = ast.parse(text, mode="eval").body
        names = tuple(dict.fromkeys(_names(tree)))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SpaceError(f"{where}: the rule {text!r} cannot be read ({error}); write for example 'dim % heads == 0'") from None
    if not isinstance(tree, ast.Compare | ast.BoolOp | ast.UnaryOp) or not names:
        raise SpaceError(f"{where}: the rule {text!r} compares nothing; write for example 'dim % heads == 0'")
    return Rule(text, names, tree)


def _names(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Name() | ast.Attribute():
            yield _dotted(node)
        case ast.Constant(value=int() | float() | str() | bool()):
            return
        case ast.Compare(left=left, comparators=comparators):
            for part in (left, *comparators):
                yield from _names(part)
        case ast.BoolOp(values=values):
            for part in values:
                yield from _names(part)
        case ast.BinOp(left=left, right=right, op=op) if type(op) in _OPERATORS:
            yield from _names(left)
            yield from _names(right)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield from _names(operand)
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not allowed")


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError(f"{ast.unparse(node)!r} is not a field")


def _evaluate(node: ast.expr, lookup: Lookup) -> Any:
    match node:
        case ast.Name() | ast.Attribute():
            return lookup(_dotted(node))
        case ast.Constant(value=value):
            return value
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _chain(_evaluate(left, lookup), ops, [_evaluate(part, lookup) for part in comparators])
        case ast.BoolOp(op=op, values=values):
            parts = [_evaluate(part, lookup) for part in values]
            result = parts[0]
            for part in parts[1:]:
                result = _OPERATORS[type(op)](result, part)
            return result
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_evaluate(left, lookup), _evaluate(right, lookup))
        case ast.UnaryOp(op=op, operand=operand):
            value = _evaluate(operand, lookup)
            return value ^ True if isinstance(op, ast.Not) else -value
    raise AssertionError(f"unparsed node {node!r}")


def _chain(first: Any, ops: list[ast.cmpop], rest: list[Any]) -> Any:
    """Return ``a < b < c`` as ``(a < b) & (b < c)``."""
    result: Any = True
    for op, right in zip(ops, rest, strict=True):
        result = _OPERATORS[type(op)](first, right) & result
        first = right
    return result
