"""A network's weights under the names of another project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvt_nas.errors import ExportError

if TYPE_CHECKING:
    from torch import Tensor

    from mvt_nas.network import Backbone


def renamed(module: Backbone, dialect: str) -> dict[str, Tensor]:
    """Return the state dict under the names of a dialect; a tensor that the dialect splits is split along its first axis.

    Raises:
        ExportError: the dialect cannot name all tensors of this architecture.
    """
    from mvt_nas.checkpoints.dialect import translations

    table, own = translations(module, dialect), module.state_dict()
    if not table:
        raise ExportError(f"the names of {dialect} do not reach to all weights of this architecture")
    return {
        name: part.detach().clone()
        for ours, names in table.items()
        for name, part in zip(names, own[ours].chunk(len(names)) if len(names) > 1 else (own[ours],), strict=True)
    }
