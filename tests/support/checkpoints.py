"""A small network, and its state dict under the names of other projects."""

from __future__ import annotations

from torch import Tensor

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.checkpoints.key_mapping import translations
from mvt_nas.models.network import Network, build_model
from mvt_nas.space.architecture import Architecture, Stage

SMALL = Architecture(
    stem_width=8,
    head_width=24,
    stages=(
        Stage(width=12, stride=1),
        Stage(
            width=16,
            block=MobileViT(
                attention="multi_head",
                dim=12,
                ffn_dim=20,
                heads=3,
                patch=3,
                fusion="input",
                fusion_kernel=3,
            ),
        ),
        Stage(
            width=20, block=MobileViT(attention="separable", dim=8, ffn_dim=12, transformer_depth=3)
        ),
    ),
)


def small(seed: int = 0) -> Network:
    return build_model(SMALL, num_classes=5, seed=seed)


def renamed(model: Network, mapping: str) -> dict[str, Tensor]:
    """Return the state dict of ``model`` under the names of ``mapping``."""
    own = model.state_dict()
    table = translations(model, mapping)
    parts = {
        name: own[name].chunk(len(names)) if len(names) > 1 else (own[name],)
        for name, names in table.items()
    }
    return {
        name: part.clone()
        for own_name, names in table.items()
        for name, part in zip(names, parts[own_name], strict=True)
    }
