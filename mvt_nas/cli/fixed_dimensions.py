"""Dimensions of a search space that the command line gives one value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from mvt_nas.errors import SpaceError


def parse_fixed(texts: tuple[str, ...]) -> Mapping[str, Any]:
    """Return dimension to value, read as YAML reads a scalar (``true``, ``2``, ``conv``).

    Raises:
        SpaceError: A text has no ``=``, or a dimension is given twice.
    """
    result: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or not value:
            raise SpaceError(
                f"{text!r} cannot be read; write for example stage3.patch=2", parameter="fix"
            )
        if name in result:
            raise SpaceError(f"{name} is given twice", parameter="fix")
        try:
            result[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise SpaceError(
                f"{text!r}: the value {value!r} cannot be read", parameter="fix"
            ) from None
    return result
