"""The state of a training: weights, their average, the optimiser, the position; saved and restored.

Full trainings and short ones have the same state; they differ in what they record of an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from mvt_nas.training.ema import copy_for_ema

COMPLETE = "complete"
"""Status of a training that has not diverged."""


class Record(Protocol):
    """The figures of one epoch."""

    def to_values(self) -> tuple[float, ...]:
        """Return the figures as numbers, for a checkpoint."""


R = TypeVar("R", bound=Record)
N = TypeVar("N", bound=nn.Module)


@dataclass(slots=True)
class TrainingState(Generic[R]):
    """The state of a training at one moment.

    Attributes:
        network: Network with the current weights.
        average: Network with the averaged weights.
        optimiser: AdamW.
        read_record: Returns the record of an epoch, given its numbers.
        epoch: Current epoch, from 0.
        step: Next step of the epoch, from 0.
        steps: Steps made in all epochs.
        images: Training images used in this epoch so far.
        loss_sum: Sum of the losses of this epoch, weighted, one value, float64.
        history: Records of the finished epochs.
        unreadable: Images that could not be read, each with the reason.
        train_seconds: Wall time of all steps, in seconds, over all interruptions.
        validation_seconds: Wall time of all evaluations, in seconds; of short trainings only.
        status: ``"complete"``, or ``"diverged: "`` and the reason.
    """

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.AdamW
    read_record: Callable[[Sequence[float]], R]
    epoch: int = 0
    step: int = 0
    steps: int = 0
    images: int = 0
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    history: list[R] = field(default_factory=list)
    unreadable: dict[str, None] = field(default_factory=dict)
    train_seconds: float = 0.0
    validation_seconds: float = 0.0
    status: str = COMPLETE

    def next_epoch(self, record: R) -> None:
        """Record the epoch that has ended, and move on to the start of the next one."""
        self.history.append(record)
        self.epoch += 1
        self.step = 0
        self.images = 0
        self.loss_sum.zero_()

    def to_content(self) -> dict[str, Any]:
        """Return the state for a checkpoint, under the keys of the file format."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "loss_sum": self.loss_sum,
            "rows": [record.to_values() for record in self.history],
            "unreadable": list(self.unreadable),
            "epoch": self.epoch,
            "step": self.step,
            "steps": self.steps,
            "pictures": self.images,
            "seconds": self.train_seconds,
            "validation_seconds": self.validation_seconds,
            "status": self.status,
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Restore the state that :meth:`to_content` returned."""
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.loss_sum = content["loss_sum"].to(self.loss_sum.device)
        self.history = [self.read_record(values) for values in content["rows"]]
        self.unreadable = dict.fromkeys(content["unreadable"])
        self.epoch = content["epoch"]
        self.step = content["step"]
        self.steps = content["steps"]
        self.images = content["pictures"]
        self.train_seconds = content["seconds"]
        # Full trainings of earlier versions saved neither of these.
        self.validation_seconds = content.get("validation_seconds", 0.0)
        self.status = content.get("status", COMPLETE)


def new_training_state(
    network: nn.Module,
    optimiser: torch.optim.AdamW,
    device: torch.device,
    read_record: Callable[[Sequence[float]], R],
) -> TrainingState[R]:
    """Return the state before the first step, of a network that is on the device already."""
    state = TrainingState(network, copy_for_ema(network), optimiser, read_record)
    state.loss_sum = state.loss_sum.to(device)
    return state


def on_device(network: N, device: torch.device) -> N:
    """Return the network on a device, with its kernels in channels-last order."""
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]  # not in torch's annotations


def build_optimiser(
    network: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    decay_norms_and_biases: bool = False,
    betas: tuple[float, float] = (0.9, 0.999),
    fused: bool = True,
) -> torch.optim.AdamW:
    """Return AdamW with weight decay on matrices and kernels, and on request on the rest.

    Source: Loshchilov and Hutter, arXiv 1711.05101.

    Args:
        network: Network to train.
        learning_rate: Rate before the schedule sets it.
        weight_decay: Weight decay of parameters with two dimensions and more.
        decay_norms_and_biases: Whether parameters with one dimension decay, too.
        betas: Decay rates of the moments.
        fused: Whether one kernel updates all parameters.
    """
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in network.parameters():
        decays = parameter.ndim > 1 or decay_norms_and_biases
        (decayed if decays else others).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    used = [group for group in groups if group["params"]]
    return torch.optim.AdamW(used, lr=learning_rate, betas=betas, fused=fused)
