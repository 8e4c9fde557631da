"""The learning rate of every step: a linear rise, then half a cosine to zero.

Source: Loshchilov and Hutter, arXiv 1608.03983 (cosine); Goyal et al., arXiv 1706.02677 (warm-up).
Short trainings are comparable only when the rate has fallen to zero within them.

One epoch: learn from all training pictures in a random order, then judge by the validation
pictures.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.training.short.average import decay_at, state, update
from mvt_nas.training.short.images import ImageTensors
from mvt_nas.training.short.protocol import ShortRecipe
from mvt_nas.training.short.state import ShortTrainingState


def learning_rate(step: int, *, total: int, warmup: int, peak: float) -> float:
    """Return the learning rate of a step, counted from 0, out of ``total``, the first ``warmup`` of which rise to ``peak``.

    It would be zero at step ``total``, the first that is not made.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


_CHECK_EVERY = 32  # steps between two looks at the loss, each of which waits for an accelerator
_JUDGED_AT_ONCE = 256
_HOPELESS = 3.0


class DivergenceError(Exception):
    """The loss has left the range of a training; the message says how."""


def train_one_epoch(
    now: ShortTrainingState,
    forward: nn.Module,
    pictures: ImageTensors,
    protocol: ShortRecipe,
    dtype: str,
    seed: int,
) -> float:
    """Make the steps of the next epoch; return the mean loss over its batches.

    Order and augmentation are those of the seed and the number of the epoch.

    Raises:
        Diverged: the loss is no finite number, or the epoch's mean is above three times that of
            guessing.
    """
    number, steps = len(now.curve), protocol.steps_per_epoch
    random = torch.Generator().manual_seed(_epoch_seed(seed, number))
    device = pictures.images.device
    order, flips, shifts = (drawn.to(device) for drawn in _draw(len(pictures), protocol, random))
    weights, averages = state(now.network), state(now.average)
    now.network.train()
    summed = torch.zeros((), dtype=torch.float64, device=device)
    for step in range(steps):
        part = slice(step * protocol.batch_size, (step + 1) * protocol.batch_size)
        images = pictures.batch(order[part], flips[part], shifts[part])
        _set_rate(now.optimiser, number * steps + step, protocol)
        now.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bf16"):
            logits = forward(images)
        loss = functional.cross_entropy(
            logits.float(), pictures.labels[order[part]], label_smoothing=protocol.label_smoothing
        )
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        if protocol.clip_norm:
            nn.utils.clip_grad_norm_(now.network.parameters(), protocol.clip_norm)
        now.optimiser.step()
        update(averages, weights, decay_at(number * steps + step, protocol.ema_decay))
        summed += loss.detach()
        if step % _CHECK_EVERY == 0:
            _check_finite(float(summed))
    mean = float(summed) / steps
    _check_finite(mean)
    if mean > _HOPELESS * math.log(int(now.network.classifier.out_features)):
        raise DivergenceError(
            f"loss {mean:.3g}, guessing has"
            f" {math.log(int(now.network.classifier.out_features)):.3g}"
        )
    return mean


@torch.no_grad()
def evaluate(network: nn.Module, pictures: ImageTensors, dtype: str) -> tuple[float, float]:
    """Return mean cross-entropy in nats and share of right answers, 0 to 1."""
    network.eval()
    device = pictures.images.device
    loss = torch.zeros((), dtype=torch.float64, device=device)
    right = torch.zeros((), dtype=torch.int64, device=device)
    for rows in torch.arange(len(pictures), device=device).split(_JUDGED_AT_ONCE):  # type: ignore[no-untyped-call]  # torch's
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bf16"):
            logits = network(pictures.batch(rows))
        labels = pictures.labels[rows]
        loss += functional.cross_entropy(logits.float(), labels, reduction="sum")
        right += (logits.argmax(1) == labels).sum()
    return float(loss) / len(pictures), int(right) / len(pictures)


def _draw(
    count: int, protocol: ShortRecipe, random: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    order = torch.randperm(count, generator=random)
    flips = torch.rand(count, generator=random) < (0.5 if protocol.flip else 0.0)
    shifts = torch.randint(
        -protocol.crop_padding, protocol.crop_padding + 1, (count, 2), generator=random
    )
    return order, flips, shifts


def _epoch_seed(seed: int, number: int) -> int:
    """Return a seed for an epoch that no other epoch of a nearby seed has."""
    return (seed * 1_000_003 + number + 1) % 2**63


def _set_rate(optimiser: torch.optim.AdamW, step: int, protocol: ShortRecipe) -> None:
    total = protocol.epochs * protocol.steps_per_epoch
    warmup = round(protocol.warmup_share * total)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(step, total=total, warmup=warmup, peak=protocol.learning_rate)


def _check_finite(loss: float) -> None:
    if not math.isfinite(loss):
        raise DivergenceError(f"loss {loss}")
