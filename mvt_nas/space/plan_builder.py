"""Construction of the plan of a space from the content of its file."""

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
    PathConditions,
    SpacePlan,
    without_stage,
)
from mvt_nas.space.reachability import check_reachability, pruned
from mvt_nas.space.rule_types import check_rule
from mvt_nas.space.rules import Rule, parse
from mvt_nas.space.sections import Section, sections_of


def make_plan(document: Mapping[str, Any], where: str) -> SpacePlan:
    """Return the plan of a checked document.

    Args:
        document: Content of the file.
        where: Beginning of error messages.

    Raises:
        SpaceError: A field does not exist, is missing, or has a value that is not allowed.
    """
    sections = sections_of(document, where)
    builder = _PlanBuilder(sections)
    for section in sections:
        for name in section.fields:
            builder.add(section, name)
    stages = len(document["stages"])
    rules = [rule for section in sections for rule in _block_rules(section)]
    for index, text in enumerate(document.get("rules", [])):
        place = f"{where}: rules[{index}]"
        rules += _scoped(parse(text, place), builder, stages, place)
    plan = SpacePlan(builder.nodes, tuple(builder.dimensions.values()), tuple(rules), stages)
    # Before pruning: a condition that never holds is a mistake in the file.
    check_reachability(plan)
    return pruned(plan)


class _PlanBuilder:
    """Collects nodes and dimensions, section by section.

    Args:
        sections: All sections, since conditions may name fields of any of them.

    Attributes:
        nodes: The fields added so far, by path.
        dimensions: Their dimensions, by name.
        targets: Paths of the fields that factors derive, by the paths of the factors.
    """

    def __init__(self, sections: list[Section]) -> None:
        self.nodes: dict[str, Node] = {}
        self.dimensions: dict[str, Dimension] = {}
        self.targets: dict[str, str] = {}
        self._specs: dict[str, FieldSpec] = {}
        for section in sections:
            for name, field in section.fields.items():
                self._specs[section.path(name)] = field.spec
            for name, alias in section.aliases.items():
                self.targets[section.path(name)] = section.path(alias.target)

    def add(self, section: Section, name: str) -> None:
        """Add the node of a field, and that of the factor that gives its value."""
        field = section.fields[name]
        path = section.path(name)
        conditions: Conditions = {"block": field.blocks} if field.blocks else {}
        conditions = {**conditions, **field.spec.when}
        when = tuple((section.path(other), allowed) for other, allowed in conditions.items())
        for alias_name, alias in section.aliases.items():
            both = name in section.raw_values and alias_name in section.raw_values
            if alias.target == name and both:
                raise SpaceError(
                    f"{section.where}: give either {name!r} or {alias_name!r}, not both"
                )
        cases = self._stated_cases(section, name, field.spec)
        # The last case must always hold.
        if not cases or cases[-1].when:
            derived = self._derived_case(section, name, when)
            cases += [derived] if derived else self._default_cases(section, name, field.spec)
        self.nodes[path] = Node(path, field.spec, when, tuple(cases))

    def _stated_cases(self, section: Section, name: str, spec: FieldSpec) -> list[FieldCase]:
        """Return the cases that the file states for a field or factor; none where it is absent."""
        raw = section.raw_values.get(name)
        if raw is None:
            return []
        entry = parse_entry(raw.data, spec, raw.where)
        source: Choice | Constant
        if len(entry.values) > 1:
            # Stages that share the dimension find it here already.
            self.dimensions.setdefault(raw.dimension, Dimension(raw.dimension, entry.values))
            source = Choice(raw.dimension)
        else:
            source = Constant(entry.values[0])
        cases = [FieldCase(self._conditions(section, entry.when, raw.where), source, raw.where)]
        if entry.otherwise is not None:
            cases.append(FieldCase((), Constant(entry.otherwise)))
        return cases

    def _derived_case(self, section: Section, name: str, when: PathConditions) -> FieldCase | None:
        """Return the case of a field's factor, if the file gives one or it has a default."""
        for alias_name, alias in section.aliases.items():
            available = alias_name in section.raw_values or alias.default is not None
            if alias.target == name and available:
                self._add_factor(section, alias_name, alias, when)
                base = f"{section.base}.{alias.base}"
                source = Derived(section.path(name), section.path(alias_name), base, alias)
                return FieldCase((), source)
        return None

    def _add_factor(self, section: Section, name: str, alias: Alias, when: PathConditions) -> None:
        cases = self._stated_cases(section, name, alias.spec)
        if not cases or cases[-1].when:
            if alias.default is None:
                raise SpaceError(
                    f"{section.raw_values[name].where}: needs otherwise, since it has no default"
                )
            cases.append(FieldCase((), Constant(alias.default)))
        path = section.path(name)
        self.nodes[path] = Node(path, alias.spec, when, tuple(cases))

    def _default_cases(self, section: Section, name: str, spec: FieldSpec) -> list[FieldCase]:
        """Return the cases of a field's declared defaults."""
        if not spec.defaults and name in section.raw_values:
            raise SpaceError(
                f"{section.raw_values[name].where}: needs otherwise, since it has no default;"
                f" {spec.allowed()}"
            )
        if not spec.defaults:
            raise SpaceError(f"{section.where}: field {name!r} is missing; {spec.allowed()}")
        cases = []
        for conditions, value in spec.defaults:
            when = tuple((section.path(other), allowed) for other, allowed in conditions.items())
            cases.append(FieldCase(when, Constant(value)))
        return cases

    def _conditions(self, section: Section, when: Conditions, where: str) -> PathConditions:
        """Return conditions with full paths and checked values."""
        found = []
        for name, allowed in when.items():
            path = self._condition_path(section, name, where)
            spec = self._specs[path]
            place = f"{where}.when.{name}"
            if not allowed:
                raise SpaceError(f"{place}: the list of values is empty; {spec.allowed()}")
            found.append((path, tuple(checked(value, spec, place) for value in allowed)))
        return tuple(found)

    def _condition_path(self, section: Section, name: str, where: str) -> str:
        """Return the path of a field that a condition names, relative to its section or in full."""
        for path in (section.path(name), name):
            if path in self._specs:
                return path
            if path in self.targets:
                raise SpaceError(
                    f"{where}: the condition names {name!r}, which is a factor; name"
                    f" {self.targets[path]!r}"
                )
        near = nearest(name, [*section.fields, *self._specs])
        known = listing(dict.fromkeys([*section.fields, *without_stage(self._specs)]))
        raise SpaceError(
            f"{where}: the condition names {name!r}, which is not a field{near} (known: {known})"
        )


def _block_rules(section: Section) -> list[Rule]:
    """Return the constraints of the blocks that a stage may hold.

    Where it may hold several, the constraints of each apply only while it is chosen.
    """
    kinds = list(dict.fromkeys(kind for field in section.fields.values() for kind in field.blocks))
    rules = []
    for kind in kinds:
        for text in BLOCKS.get(kind).constraints:
            rule = parse(text if len(kinds) == 1 else f"block != {kind!r} or ({text})", kind)
            rules.append(rule.scoped(section.name, set(section.fields)))
    return rules


def _scoped(rule: Rule, builder: _PlanBuilder, stages: int, where: str) -> list[Rule]:
    """Return a rule with full paths.

    A rule that names fields without a stage applies to each stage that has all of them; so it
    becomes several rules.
    """
    nodes = builder.nodes
    bare = {name for name in rule.names if name not in nodes}
    found = [rule]
    if bare:
        names = [f"stage{number}" for number in range(1, stages + 1)]
        having_all = [stage for stage in names if all(f"{stage}.{name}" in nodes for name in bare)]
        found = [rule.scoped(stage, bare) for stage in having_all]
    if not found:
        _refuse_names(rule, bare, nodes, where)
    for scoped in found:
        for name in scoped.names:
            # Two factors may give the same network, which would then both obey the rule and not.
            if name in builder.targets:
                raise SpaceError(
                    f"{where}: {rule.text!r} names {name!r}, which is a factor; name"
                    f" {builder.targets[name]!r}"
                )
        check_rule(scoped, lambda path: nodes[path].spec, where)
    return found


def _refuse_names(rule: Rule, bare: set[str], nodes: Mapping[str, Node], where: str) -> None:
    """Refuse a rule whose names no stage has; name the first unknown one, else all of them."""
    known = without_stage(nodes)
    wrong = next((name for name in sorted(bare) if name not in known), " and ".join(sorted(bare)))
    near = nearest(wrong, nodes if "." in wrong else known)
    raise SpaceError(
        f"{where}: {rule.text!r} names {wrong!r}, which no stage has{near} (known:"
        f" {listing(known)})"
    )
