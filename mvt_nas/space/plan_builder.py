"""From a document to the plan of its space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvt_nas._fields import Alias, Conditions, FieldSpec
from mvt_nas.errors import SpaceError, listing, nearest
from mvt_nas.space.architecture import BLOCKS
from mvt_nas.space.entry import checked, parse_entry
from mvt_nas.space.plan import (
    Choice,
    Constant,
    Derived,
    Dimension,
    FieldCase,
    Node,
    SpacePlan,
    Where,
    without_stage,
)
from mvt_nas.space.reachability import check_reach, pruned
from mvt_nas.space.rule_types import check_rule
from mvt_nas.space.rules import Rule, parse
from mvt_nas.space.sections import Section, sections_of


def make_plan(document: Mapping[str, Any], where: str) -> SpacePlan:
    """Return the plan of a checked document.

    Raises:
        SpaceError: a field that does not exist, misses, or holds what it may not; ``where`` begins
            the message.
    """
    scopes = sections_of(document, where)
    draft = _Draft(scopes)
    for scope in scopes:
        for name in scope.fields:
            draft.add(scope, name)
    rules = [rule for scope in scopes for rule in _block_rules(scope)]
    for index, text in enumerate(document.get("rules", [])):
        rules += _scoped(
            parse(text, f"{where}: rules[{index}]"),
            draft,
            len(document["stages"]),
            f"{where}: rules[{index}]",
        )
    plan = SpacePlan(
        draft.nodes, tuple(draft.dimensions.values()), tuple(rules), len(document["stages"])
    )
    check_reach(plan)
    return pruned(plan)


class _Draft:
    """Collects nodes and dimensions, scope by scope."""

    def __init__(self, scopes: list[Section]) -> None:
        self.nodes: dict[str, Node] = {}
        self.dimensions: dict[str, Dimension] = {}
        self._specs = {
            scope.path(name): field.spec for scope in scopes for name, field in scope.fields.items()
        }
        self.targets = {
            scope.path(name): scope.path(alias.target)
            for scope in scopes
            for name, alias in scope.aliases.items()
        }

    def add(self, scope: Section, name: str) -> None:
        """Add the node of a field, and that of the factor that gives it."""
        field = scope.fields[name]
        conditions: Conditions = ({"block": field.blocks} if field.blocks else {}) | dict(
            field.spec.when
        )
        when = tuple((scope.path(other), allowed) for other, allowed in conditions.items())
        cases = self._stated(scope, name, field.spec)
        for alias_name, alias in scope.aliases.items():
            if alias.target == name and name in scope.given and alias_name in scope.given:
                raise SpaceError(f"{scope.where}: give either {name!r} or {alias_name!r}, not both")
        if not cases or cases[-1].when:
            cases += self._derived(scope, name, when) or self._defaults(scope, name, field.spec)
        self.nodes[scope.path(name)] = Node(scope.path(name), field.spec, when, tuple(cases))

    def _stated(self, scope: Section, name: str, spec: FieldSpec) -> list[FieldCase]:
        """Return what the file says of a field or factor."""
        given = scope.given.get(name)
        if given is None:
            return []
        entry = parse_entry(given.data, spec, given.where)
        if len(entry.values) > 1:
            self.dimensions.setdefault(given.dimension, Dimension(given.dimension, entry.values))
        source = Choice(given.dimension) if len(entry.values) > 1 else Constant(entry.values[0])
        cases = [FieldCase(self._conditions(scope, entry.when, given.where), source, given.where)]
        return (
            cases if entry.otherwise is None else [*cases, FieldCase((), Constant(entry.otherwise))]
        )

    def _derived(self, scope: Section, name: str, when: Where) -> list[FieldCase]:
        """Return the case of the factor that the file gives, or that is the default; none where there is neither."""
        for alias_name, alias in scope.aliases.items():
            if alias.target == name and (alias_name in scope.given or alias.default is not None):
                self._add_factor(scope, alias_name, alias, when)
                return [
                    FieldCase(
                        (),
                        Derived(
                            scope.path(name),
                            scope.path(alias_name),
                            f"{scope.base}.{alias.base}",
                            alias,
                        ),
                    )
                ]
        return []

    def _add_factor(self, scope: Section, name: str, alias: Alias, when: Where) -> None:
        cases = self._stated(scope, name, alias.spec)
        if not cases or cases[-1].when:
            if alias.default is None:
                raise SpaceError(
                    f"{scope.given[name].where}: needs otherwise, since it has no default"
                )
            cases.append(FieldCase((), Constant(alias.default)))
        self.nodes[scope.path(name)] = Node(scope.path(name), alias.spec, when, tuple(cases))

    def _defaults(self, scope: Section, name: str, spec: FieldSpec) -> list[FieldCase]:
        if not spec.defaults and name in scope.given:
            raise SpaceError(
                f"{scope.given[name].where}: needs otherwise, since it has no default;"
                f" {spec.allowed()}"
            )
        if not spec.defaults:
            raise SpaceError(f"{scope.where}: field {name!r} is missing; {spec.allowed()}")
        return [
            FieldCase(
                tuple((scope.path(n), allowed) for n, allowed in when.items()), Constant(value)
            )
            for when, value in spec.defaults
        ]

    def _conditions(self, scope: Section, when: Conditions, where: str) -> Where:
        """Return conditions with full paths and checked values."""
        found = []
        for name, allowed in when.items():
            path = self._path(scope, name, where)
            if not allowed:
                raise SpaceError(
                    f"{where}.when.{name}: the list of values is empty;"
                    f" {self._specs[path].allowed()}"
                )
            found.append(
                (
                    path,
                    tuple(
                        checked(value, self._specs[path], f"{where}.when.{name}")
                        for value in allowed
                    ),
                )
            )
        return tuple(found)

    def _path(self, scope: Section, name: str, where: str) -> str:
        """Return the path of a field that a condition names, of the same scope or in full."""
        for path in (scope.path(name), name):
            if path in self._specs:
                return path
            if path in self.targets:
                raise SpaceError(
                    f"{where}: the condition names {name!r}, which is a factor; name"
                    f" {self.targets[path]!r}"
                )
        near = nearest(name, [*scope.fields, *self._specs])
        known = listing(dict.fromkeys([*scope.fields, *without_stage(self._specs)]))
        raise SpaceError(
            f"{where}: the condition names {name!r}, which is no field{near} (known: {known})"
        )


def _block_rules(scope: Section) -> list[Rule]:
    """Return the constraints of the blocks that a stage may hold; between several blocks, each for its own only."""
    kinds = list(dict.fromkeys(kind for field in scope.fields.values() for kind in field.blocks))
    rules = []
    for kind in kinds:
        for text in BLOCKS.get(kind).constraints:
            rule = parse(text if len(kinds) == 1 else f"block != {kind!r} or ({text})", kind)
            rules.append(rule.scoped(scope.name, set(scope.fields)))
    return rules


def _scoped(rule: Rule, draft: _Draft, stages: int, where: str) -> list[Rule]:
    """Return a rule once for each stage that has the fields which it names without a scope, or as it is where it names none."""
    nodes = draft.nodes
    bare = {name for name in rule.names if name not in nodes}
    scopes = [f"stage{number}" for number in range(1, stages + 1)]
    found = (
        [
            rule.scoped(scope, bare)
            for scope in scopes
            if all(f"{scope}.{name}" in nodes for name in bare)
        ]
        if bare
        else [rule]
    )
    if not found:
        _refuse_names(rule, bare, nodes, where)
    for scoped in found:
        for name in scoped.names:
            if (
                name in draft.targets
            ):  # two factors can give one network, which would then obey the rule and not
                raise SpaceError(
                    f"{where}: {rule.text!r} names {name!r}, which is a factor; name"
                    f" {draft.targets[name]!r}"
                )
        check_rule(scoped, lambda path: nodes[path].spec, where)
    return found


def _refuse_names(rule: Rule, bare: set[str], nodes: Mapping[str, Node], where: str) -> None:
    known = without_stage(nodes)
    wrong = next((name for name in sorted(bare) if name not in known), " and ".join(sorted(bare)))
    near = nearest(wrong, nodes if "." in wrong else known)
    raise SpaceError(
        f"{where}: {rule.text!r} names {wrong!r}, which no stage has{near} (known:"
        f" {listing(known)})"
    )
