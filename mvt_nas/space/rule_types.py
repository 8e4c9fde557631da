"""What the parts of a rule are: numbers, names or truth values; found before any row is looked at.

A rule that compares a name with a number, or calculates beyond the exact range of the numbers, is
refused here with one line, so that evaluating it on arrays can neither fail nor overflow.
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
    """What an expression gives.

    Attributes:
        noun: one of the three kinds, in words.
        largest: bound of a number's magnitude.
        whole: whether a number is an integer.
        choices: the names that a field may hold.
    """

    noun: str
    largest: float = 0.0
    whole: bool = False
    choices: tuple[str, ...] = ()


def check_rule(rule: Rule, spec_of: SpecOf, where: str) -> None:
    """Refuse a rule whose parts do not go together.

    Args:
        rule: scoped, so that its names are paths.
        spec_of: the declaration of the field at a path.
        where: begins the message.

    Raises:
        SpaceError: the line that says what does not go with what.
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
    return (
        _Type(TRUTH)
        if spec.kind is bool
        else _Type(NUMBER, float(spec.high or 0), spec.kind is int)
    )


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
        pair, of = nodes[index : index + 2], types[index : index + 2]
        left, right = (ast.unparse(node) for node in pair)
        if of[0].noun != of[1].noun:
            raise ValueError(f"{left} is {of[0].noun} and {right} is {of[1].noun}")
        if of[0].noun != NUMBER and not isinstance(op, ast.Eq | ast.NotEq):
            raise ValueError(f"{left} and {right} can only be compared by == or !=")
        _check_names(pair, of)
    return _Type(TRUTH)


def _check_names(pair: list[ast.expr], of: list[_Type]) -> None:
    """Refuse the comparison of a field with a name that it cannot hold."""
    for (field, its), other in zip(zip(pair, of, strict=True), reversed(pair), strict=True):
        if its.choices and isinstance(other, ast.Constant) and other.value not in its.choices:
            name = str(other.value)
            raise ValueError(
                f"{ast.unparse(field)} is never {name!r}{nearest(name, its.choices)} (one of"
                f" {listing(its.choices)})"
            )
