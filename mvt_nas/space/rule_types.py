"""Type check of rules: each part is a number, a name or a truth value.

It is done before any row is evaluated. A rule that compares a name with a number, or calculates
beyond the range of exact numbers, is refused here in one line, so that its evaluation on arrays can
neither fail nor overflow.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from mvt_nas._fields import FieldSpec
from mvt_nas.errors import SpaceError, listing, nearest
from mvt_nas.space.rules import Rule, dotted

NUMBER, NAME, TRUTH = "a number", "a name", "a truth value"

_LARGEST = 2.0**53
_LARGEST_CONSTANT, _SMALLEST_CONSTANT = 1e9, 1e-6

SpecOf = Callable[[str], FieldSpec]


@dataclass(frozen=True, slots=True)
class _Type:
    """The type of an expression.

    Attributes:
        noun: Kind of the value: :data:`NUMBER`, :data:`NAME` or :data:`TRUTH`.
        largest: Bound of the magnitude of a number.
        whole: True for integers.
        choices: Names that a field may have; empty for other expressions.
    """

    noun: str
    largest: float = 0.0
    whole: bool = False
    choices: tuple[str, ...] = ()


def check_rule(rule: Rule, spec_of: SpecOf, where: str) -> None:
    """Refuse a rule whose parts have types that do not match.

    Args:
        rule: Rule whose names are paths.
        spec_of: Returns the declaration of the field at a path.
        where: Beginning of error messages.

    Raises:
        SpaceError: The message names the parts that do not match.
    """
    try:
        found = _type(rule.tree, lambda name: spec_of(rule.path(name)))
        if found.noun != TRUTH:
            raise ValueError(f"it is {found.noun}, not {TRUTH}")
    except ValueError as error:
        raise SpaceError(f"{where}: the rule {rule.text!r} has no meaning: {error}") from None


def _type(node: ast.expr, spec_of: SpecOf) -> _Type:
    match node:
        case ast.Name() | ast.Attribute():
            return _field(spec_of(dotted(node)))
        case ast.Constant(value=value):
            return _constant(value)
        case ast.BinOp(left=left, op=op, right=right):
            return _calculation(op, _number(left, spec_of), _number(right, spec_of))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _number(operand, spec_of)
        case ast.UnaryOp(operand=operand):
            return _truth([operand], spec_of)
        case ast.BoolOp(values=values):
            return _truth(values, spec_of)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _comparison([left, *comparators], ops, spec_of)
    raise AssertionError(f"unparsed node {node!r}")


def _field(spec: FieldSpec) -> _Type:
    if spec.kind is str:
        return _Type(NAME, choices=spec.choices)
    if spec.kind is bool:
        return _Type(TRUTH)
    return _Type(NUMBER, float(spec.high or 0), spec.kind is int)


def _constant(value: object) -> _Type:
    if isinstance(value, str):
        return _Type(NAME)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _Type(TRUTH)
    if value and not _SMALLEST_CONSTANT <= abs(value) <= _LARGEST_CONSTANT:
        raise ValueError(
            f"{str(value)[:12]} is not between {_SMALLEST_CONSTANT:g} and {_LARGEST_CONSTANT:g}"
        )
    return _Type(NUMBER, float(abs(value)), isinstance(value, int))


def _calculation(op: ast.operator, left: _Type, right: _Type) -> _Type:
    match op:
        case ast.Mult():
            largest = left.largest * right.largest
        case ast.FloorDiv():
            # A divisor of zero is replaced by one, so the smallest one is 1 or a constant.
            largest = left.largest if right.whole else left.largest / _SMALLEST_CONSTANT
        case ast.Mod():
            largest = right.largest
        case _:
            largest = left.largest + right.largest
    if largest > _LARGEST:
        raise ValueError(
            f"it may reach {largest:.0e}, beyond the {_LARGEST:.0e} up to which numbers are exact"
        )
    return _Type(NUMBER, largest, left.whole and right.whole)


def _number(node: ast.expr, spec_of: SpecOf) -> _Type:
    found = _type(node, spec_of)
    if found.noun != NUMBER:
        raise ValueError(f"{ast.unparse(node)} is {found.noun}, where {NUMBER} is needed")
    return found


def _truth(nodes: list[ast.expr], spec_of: SpecOf) -> _Type:
    for node in nodes:
        found = _type(node, spec_of)
        if found.noun != TRUTH:
            raise ValueError(f"{ast.unparse(node)} is {found.noun}, where {TRUTH} is needed")
    return _Type(TRUTH)


def _comparison(nodes: list[ast.expr], ops: list[ast.cmpop], spec_of: SpecOf) -> _Type:
    types = [_type(node, spec_of) for node in nodes]
    for index, op in enumerate(ops):
        left = nodes[index]
        right = nodes[index + 1]
        kind = types[index].noun
        other = types[index + 1].noun
        if kind != other:
            raise ValueError(f"{ast.unparse(left)} is {kind} and {ast.unparse(right)} is {other}")
        if kind != NUMBER and not isinstance(op, ast.Eq | ast.NotEq):
            raise ValueError(
                f"{ast.unparse(left)} and {ast.unparse(right)} can only be compared by == or !="
            )
        _check_name(left, types[index].choices, right)
        _check_name(right, types[index + 1].choices, left)
    return _Type(TRUTH)


def _check_name(field: ast.expr, choices: tuple[str, ...], other: ast.expr) -> None:
    """Refuse the comparison of a field with a name that it cannot have."""
    if choices and isinstance(other, ast.Constant) and other.value not in choices:
        name = str(other.value)
        raise ValueError(
            f"{ast.unparse(field)} is never {name!r}{nearest(name, choices)} (one of"
            f" {listing(choices)})"
        )
