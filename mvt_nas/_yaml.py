"""Plain data from a YAML file that may have been written to do harm.

The size of the file, its nesting and its number of values are limited before anything is built from
it, and only the safe loader builds. Aliases may repeat a value but not unfold into thousands; the
merge key ``<<`` is refused, since merging merges of merges grows faster than any limit on the
result can see.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mvt_nas.errors import SpaceError

_LARGEST_BYTES = 256_000
_MOST_NODES = 20_000
_DEEPEST = 32


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's loader where it was built
    """The safe loader, which also refuses a key that is given twice, and merges."""

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
        SpaceError: the file cannot be read, is no valid YAML, or holds more than a person would
            write.
    """
    text = _text(path)
    try:
        _limit_events(text, str(path))
        data = yaml.load(text, Loader=_Loader)  # a safe loader, see above
    except yaml.YAMLError as error:
        raise SpaceError(f"{path}: not valid YAML{_line(error)} ({_reason(error)})") from None
    except (RecursionError, ValueError, TypeError) as error:
        raise SpaceError(f"{path}: not valid YAML ({type(error).__name__}: {error})") from None
    _limit_unfolded(data, str(path))
    return data


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise SpaceError(f"{path}: cannot be read (it is no file)")
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
    """Refuse deep nesting and many values while reading event by event: the loader itself recurses and would overflow its stack."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > _DEEPEST:
            raise SpaceError(f"{where}: nested deeper than {_DEEPEST} levels")
        if nodes > _MOST_NODES:
            raise SpaceError(f"{where}: more than {_MOST_NODES} values")


def _limit_unfolded(data: object, where: str) -> None:
    """Refuse data that unfolds (by aliases of aliases, or of itself) into more than a person would write."""
    stack, nodes = [data], 0
    while stack:
        nodes += 1
        if nodes > _MOST_NODES:
            raise SpaceError(
                f"{where}: unfolds into more than {_MOST_NODES} values; its aliases repeat too much"
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
    return " ".join(
        str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split()
    )
