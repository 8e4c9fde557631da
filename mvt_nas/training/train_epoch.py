"""One epoch of training, step by step, from any position; for full and for short trainings.

All randomness of a step is drawn from the seed and the number of the step, dropout included, so
that an interrupted training resumes to the last bit as if it had not been interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from mvt_nas.errors import DataError
from mvt_nas.training.accelerator import Accelerator
from mvt_nas.training.batch_sampler import StepPlan
from mvt_nas.training.ema import EmaUpdater
from mvt_nas.training.evaluation import InputBatch, refuse_wrong
from mvt_nas.training.rng import RngPurpose, generator
from mvt_nas.training.state import TrainingState

_CHECK_EVERY = 32
"""Steps between two looks at the loss, each of which waits for an accelerator."""


class DivergenceError(Exception):
    """The loss has left the range of a training; the message gives the loss."""


class TrainLoader(Protocol):
    """Training batches, as a function of epoch and step."""

    def steps(self, epoch: int) -> Sequence[StepPlan]:
        """Return the steps of an epoch."""

    def batches(self, epoch: int, step: int) -> Iterator[Any]:
        """Return the batches of an epoch from a step on, one for each part of a step."""


class TrainingObjective(Protocol):
    """What a network is trained for."""

    def training_batch(
        self, batch: Any, device: torch.device, random: np.random.Generator
    ) -> tuple[Tensor, Any]:
        """Return images (B, 3, H, W), float32, and targets on a device."""

    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """Return the mean loss of the network's outputs."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingLoop:
    """The fixed parts of the training loop.

    Attributes:
        accelerator: Devices and precision.
        forward: Network as the accelerator runs it.
        optimiser: Optimiser as the accelerator steps it.
        ema: Updates the averaged weights.
        loader: Training batches.
        objective: Targets and loss.
        learning_rate: Returns the rate of the next step.
        clip_norm: Largest L2 norm of the gradient; 0 for any.
        seed: Seed of all randomness.
        max_unreadable: Number of unreadable images that are tolerated.
        weigh_by_images: Whether the epoch's loss is the mean over images instead of steps; only of
            use if the size of batches varies.
        has_dropout: Whether the forward pass draws random numbers.
    """

    accelerator: Accelerator
    forward: nn.Module
    optimiser: torch.optim.Optimizer
    ema: EmaUpdater
    loader: TrainLoader
    objective: TrainingObjective
    learning_rate: Callable[[TrainingState[Any]], float]
    clip_norm: float
    seed: int
    max_unreadable: int
    weigh_by_images: bool
    has_dropout: bool


def train_one_epoch(
    state: TrainingState[Any],
    loop: TrainingLoop,
    *,
    checkpoint_steps: int | None = None,
    save_checkpoint: Callable[[], None] = lambda: None,
    on_step: Callable[[int, float, float], None] = lambda steps, loss, rate: None,
) -> float:
    """Make the remaining steps of an epoch; return the learning rate of the last one.

    Args:
        state: State of the training; is advanced.
        loop: Fixed parts of the loop.
        checkpoint_steps: Steps between two checkpoints within the epoch; ``None`` for none.
        save_checkpoint: Writes a checkpoint.
        on_step: Called after every step with the number of steps in the epoch, the mean loss so
            far (updated every few steps), and the learning rate.

    Raises:
        DivergenceError: the loss is not a finite number.
        DataError: too many images cannot be read, or an annotation is not allowed.
    """
    plans = loop.loader.steps(state.epoch)
    batches = loop.loader.batches(state.epoch, state.step)
    loss, rate = math.nan, 0.0
    loop.forward.train()
    start = time.perf_counter() - state.train_seconds
    for plan in plans[state.step :]:
        rate = _make_step(state, loop, plan, batches)
        state.train_seconds = time.perf_counter() - start
        is_last = state.step == len(plans)
        saves = checkpoint_steps is not None and state.step % checkpoint_steps == 0 and not is_last
        if saves or is_last or state.step % _CHECK_EVERY == 1:
            loss = _checked_loss(state, loop)
        if saves:
            save_checkpoint()
        on_step(len(plans), loss, rate)
    return rate


def mean_loss(state: TrainingState[Any], loop: TrainingLoop) -> float:
    """Return the mean loss of the epoch so far, on this device."""
    return float(state.loss_sum) / (state.images if loop.weigh_by_images else state.step)


def _make_step(
    state: TrainingState[Any], loop: TrainingLoop, plan: StepPlan, batches: Iterator[InputBatch]
) -> float:
    """Make one step of the optimiser; return its learning rate."""
    rate = loop.learning_rate(state)
    for group in loop.optimiser.param_groups:
        group["lr"] = rate
    loop.optimiser.zero_grad(set_to_none=True)
    weight = plan.images if loop.weigh_by_images else 1
    for part in range(plan.parts):
        batch = next(batches)
        _note_unreadable(state, batch, loop.max_unreadable)
        # Devices exchange gradients once a step, after its last part.
        accumulates = part < plan.parts - 1
        with loop.accelerator.no_backward_sync(loop.forward, enabled=accumulates):
            loss = _loss(state, loop, batch, part)
            loop.accelerator.backward(loss / plan.parts)
        state.loss_sum += loss.detach().double() * (weight / plan.parts)
    if loop.clip_norm:
        loop.accelerator.clip_gradients(
            loop.forward, loop.optimiser, max_norm=loop.clip_norm, error_if_nonfinite=False
        )
    loop.optimiser.step()
    loop.ema.update(state.steps)
    state.step += 1
    state.steps += 1
    state.images += plan.images
    return rate


def _loss(state: TrainingState[Any], loop: TrainingLoop, batch: InputBatch, part: int) -> Tensor:
    """Return the mean loss over a part of a step, on this device."""
    device = loop.accelerator.device
    position = (loop.seed, state.steps, loop.accelerator.global_rank, part)
    random = generator(RngPurpose.MIXING, *position)
    images, targets = loop.objective.training_batch(batch, device, random)
    with _seeded(position, device, enabled=loop.has_dropout), loop.accelerator.autocast():
        outputs = loop.forward(images)
    return loop.objective.loss(outputs, targets)


@contextmanager
def _seeded(position: tuple[int, ...], device: torch.device, *, enabled: bool) -> Iterator[None]:
    """Seed torch's global generators, for dropout, and restore their state after the block."""
    if not enabled:
        yield
        return
    seed = int(generator(RngPurpose.DROPOUT, *position).integers(2**63))
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _checked_loss(state: TrainingState[Any], loop: TrainingLoop) -> float:
    loss = mean_loss(state, loop)
    if not math.isfinite(loss):
        raise DivergenceError(f"loss {loss}")
    return loss


def _note_unreadable(state: TrainingState[Any], batch: InputBatch, most: int) -> None:
    refuse_wrong(batch)
    state.unreadable.update(dict.fromkeys(batch.unreadable))
    if batch.unreadable and len(state.unreadable) > most:
        raise DataError(
            f"{len(state.unreadable)} images are unreadable, such as"
            f" {next(iter(state.unreadable))}; at most {most} may be"
        )
