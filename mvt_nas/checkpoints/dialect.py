"""What a naming dialect is: for every tensor of our state dict, the name that another project gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mvt_nas.network import Backbone
from mvt_nas.plugins import Registry
from mvt_nas.space.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names of one project.

    Attributes:
        names: ``(name, architecture) -> names`` of a tensor that our state dict calls ``name``: several where the project splits it
            along its first axis, none where the project has no such tensor.
        aliases: pairs of beginnings; a name that begins with the first also occurs with the second.
    """

    names: Callable[[str, Architecture], tuple[str, ...]]
    aliases: tuple[tuple[str, str], ...] = ()


DIALECTS: Registry[Dialect] = Registry("checkpoint dialect", "mvt_nas.checkpoints.dialects")
"""Whose names are understood."""


def translations(model: Backbone, dialect: str) -> dict[str, tuple[str, ...]]:
    """Return what a dialect calls every tensor of ``model``, by our name; empty where it cannot name them all.

    Raises:
        PluginError: no such dialect.
    """
    names = DIALECTS.get(dialect).names
    table = {name: names(name, model.architecture) for name in model.state_dict()}
    return table if all(table.values()) else {}
