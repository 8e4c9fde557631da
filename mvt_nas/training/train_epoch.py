"""The learning rate at every moment of a training: a linear rise, then half a cosine.

It goes by epochs, whole and in part, since the number of steps in an epoch depends on the sizes
that are drawn.

Source: Loshchilov and Hutter, arXiv 1608.03983; arXiv 2110.02178, Section 4.1.

Learning from one epoch of pictures, step by step, from wherever it was left.

All that is random in a step is drawn from the seed and the number of the step, dropout included, so
that a training that was broken off goes on to the last bit as if it had not been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mvt_nas.errors import DataError, TrainingError
from mvt_nas.training.batch_sampler import BatchPlan, MultiScaleBatchSampler
from mvt_nas.training.dataset import ImageBatch, most_unreadable
from mvt_nas.training.evaluation import refuse_wrong
from mvt_nas.training.recipe import Optimisation, Recipe
from mvt_nas.training.rng import RngPurpose, generator
from mvt_nas.training.short.average import decay_at, state, update
from mvt_nas.training.state import TrainingState
from mvt_nas.training.task import TrainingTask

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def learning_rate(epochs_done: float, how: Optimisation) -> float:
    """Return the learning rate after some epochs."""
    if epochs_done < how.warmup_epochs:
        return (
            how.first_learning_rate
            + (how.largest_learning_rate - how.first_learning_rate)
            * epochs_done
            / how.warmup_epochs
        )
    share = (epochs_done - how.warmup_epochs) / max(how.epochs - how.warmup_epochs, 1e-9)
    return how.last_learning_rate + (how.largest_learning_rate - how.last_learning_rate) * 0.5 * (
        1 + math.cos(math.pi * min(share, 1.0))
    )


_CHECK_EVERY = 32  # steps between two looks at the loss, each of which waits for an accelerator


@dataclass(frozen=True, slots=True, eq=False)
class TrainStep:
    """What learns, and by what.

    Attributes:
        fabric: devices and precision.
        forward: the network as Fabric runs it.
        optimiser: as Fabric steps it.
        sampler: which pictures come when.
        batches: the loader over that sampler.
        recipe: how.
        seed: of all that is random.
        task: what is learnt.
        learnt: pictures in an epoch.
        checkpoint_steps: steps between two checkpoints within an epoch.
    """

    fabric: Fabric
    forward: nn.Module
    optimiser: torch.optim.Optimizer
    sampler: MultiScaleBatchSampler
    batches: Iterable[ImageBatch]
    recipe: Recipe
    seed: int
    task: TrainingTask
    learnt: int
    checkpoint_steps: int


def train_one_epoch(
    now: TrainingState,
    learner: TrainStep,
    keep: Callable[[], None],
    listener: Callable[[int, float, float], None],
) -> float:
    """Make the steps of an epoch that are left; return the learning rate of the last.

    Args:
        now: is moved on.
        learner: what learns.
        keep: writes a checkpoint.
        listener: is told after every step how many the epoch has, the mean loss in it so far (every
            few steps), the learning rate.

    Raises:
        TrainingError: the loss is no finite number any more.
        DataError: too many pictures cannot be read, or an annotation is not allowed.
    """
    steps = learner.sampler.steps(now.epoch)
    learner.sampler.go_to(now.epoch, now.step)
    batches, loss, rate = iter(learner.batches), math.nan, 0.0
    learner.forward.train()
    before = now.seconds - time.perf_counter()
    for step in steps[now.step :]:
        rate = _advance(now, learner, step, batches)
        now.seconds = before + time.perf_counter()
        due = now.step % learner.checkpoint_steps == 0 and now.step < len(steps)
        if due or now.step % _CHECK_EVERY == 1 or now.step == len(steps):
            loss = _mean_loss(now)
        if due:
            keep()
        listener(len(steps), loss, rate)
    return rate


def _advance(
    now: TrainingState, learner: TrainStep, step: BatchPlan, batches: Iterator[ImageBatch]
) -> float:
    """Make one step; return its learning rate."""
    rate = learning_rate(
        now.epoch + min(1.0, now.pictures / learner.learnt), learner.recipe.optimisation
    )
    for group in learner.optimiser.param_groups:
        group["lr"] = rate
    learner.optimiser.zero_grad(set_to_none=True)
    parts = len(step.positions)
    for part in range(parts):
        batch = next(batches)
        _note(now, batch, learner.learnt)
        with learner.fabric.no_backward_sync(learner.forward, enabled=part < parts - 1):  # type: ignore[arg-type]  # it is Fabric's
            loss = _loss(now, learner, batch, part)
            learner.fabric.backward(loss / parts)
        now.loss_sum += loss.detach().double() * (step.images / parts)
    _clip(now, learner)
    learner.optimiser.step()
    momentum = learner.recipe.regularisation.ema_momentum
    update(state(now.average), state(now.network), decay_at(now.steps, 1 - momentum))
    now.step, now.steps, now.pictures = now.step + 1, now.steps + 1, now.pictures + step.images
    return rate


def _loss(now: TrainingState, learner: TrainStep, batch: ImageBatch, part: int) -> Tensor:
    """Return the mean loss over a part of a step, on this device."""
    fabric, task = learner.fabric, learner.task
    place = (learner.seed, now.steps, fabric.global_rank, part)
    images, targets = task.lesson(batch, fabric.device, generator(RngPurpose.MIXING, *place))
    seed = int(generator(RngPurpose.DROPOUT, *place).integers(2**63))
    with torch.random.fork_rng([fabric.device] if fabric.device.type == "cuda" else []):
        torch.manual_seed(seed)  # of dropout; outside of the block, torch's state is what it was
        outputs = learner.forward(images)
    return task.loss(outputs, targets)


def _clip(now: TrainingState, learner: TrainStep) -> None:
    largest = learner.recipe.optimisation.clip_norm
    if largest:
        learner.fabric.clip_gradients(
            learner.forward, learner.optimiser, max_norm=largest, error_if_nonfinite=False
        )


def _mean_loss(now: TrainingState) -> float:
    """Return the mean loss of the epoch so far on this device.

    Raises:
        TrainingError: it is no finite number.
    """
    loss = float(now.loss_sum) / now.pictures
    if not math.isfinite(loss):
        advice = (
            "a smaller optimisation.largest_learning_rate or an optimisation.clip_norm of 1 may"
            " help"
        )
        raise TrainingError(f"loss {loss} in epoch {now.epoch + 1}, by step {now.step}; {advice}")
    return loss


def _note(now: TrainingState, batch: ImageBatch, learnt: int) -> None:
    refuse_wrong(batch)
    now.unreadable.update(dict.fromkeys(batch.unreadable))
    most = most_unreadable(learnt)
    if batch.unreadable and len(now.unreadable) > most:
        raise DataError(
            f"{len(now.unreadable)} pictures are unreadable, such as {next(iter(now.unreadable))};"
            f" at most {most} may be"
        )
