"""Reading of plain data from YAML files that need not be trusted.

The size of the file, its nesting and its number of values are limited before anything is
constructed, and only the safe loader constructs. Aliases may repeat a value but not expand into
thousands. The merge key ``<<`` is refused, since merges of merges grow faster than a limit on their
result can detect.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mvt_nas.errors import SpaceError

_LARGEST_BYTES = 256_000
_MOST_NODES = 20_000
_DEEPEST = 32


# libyaml's loader where it is available: it is many times as fast.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]  # a variable: C or Python
    """The safe loader, which also refuses duplicate keys and merges."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a plain word", key.start_mark
                )
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, "the merge key << is not allowed", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        result: dict[Any, Any] = super().construct_mapping(node, deep)
        return result


def read_yaml(path: Path) -> object:
    """Return the plain data in a YAML file.

    Raises:
        SpaceError: The file cannot be read, is not valid YAML, or exceeds the limits.
    """
    text = _text(path)
    try:
        _limit_events(text, str(path))
        data = yaml.load(text, Loader=_Loader)  # a safe loader, see above
    except yaml.YAMLError as error:
        raise SpaceError(f"{path}: not valid YAML{_line(error)} ({_reason(error)})") from None
    except (RecursionError, ValueError, TypeError) as error:
        raise SpaceError(f"{path}: not valid YAML ({type(error).__name__}: {error})") from None
    _limit_expanded(data, str(path))
    return data


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise SpaceError(f"{path}: cannot be read (not a file)")
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise SpaceError(
                f"{path}: more than {_LARGEST_BYTES} bytes; a file has at most that many"
            )
        return content.decode("utf-8")
    except (OSError, ValueError) as error:
        raise SpaceError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from None


def _limit_events(text: str, where: str) -> None:
    """Refuse deep nesting and many values.

    The parser reads event by event; the loader recurses and would overflow its stack.
    """
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > _DEEPEST:
            raise SpaceError(f"{where}: nested deeper than {_DEEPEST} levels")
        if nodes > _MOST_NODES:
            raise SpaceError(f"{where}: more than {_MOST_NODES} values")


def _limit_expanded(data: object, where: str) -> None:
    """Refuse data that expand into too many values, by aliases of aliases or of themselves."""
    # An alias is the same object again, so each visit counts, and a cycle reaches the limit.
    stack = [data]
    nodes = 0
    while stack:
        nodes += 1
        if nodes > _MOST_NODES:
            raise SpaceError(
                f"{where}: expands into more than {_MOST_NODES} values; its aliases repeat too much"
            )
        value = stack.pop()
        if isinstance(value, dict):
            stack += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            stack += list(value)


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" in line {mark.line + 1}" if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    """Return the reason of an error on one line."""
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or error
    return " ".join(str(reason).split())
