"""What changes while a network is trained: weights, their average, the optimiser, the place in the training; to a checkpoint and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mvt_nas.training.history import EpochRecord
from mvt_nas.training.recipe import Optimisation
from mvt_nas.training.short.average import copy_for_ema


@dataclass(slots=True)
class TrainingState:
    """A training at some moment.

    Attributes:
        network: with the weights of now.
        average: with averaged weights.
        optimiser: AdamW.
        shares: names of what is counted beside the loss.
        epoch: that is under way, from 0.
        step: of it that comes next, from 0.
        steps: that were made in all epochs.
        pictures: learnt from in this epoch.
        loss_sum: over those pictures, one value, float64.
        rows: the finished epochs.
        unreadable: pictures that could not be read, each with the reason.
        seconds: spent, over all sittings.
    """

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.AdamW
    shares: tuple[str, ...]
    epoch: int = 0
    step: int = 0
    steps: int = 0
    pictures: int = 0
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    rows: list[EpochRecord] = field(default_factory=list)
    unreadable: dict[str, None] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def best(self) -> EpochRecord | None:
        """The best epoch so far, the earliest of equals."""
        return max(self.rows, key=lambda row: row.best, default=None)

    def to_content(self) -> dict[str, Any]:
        """Return all of it for a checkpoint."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "loss_sum": self.loss_sum,
            "rows": [row.to_values() for row in self.rows],
            "unreadable": list(self.unreadable),
            **{name: getattr(self, name) for name in _PLAIN},
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Go back to what :meth:`to_content` returned."""
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.loss_sum = content["loss_sum"].to(self.loss_sum.device)
        self.rows = [EpochRecord.from_values(values, self.shares) for values in content["rows"]]
        self.unreadable = dict.fromkeys(content["unreadable"])
        for name in _PLAIN:
            setattr(self, name, content[name])


_PLAIN = ("epoch", "step", "steps", "pictures", "seconds")


def new_training_state(
    network: nn.Module,
    how: Optimisation,
    device: torch.device,
    shares: tuple[str, ...],
    *,
    fused: bool = True,
) -> TrainingState:
    """Return the state before the first step of a training on a device."""
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's annotations
    state = TrainingState(network, copy_for_ema(network), _optimiser(network, how, fused), shares)
    state.loss_sum = state.loss_sum.to(device)
    return state


def _optimiser(network: nn.Module, how: Optimisation, fused: bool) -> torch.optim.AdamW:
    """Return AdamW, with decay on matrices and kernels, and on the rest where the recipe says so.

    Source: Loshchilov and Hutter, arXiv 1711.05101.
    """
    decayed = [p for p in network.parameters() if p.ndim > 1 or how.decay_norms_and_biases]
    others = [p for p in network.parameters() if p.ndim <= 1 and not how.decay_norms_and_biases]
    groups = [
        {"params": decayed, "weight_decay": how.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=how.largest_learning_rate,
        betas=(how.beta1, how.beta2),
        fused=fused,
    )
