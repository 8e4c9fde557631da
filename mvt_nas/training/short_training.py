"""Short trainings, which compare networks within a search: from an architecture to its accuracy.

They use the loop, evaluation, state and checkpoints of full trainings. What differs: the images are
in memory (:mod:`mvt_nas.training.memory_loader`), one process does all without Lightning Fabric,
there is no folder, a training that diverges is a result instead of an error, and the recipe is a
flat one (:mod:`mvt_nas.training.short_recipe`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mvt_nas._threads_and_malloc import torch_threads
from mvt_nas.data.dataset import ImageDataset
from mvt_nas.errors import TrainingError
from mvt_nas.space.architecture import Architecture
from mvt_nas.training import checkpoint as checkpoint_file
from mvt_nas.training.accelerator import SingleDevice, device_for, dtype_for, hardware
from mvt_nas.training.memory_loader import image_tensors
from mvt_nas.training.protocol_size import check_size
from mvt_nas.training.short_loop import ShortEpochRecord, ShortTraining, new_short_training_state
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.small_images import as_trained
from mvt_nas.training.state import COMPLETE, TrainingState

TSE_DECAY = 0.9

Listener = Callable[[int, ShortEpochRecord], None]
"""Called with the number of an epoch, from 1, and its record, after its checkpoint was written."""


@dataclass(frozen=True, slots=True)
class ShortTrainingResult:
    """The result of a short training.

    Attributes:
        architecture: Trained architecture, with the strides and patches that were used.
        protocol: Recipe.
        seed: Seed of weights, order and augmentation.
        images: Fingerprint of the images.
        split: Hash of the split.
        status: ``"complete"``, or ``"diverged: "`` and the reason.
        curve: Records of the finished epochs, without the one in which a training diverged.
        dtype: Precision, ``"fp32"`` or ``"bf16"``.
        seconds: Wall time in seconds, over all interruptions.
        images_per_s: Training images per second, without evaluation.
        hardware: Device, threads and versions.
    """

    architecture: Architecture
    protocol: ShortRecipe
    seed: int
    images: str
    split: str
    status: str
    curve: tuple[ShortEpochRecord, ...]
    dtype: str
    seconds: float
    images_per_s: float
    hardware: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        """Whether the training has not diverged."""
        return self.status == COMPLETE

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy after the last epoch, 0 to 1; NaN if the training diverged.

        It is not the best epoch's: a choice among epochs would favour noisy trainings.
        """
        return self.curve[-1].accuracy if self.complete else math.nan

    @property
    def ema_accuracy(self) -> float:
        """The same with averaged weights."""
        return self.curve[-1].ema_accuracy if self.complete else math.nan

    @property
    def tse_ema(self) -> float:
        """Training-speed estimate of the curve, lower is better; NaN if the training diverged."""
        return tse_ema([record.train_loss for record in self.curve]) if self.complete else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data, for a row of a table."""
        return {
            "architecture": self.architecture.to_dict(),
            "protocol": self.protocol.to_dict(),
            "protocol_key": self.protocol.key,
            "seed": self.seed,
            "images": self.images,
            "split": self.split,
            "status": self.status,
            "dtype": self.dtype,
            "seconds": self.seconds,
            "pictures_per_s": self.images_per_s,
            "hardware": dict(self.hardware),
            "accuracy": self.accuracy,
            "ema_accuracy": self.ema_accuracy,
            "tse_ema": self.tse_ema,
            "curve": [dataclasses.asdict(record) for record in self.curve],
        }


def tse_ema(losses: Sequence[float], decay: float = TSE_DECAY) -> float:
    """Return the sum of the training losses of all epochs, with a weight that decays backwards.

    Each epoch counts ``decay`` times as much as the one after it.

    Source: Ru et al., "Speedy performance estimation for neural architecture search", arXiv
        2006.04492 (TSE-EMA).
    """
    result = 0.0
    for loss in losses:
        result = decay * result + loss
    return result


def train_short(
    architecture: Architecture,
    images: ImageDataset,
    protocol: ShortRecipe,
    *,
    seed: int,
    device: str = "auto",
    threads: int = 1,
    checkpoint: Path | None = None,
    listener: Listener | None = None,
    compiled: bool = False,
    until: int | None = None,
) -> ShortTrainingResult:
    """Train a network for a few epochs, or resume its training; return the result.

    On a CPU, equal arguments on equal hardware return equal curves to the last bit, also if the
    training was interrupted. Torch's global random state is neither used nor changed.

    Args:
        architecture: Architecture to train; adapted to small images first if the protocol says so.
        images: Images of the protocol's size.
        protocol: Recipe.
        seed: Seed of weights, order and augmentation.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        threads: CPU threads of torch.
        checkpoint: File that is written after each epoch, and from which an interrupted training
            resumes.
        listener: Called after each epoch.
        compiled: Whether to use ``torch.compile``, which takes up to minutes to start.
        until: Number of epochs after which to stop, with the schedule of the whole training; a
            later call resumes from the checkpoint. ``None`` for all.

    Raises:
        TrainingError: the images have another size, there is no such device, or the checkpoint is
            of another training.
        DataError: there are fewer images than the protocol needs.
    """
    _check(images, protocol, seed, threads)
    check_size(protocol, images)
    used = as_trained(architecture, protocol)
    split = images.split(
        train=protocol.train_images, validation=protocol.validation_images, seed=protocol.split_seed
    )
    accelerator_device = device_for(device)
    dtype = dtype_for(protocol.dtype, accelerator_device)
    identity = {
        "architecture": used.key,
        "protocol": protocol.key,
        "split": split.hash,
        "seed": seed,
        "dtype": dtype,
    }
    last = protocol.epochs if until is None else min(until, protocol.epochs)
    with torch_threads(threads):
        num_classes = len(images.class_names)
        state = new_short_training_state(used, protocol, num_classes, seed, accelerator_device)
        if checkpoint is not None:
            _restore(state, protocol, checkpoint, identity)
        if state.status == COMPLETE and state.epoch < last:
            tensors = image_tensors(images, split.train, split.validation, accelerator_device)
            training = ShortTraining(
                state,
                protocol,
                *tensors,
                accelerator=SingleDevice(accelerator_device, dtype),
                num_classes=num_classes,
                seed=seed,
                compiled=compiled,
            )
            while state.status == COMPLETE and state.epoch < last:
                training.run_epoch()
                if checkpoint is not None:
                    checkpoint_file.save(checkpoint, identity, state.to_content())
                if listener is not None and state.status == COMPLETE:
                    listener(state.epoch, state.history[-1])
    trained_images = state.steps * protocol.batch_size
    return ShortTrainingResult(
        architecture=used,
        protocol=protocol,
        seed=seed,
        images=images.fingerprint,
        split=split.hash,
        status=state.status,
        # The checkpoint may be of a later epoch.
        curve=tuple(state.history[:last]),
        dtype=dtype,
        seconds=state.train_seconds + state.validation_seconds,
        images_per_s=trained_images / state.train_seconds if state.train_seconds else 0.0,
        hardware=hardware(accelerator_device, threads),
    )


def _restore(
    state: TrainingState[ShortEpochRecord],
    recipe: ShortRecipe,
    path: Path,
    identity: Mapping[str, Any],
) -> None:
    """Restore the state from a checkpoint, if there is one."""
    content = checkpoint_file.load(path, identity)
    if content is None:
        return
    with checkpoint_file.reporting_damage(path):
        state.restore(_converted(content, recipe) if "curve" in content else content)


def _converted(content: dict[str, Any], recipe: ShortRecipe) -> dict[str, Any]:
    """Return the content of a checkpoint in the form that short trainings wrote at first."""
    epochs = len(content["curve"])
    kept = {name: content[name] for name in ("network", "average", "optimiser", "status")}
    return kept | {
        "loss_sum": torch.zeros((), dtype=torch.float64),
        "rows": content["curve"],
        "unreadable": [],
        "epoch": epochs,
        "step": 0,
        "steps": epochs * recipe.steps_per_epoch,
        # Those of the current epoch; the earlier form counted those of all epochs.
        "pictures": 0,
        "seconds": content["learning_s"],
        "validation_seconds": content["seconds"] - content["learning_s"],
    }


def _check(images: ImageDataset, recipe: ShortRecipe, seed: int, threads: int) -> None:
    if images.pixels != recipe.pixels:
        raise TrainingError(
            f"{images.where}: images of {images.pixels} px, the protocol is for {recipe.pixels} px"
        )
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise TrainingError(f"seed = {seed!r} is not allowed; an integer from 0 to {2**31 - 1}")
    if type(threads) is not int or not 1 <= threads <= 1024:
        raise TrainingError(f"threads = {threads!r} is not allowed; an integer from 1 to 1024")
