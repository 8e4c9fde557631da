"""Between the fields of architectures and the codes of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mvt_nas._fields import Value, specs
from mvt_nas.space.architecture import BLOCKS, CONV, Architecture, Block, Stage, assembled
from mvt_nas.space.columns import Columns
from mvt_nas.space.plan import Node, SpacePlan, Where


def decoded(plan: SpacePlan, columns: Columns) -> list[Architecture]:
    """Return the architectures of rows that obey the rules."""
    stages = zip(
        *(_stages(columns, f"stage{number}") for number in range(1, plan.stages + 1)), strict=True
    )
    heads = [width or None for width in columns.listed("head.width")]
    fields = zip(
        columns.listed("resolution_px"), columns.listed("stem.width"), heads, stages, strict=True
    )
    return [
        assembled(Architecture, ("resolution_px", "stem_width", "head_width", "stages"), values)
        for values in fields
    ]


def flattened(architecture: Architecture) -> dict[str, Any]:
    """Return an architecture's active fields by path."""
    flat: dict[str, Any] = {
        "resolution_px": architecture.resolution_px,
        "stem.width": architecture.stem_width,
        "head.width": architecture.head_width or 0,
    }
    for number, stage in enumerate(architecture.stages, start=1):
        flat |= {f"stage{number}.{name}": value for name, value in stage.to_dict().items()}
    return flat


def flattened_columns(plan: SpacePlan, columns: Columns) -> dict[str, list[Any]]:
    """Return by path what :func:`flattened` gives for each of many rows that obey the rules, ``None`` where a row has no such field."""
    found: dict[str, list[Any]] = {
        path: columns.listed(path) for path in ("resolution_px", "stem.width")
    }
    found["head.width"] = [width or 0 for width in columns.listed("head.width")]
    for number in range(1, plan.stages + 1):
        found |= _stage_columns(columns, f"stage{number}")
    return found


def encoded(plan: SpacePlan, values: Mapping[str, Any]) -> Iterator[int]:
    """Yield for each dimension the smallest code that gives the fields of an architecture, 0 where none does."""
    for dimension, followers in zip(plan.dimensions, plan.followers, strict=True):
        nodes = [
            node
            for node in followers
            if _holds(node.when, values) and node.choice and _holds(node.choice[0], values)
        ]
        fits = (
            code
            for code, value in enumerate(dimension.values)
            if all(_gives(plan, node, value, values) for node in nodes)
        )
        yield next(fits, 0)


def _stage_columns(columns: Columns, scope: str) -> dict[str, list[Any]]:
    """Return the fields of a stage and of its block by path; of a field that several blocks have, each row's own."""
    found = {
        f"{scope}.{name}": columns.listed(f"{scope}.{name}") for name in (*specs(Stage), "block")
    }
    kinds = found[f"{scope}.block"]
    for kind in sorted(set(kinds) - {CONV}):
        for path in (f"{scope}.{name}" for name in specs(BLOCKS.get(kind))):
            others = found.get(path, [None] * len(kinds))
            found[path] = [
                own if here == kind else other
                for here, own, other in zip(kinds, columns.listed(path), others, strict=True)
            ]
    return found


def _stages(columns: Columns, scope: str) -> list[Stage]:
    names = tuple(specs(Stage))
    own = (columns.listed(f"{scope}.{name}") for name in names)
    return [
        assembled(Stage, (*names, "block"), values)
        for values in zip(*own, _blocks(columns, scope), strict=True)
    ]


def _blocks(columns: Columns, scope: str) -> Sequence[Block | None]:
    kinds = columns.listed(f"{scope}.block")
    blocks: list[Block | None] = [None] * len(kinds)
    for kind in set(kinds) - {CONV}:
        cls = BLOCKS.get(kind)
        names = tuple(specs(cls))
        for index, values in enumerate(
            zip(*(columns.listed(f"{scope}.{name}") for name in names), strict=True)
        ):
            if kinds[index] == kind:
                blocks[index] = assembled(cls, names, values)
    return blocks


def _holds(when: Where, values: Mapping[str, Any]) -> bool:
    return all(values.get(path) in allowed for path, allowed in when)


def _gives(plan: SpacePlan, node: Node, value: Value, values: Mapping[str, Any]) -> bool:
    """Return whether a node that follows a dimension at ``value`` has the architecture's value."""
    if node.path not in plan.factors:
        return bool(values.get(node.path) == value)
    derived = plan.factors[node.path]
    base = values.get(derived.base)
    return base is not None and int(derived.alias.derive(value, base)) == values.get(derived.target)
