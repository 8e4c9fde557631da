"""Conversion between architectures, their fields by path, and encoded rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mvt_nas._fields import Value, specs
from mvt_nas.space.architecture import BLOCKS, CONV, Architecture, Block, Stage, unchecked
from mvt_nas.space.columns import Columns
from mvt_nas.space.plan import Node, PathConditions, SpacePlan


def decoded(plan: SpacePlan, columns: Columns) -> list[Architecture]:
    """Return the architectures of rows that obey the rules."""
    by_stage = [_stages(columns, f"stage{number}") for number in range(1, plan.stages + 1)]
    # A width of 0 in a row means "no convolution before pooling".
    heads = [width or None for width in columns.listed("head.width")]
    names = ("resolution_px", "stem_width", "head_width", "stages")
    fields = zip(
        columns.listed("resolution_px"),
        columns.listed("stem.width"),
        heads,
        zip(*by_stage, strict=True),
        strict=True,
    )
    return [unchecked(Architecture, names, values) for values in fields]


def flattened(architecture: Architecture) -> dict[str, Any]:
    """Return the active fields of an architecture by path."""
    flat: dict[str, Any] = {
        "resolution_px": architecture.resolution_px,
        "stem.width": architecture.stem_width,
        "head.width": architecture.head_width or 0,
    }
    for number, stage in enumerate(architecture.stages, start=1):
        flat |= {f"stage{number}.{name}": value for name, value in stage.to_dict().items()}
    return flat


def flattened_columns(plan: SpacePlan, columns: Columns) -> dict[str, list[Any]]:
    """Return the fields of many rows by path, ``None`` where a row does not have a field.

    The values are those of :func:`flattened` for the architecture of each row. The rows must obey
    the rules.
    """
    found: dict[str, list[Any]] = {
        path: columns.listed(path) for path in ("resolution_px", "stem.width")
    }
    found["head.width"] = [width or 0 for width in columns.listed("head.width")]
    for number in range(1, plan.stages + 1):
        found |= _stage_columns(columns, f"stage{number}")
    return found


def encoded(plan: SpacePlan, values: Mapping[str, Any]) -> Iterator[int]:
    """Yield for each dimension the smallest code that gives the fields of an architecture.

    The code is 0 where no code gives them.

    Args:
        plan: Plan of the space.
        values: Fields of the architecture by path (see :func:`flattened`).
    """
    for dimension, followers in zip(plan.dimensions, plan.followers, strict=True):
        nodes = [
            node
            for node in followers
            if _holds(node.when, values) and node.choice and _holds(node.choice[0], values)
        ]
        matching = (
            code
            for code, value in enumerate(dimension.values)
            if all(_gives(plan, node, value, values) for node in nodes)
        )
        yield next(matching, 0)


def _stage_columns(columns: Columns, stage: str) -> dict[str, list[Any]]:
    """Return the fields of a stage and of its block by path."""
    names = (*specs(Stage), "block")
    found = {f"{stage}.{name}": columns.listed(f"{stage}.{name}") for name in names}
    kinds = found[f"{stage}.block"]
    for kind in sorted(set(kinds) - {CONV}):
        for name in specs(BLOCKS.get(kind)):
            path = f"{stage}.{name}"
            # Several blocks may have a field of this name: a row takes that of its own block.
            others = found.get(path, [None] * len(kinds))
            found[path] = [
                own if row_kind == kind else other
                for row_kind, own, other in zip(kinds, columns.listed(path), others, strict=True)
            ]
    return found


def _stages(columns: Columns, stage: str) -> list[Stage]:
    """Return each row's stage of a name such as ``stage3``."""
    names = tuple(specs(Stage))
    own = (columns.listed(f"{stage}.{name}") for name in names)
    fields = zip(*own, _blocks(columns, stage), strict=True)
    return [unchecked(Stage, (*names, "block"), values) for values in fields]


def _blocks(columns: Columns, stage: str) -> Sequence[Block | None]:
    """Return each row's block of a stage, ``None`` where it has none."""
    kinds = columns.listed(f"{stage}.block")
    blocks: list[Block | None] = [None] * len(kinds)
    for kind in set(kinds) - {CONV}:
        cls = BLOCKS.get(kind)
        names = tuple(specs(cls))
        fields = zip(*(columns.listed(f"{stage}.{name}") for name in names), strict=True)
        for index, values in enumerate(fields):
            if kinds[index] == kind:
                blocks[index] = unchecked(cls, names, values)
    return blocks


def _holds(when: PathConditions, values: Mapping[str, Any]) -> bool:
    return all(values.get(path) in allowed for path, allowed in when)


def _gives(plan: SpacePlan, node: Node, value: Value, values: Mapping[str, Any]) -> bool:
    """Return True if a node that follows a dimension at ``value`` gets the architecture's value."""
    if node.path not in plan.factors:
        return bool(values.get(node.path) == value)
    derived = plan.factors[node.path]
    base = values.get(derived.base)
    return base is not None and int(derived.alias.derive(value, base)) == values.get(derived.target)
