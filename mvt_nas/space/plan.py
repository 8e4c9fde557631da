"""From a space file to a plan: which dimension, constant or default each field of an architecture comes from.

Paths name fields: ``resolution_px``, ``stem.width``, ``head.width``, ``stage3.dim``. A dimension that stages share has the bare field
name (``patch``) and feeds several paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mvt_nas.errors import SpaceError, listing, nearest
from mvt_nas.space.architecture import BLOCKS, CONV, Architecture, Stage
from mvt_nas.space.entry import Entry, parse_entry
from mvt_nas.space.fields import Alias, Conditions, FieldSpec, Value, specs
from mvt_nas.space.rules import Rule, parse
from mvt_nas.space.widths import head_width

HEAD_WIDTH = FieldSpec(int, "channels of the 1 x 1 convolution before pooling, 0 for none", low=0, high=65536, defaults=(({}, 0),))
HEAD_ALIAS = Alias("width", "width", FieldSpec(float, "head channels / last width, at most 960; 0 for none", low=0, high=16), head_width)


@dataclass(frozen=True, slots=True)
class Dimension:
    """One choice of the space.

    Attributes:
        name: the path of the field, or the bare field name where stages share it.
        values: the choices; numbers in ascending order.
    """

    name: str
    values: tuple[Value, ...]

    @property
    def ordinal(self) -> bool:
        """Whether the choices are numbers, so that neighbours are alike."""
        return isinstance(self.values[0], int | float) and not isinstance(self.values[0], bool)


@dataclass(frozen=True, slots=True)
class Node:
    """Where one field comes from.

    Attributes:
        path: its full name.
        spec: what it may hold.
        dimension: index of the dimension that it follows, or ``None``.
        constant: its value where no dimension gives one.
        when: full paths and allowed values under which the field is active.
        applies: the same for the entry of the file; elsewhere ``otherwise`` or the default holds.
        otherwise: see ``applies``.
        alias: ``(path of the factor, path of the base, Alias)`` where a factor gives the value.
        defaults: the cases of the default, with full paths.
    """

    path: str
    spec: FieldSpec
    dimension: int | None = None
    constant: Value = None
    when: Conditions = field(default_factory=dict)
    applies: Conditions = field(default_factory=dict)
    otherwise: Value = None
    alias: tuple[str, str, Alias] | None = None
    defaults: tuple[tuple[Conditions, Value], ...] = ()


@dataclass(slots=True)
class Plan:
    """The nodes in order of evaluation, the dimensions, and the rules."""

    nodes: dict[str, Node] = field(default_factory=dict)
    dimensions: list[Dimension] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    stages: int = 0


def make_plan(document: Mapping[str, Any], where: str) -> Plan:
    """Return the plan of a checked document.

    Raises:
        SpaceError: a field that does not exist, misses, or holds what it may not; ``where`` begins the message.
    """
    return _Builder(document, where).build()


class _Builder:
    """Collects nodes and dimensions while the document is read from the image to the head."""

    def __init__(self, document: Mapping[str, Any], where: str) -> None:
        self.document = document
        self.where = where
        self.plan = Plan()
        self.shared = dict(document.get("shared", {}))
        self.shared_used: set[str] = set()

    def build(self) -> Plan:
        document, own = self.document, specs(Architecture)
        stages = document.get("stages", [])
        if not stages:
            raise SpaceError(f"{self.where}: stages is missing or empty; a list of at least one stage")
        top = {"resolution_px": document["resolution_px"]} if "resolution_px" in document else {}
        self._scope("", top, {"resolution_px": own["resolution_px"]}, self.where)
        self._scope("stem", document.get("stem", {}), {"width": own["stem_width"]}, f"{self.where}: stem")
        for number, stage in enumerate(stages, start=1):
            self._stage(f"stage{number}", dict(document.get("defaults", {})) | stage, f"{self.where}: stages[{number - 1}]")
        self.plan.stages = len(stages)
        last = {"expansion": HEAD_ALIAS}
        self._scope("head", document.get("head", {}), {"width": HEAD_WIDTH}, f"{self.where}: head", last, bases={"width": f"stage{len(stages)}.width"})
        self._rules(document.get("rules", []))
        unused = [name for name in self.shared if name not in self.shared_used]
        if unused:
            raise SpaceError(f"{self.where}: shared.{unused[0]} belongs to no stage{nearest(unused[0], specs(Stage))}")
        return self.plan

    def _stage(self, scope: str, data: dict[str, Any], where: str) -> None:
        """Plan a stage: its own fields, the block's name, the fields of each block that it may hold."""
        block_spec = FieldSpec(str, "what follows the inverted residuals", choices=(CONV, *BLOCKS), defaults=(({}, CONV),))
        own = specs(Stage) | {"block": block_spec}
        kinds = self._entry("block", data, block_spec, where)
        names = kinds.values if kinds else (CONV,)
        declared: dict[str, FieldSpec] = {}
        aliases: dict[str, Alias] = {}
        conditions: dict[str, Conditions] = {}
        for kind in (str(name) for name in names if name != CONV):
            for name, spec in specs(BLOCKS.get(kind)).items():
                declared.setdefault(name, spec)
                conditions[name] = {"block": (*conditions.get(name, {}).get("block", ()), kind)}
            aliases |= BLOCKS.get(kind).aliases
        optional = set() if names == (CONV,) else set(declared)
        given = {name: value for name, value in data.items() if name not in optional | set(aliases)}
        rest = {name: value for name, value in data.items() if name not in given}
        if names == (CONV,):
            given = {name: value for name, value in given.items() if not self._is_default(name)}
        self._scope(scope, given, own, where)
        self._scope(scope, rest, declared, where, aliases, conditions)
        for kind in (str(name) for name in names if name != CONV):
            for text in BLOCKS.get(kind).constraints:
                self.plan.rules.append(parse(text, kind).scoped(scope, set(declared)))

    def _is_default(self, name: str) -> bool:
        """Whether a field came from ``defaults``, where a purely convolutional stage may ignore the blocks' fields."""
        return name in self.document.get("defaults", {}) and name not in specs(Stage) | {"block": None}

    def _scope(
        self,
        scope: str,
        data: Mapping[str, Any],
        declared: Mapping[str, FieldSpec],
        where: str,
        aliases: Mapping[str, Alias] | None = None,
        conditions: Mapping[str, Conditions] | None = None,
        bases: Mapping[str, str] | None = None,
    ) -> None:
        """Plan the fields of one scope in their declared order."""
        aliases = aliases or {}
        known = [*declared, *aliases]
        for name in data:
            if name not in known:
                raise SpaceError(f"{where}: unknown field {name!r}{nearest(str(name), known)} (known: {listing(known)})")
        for name, spec in declared.items():
            extra = (conditions or {}).get(name, {})
            node = self._node(scope, name, spec, data, where, extra)
            factor = self._factor(scope, node, data, where, aliases, name, bases or {})
            if node.dimension is None and node.constant is None and factor is None and not spec.defaults and not spec.when:
                raise SpaceError(f"{where}: field {name!r} is missing; {spec.allowed()}")
            self.plan.nodes[node.path] = node if factor is None else _with_alias(node, factor)

    def _node(self, scope: str, name: str, spec: FieldSpec, data: Mapping[str, Any], where: str, extra: Conditions) -> Node:
        def full(conditions: Conditions) -> dict[str, tuple[Value, ...]]:
            return {f"{scope}.{other}" if scope else other: allowed for other, allowed in conditions.items()}

        path = f"{scope}.{name}" if scope else name
        when = full(extra) | full(spec.when)
        defaults = tuple((full(conditions), value) for conditions, value in spec.defaults)
        entry = self._entry(name, data, spec, where)
        if entry is None:
            return Node(path, spec, when=when, defaults=defaults)
        applies = {self._path(scope, other, where): allowed for other, allowed in entry.when.items()}
        dimension = self._dimension(name if name not in data else path, entry) if len(entry.values) > 1 else None
        constant = entry.values[0] if dimension is None else None
        return Node(path, spec, dimension, constant, when, applies, entry.otherwise, None, defaults)

    def _entry(self, name: str, data: Mapping[str, Any], spec: FieldSpec, where: str) -> Entry | None:
        if name in data:
            return parse_entry(data[name], spec, f"{where}.{name}")
        if name in self.shared and where.startswith(f"{self.where}: stages"):
            self.shared_used.add(name)
            return parse_entry(self.shared[name], spec, f"{self.where}: shared.{name}")
        return None

    def _factor(
        self, scope: str, node: Node, data: Mapping[str, Any], where: str, aliases: Mapping[str, Alias], name: str, bases: Mapping[str, str]
    ) -> tuple[str, str, Alias] | None:
        """Plan the factor that gives a field, where the file names it or it has a default."""
        for alias_name, alias in aliases.items():
            if alias.target != name or node.dimension is not None or node.constant is not None:
                if alias.target == name and alias_name in data:
                    raise SpaceError(f"{where}: give either {name!r} or {alias_name!r}, not both")
                continue
            factor = self._node(scope, alias_name, alias.spec, data, where, {})
            if factor.dimension is None and factor.constant is None:
                if alias.default is None:
                    continue
                factor = Node(factor.path, alias.spec, constant=alias.default)
            self.plan.nodes[factor.path] = _with_when(factor, node.when)
            return factor.path, bases.get(alias.base, f"{scope}.{alias.base}"), alias
        return None

    def _dimension(self, name: str, entry: Entry) -> int:
        for index, dimension in enumerate(self.plan.dimensions):
            if dimension.name == name:
                return index
        self.plan.dimensions.append(Dimension(name, entry.values))
        return len(self.plan.dimensions) - 1

    def _path(self, scope: str, name: str, where: str) -> str:
        path = name if name in self.plan.nodes else f"{scope}.{name}"
        if path not in self.plan.nodes:
            known = [node.removeprefix(f"{scope}.") for node in self.plan.nodes if node.startswith(f"{scope}.")]
            raise SpaceError(f"{where}: the condition names {name!r}, which is no earlier field{nearest(name, known)} (known: {listing(known)})")
        return path

    def _rules(self, texts: list[object]) -> None:
        for index, text in enumerate(texts):
            where = f"{self.where}: rules[{index}]"
            rule = parse(text, where)
            bare = {name for name in rule.names if name not in self.plan.nodes}
            scopes = [f"stage{n}" for n in range(1, self.plan.stages + 1)] if bare else [""]
            found = [s for s in scopes if all(f"{s}.{name}" in self.plan.nodes for name in bare)]
            if bare and not found:
                known = sorted({path.rpartition(".")[2] for path in self.plan.nodes})
                name = sorted(bare)[0]
                raise SpaceError(f"{where}: {rule.text!r} names {name!r}, which no stage has{nearest(name, known)} (known: {listing(known)})")
            self.plan.rules += [rule.scoped(scope, bare) for scope in found] if bare else [rule]


def _with_alias(node: Node, alias: tuple[str, str, Alias]) -> Node:
    return Node(node.path, node.spec, node.dimension, node.constant, node.when, node.applies, node.otherwise, alias, node.defaults)


def _with_when(node: Node, when: Conditions) -> Node:
    return Node(node.path, node.spec, node.dimension, node.constant, when, node.applies, node.otherwise, node.alias, node.defaults)
