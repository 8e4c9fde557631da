"""What a naming dialect is: for every tensor of our state dict, the name that another project gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mvt_nas.models.network import Backbone
from mvt_nas.registry import Registry
from mvt_nas.space.architecture import Architecture


@dataclass(frozen=True, slots=True)
class KeyMapping:
    """The names of one project.

    Attributes:
        names: ``(name, architecture) -> names`` of a tensor that our state dict calls ``name``:
            several where the project splits it along its first axis, none where the project has no
            such tensor.
        aliases: pairs of beginnings; a name that begins with the first also occurs with the second.
    """

    names: Callable[[str, Architecture], tuple[str, ...]]
    aliases: tuple[tuple[str, str], ...] = ()


KEY_MAPPINGS: Registry[KeyMapping] = Registry(
    "checkpoint dialect", "mvt_nas.checkpoints.key_mappings"
)
"""Whose names are understood."""


def translations(model: Backbone, dialect: str) -> dict[str, tuple[str, ...]]:
    """Return what a dialect calls every tensor of ``model``, by our name; empty where it cannot name them all.

    Raises:
        PluginError: no such dialect.
    """
    names = KEY_MAPPINGS.get(dialect).names
    table = {name: names(name, model.architecture) for name in model.state_dict()}
    return table if all(table.values()) else {}
