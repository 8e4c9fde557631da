"""A network's weights under the names of another project.

What an exported network is called where its name must not be one that the trainer has already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvt_nas.errors import ExportError

if TYPE_CHECKING:
    from torch import Tensor

    from mvt_nas.models.network import Backbone


def renamed_state_dict(module: Backbone, dialect: str) -> dict[str, Tensor]:
    """Return the state dict under the names of a dialect; a tensor that the dialect splits is split along its first axis.

    Raises:
        ExportError: the dialect cannot name all tensors of this architecture.
    """
    from mvt_nas.checkpoints.key_mapping import translations

    table, own = translations(module, dialect), module.state_dict()
    if not table:
        raise ExportError(
            f"the names of {dialect} do not reach to all weights of this architecture"
        )
    return {
        name: part.detach().clone()
        for ours, names in table.items()
        for name, part in zip(
            names, own[ours].chunk(len(names)) if len(names) > 1 else (own[ours],), strict=True
        )
    }


_PREFIX = "mvt_"


def registered_name(name: str) -> str:
    """Return the name to register a model under: trainers have a ``mobilevit_s`` of their own, so ours begin with ``mvt_``."""
    return name if name.startswith(_PREFIX) else _PREFIX + name


def class_name(name: str) -> str:
    """Return the name of a model's class: ``MvtMobilevitS`` for ``mvt_mobilevit_s``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
