"""Key mappings: the names that other projects give to the tensors of our state dicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from mvt_nas.errors import CheckpointError
from mvt_nas.models.network import Backbone
from mvt_nas.registry import Registry
from mvt_nas.space.architecture import Architecture


@dataclass(frozen=True, slots=True)
class KeyMapping:
    """The names of one project.

    Attributes:
        names: Function ``(name, architecture) -> names`` that translates the name of a tensor in
            our state dict. It returns several names if the project splits the tensor along its
            first axis, and none if the project has no such tensor.
        aliases: Pairs of prefixes; a name that begins with the first also occurs with the second.
    """

    names: Callable[[str, Architecture], tuple[str, ...]]
    aliases: tuple[tuple[str, str], ...] = ()


def by_module(
    translate: Callable[[list[str], Architecture], str],
) -> Callable[[str, Architecture], tuple[str, ...]]:
    """Return the names of a project that renames modules, and keeps the last part of a name.

    Args:
        translate: Function from the parts of our name of a module to the project's name; empty if
            the project has no such module.
    """

    def names(name: str, architecture: Architecture) -> tuple[str, ...]:
        module, leaf = name.rsplit(".", 1)
        translated = translate(module.split("."), architecture)
        return (f"{translated}.{leaf}",) if translated else ()

    return names


KEY_MAPPINGS: Registry[KeyMapping] = Registry("key mapping", "mvt_nas.checkpoints.key_mappings")
"""Key mappings by the name of the project."""


def translations(model: Backbone, mapping: str) -> dict[str, tuple[str, ...]]:
    """Return a project's names of every tensor of ``model``, by our name.

    Empty if the project has no names for some of them.

    Raises:
        PluginError: There is no such key mapping.
    """
    names = KEY_MAPPINGS.get(mapping).names
    table = {name: names(name, model.architecture) for name in model.state_dict()}
    return table if all(table.values()) else {}


def renamed_state_dict(model: Backbone, mapping: str) -> dict[str, Tensor]:
    """Return a copy of the state dict under the names of a project, the inverse of loading.

    Args:
        model: The network.
        mapping: Name of the key mapping.

    Raises:
        CheckpointError: The project has no names for some tensors of this architecture.
        PluginError: There is no such key mapping.
    """
    table = translations(model, mapping)
    if not table:
        raise CheckpointError(
            f"the names of {mapping} do not reach to all weights of this architecture"
        )
    state = model.state_dict()
    renamed = {}
    for own_name, names in table.items():
        tensor = state[own_name]
        # Scalars, such as batch norm's counters, cannot be split.
        parts = tensor.chunk(len(names)) if len(names) > 1 else (tensor,)
        for name, part in zip(names, parts, strict=True):
            renamed[name] = part.detach().clone()
    return renamed
