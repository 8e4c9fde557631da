"""What changes while a network learns: weights, average, optimiser, curve and clock; to a checkpoint and back."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn

from mvt_nas.models.network import Network, build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.training.short.average import copy_for_ema
from mvt_nas.training.short.protocol import ShortRecipe
from mvt_nas.training.short.result import COMPLETE, ShortEpochRecord


@dataclasses.dataclass(slots=True)
class ShortTrainingState:
    """A network that learns.

    Attributes:
        network: with the weights of now.
        average: with averaged weights.
        optimiser: AdamW.
        curve: the epochs so far.
        status: ``"complete"`` unless it has diverged.
        seconds: spent so far.
        learning_s: of those, in steps.
        pictures: learnt from so far, with repetitions.
    """

    network: Network
    average: Network
    optimiser: torch.optim.AdamW
    curve: list[ShortEpochRecord]
    status: str = COMPLETE
    seconds: float = 0.0
    learning_s: float = 0.0
    pictures: int = 0

    def to_content(self) -> dict[str, Any]:
        """Return all of it for a checkpoint."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "curve": [dataclasses.astuple(epoch) for epoch in self.curve],
            **{
                name: getattr(self, name)
                for name in ("status", "seconds", "learning_s", "pictures")
            },
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Go back to what :meth:`to_content` returned."""
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.curve = [ShortEpochRecord(*values) for values in content["curve"]]
        for name in ("status", "seconds", "learning_s", "pictures"):
            setattr(self, name, content[name])


def new_short_training_state(
    architecture: Architecture,
    protocol: ShortRecipe,
    num_classes: int,
    seed: int,
    device: torch.device,
) -> ShortTrainingState:
    """Return the state before the first step. Weights are drawn on the CPU, so that they are the same on every device."""
    network = build_model(architecture, num_classes=num_classes, seed=seed)
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's annotations
    return ShortTrainingState(network, copy_for_ema(network), _optimiser(network, protocol), [])


def _optimiser(network: nn.Module, protocol: ShortRecipe) -> torch.optim.AdamW:
    """Return AdamW, with decay on matrices and kernels only.

    Source: Loshchilov and Hutter, arXiv 1711.05101.
    """
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": protocol.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=protocol.learning_rate, fused=True)
