"""One short training, from an architecture to its accuracy."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mvt_nas._threads_and_malloc import torch_threads
from mvt_nas.data.dataset import ImageDataset, Split
from mvt_nas.errors import TrainingError
from mvt_nas.space.architecture import Architecture
from mvt_nas.training.short import checkpoint as kept
from mvt_nas.training.short.epoch import DivergenceError, evaluate, train_one_epoch
from mvt_nas.training.short.hardware import device_for, dtype_for, hardware
from mvt_nas.training.short.images import ImageTensors, image_tensors
from mvt_nas.training.short.protocol import ShortRecipe
from mvt_nas.training.short.result import COMPLETE, ShortEpochRecord, ShortTrainingResult
from mvt_nas.training.short.small_images import for_small_images
from mvt_nas.training.short.state import ShortTrainingState, new_short_training_state

Listener = Callable[[int, ShortEpochRecord], None]
"""Is told the number of an epoch, from 1, and what came of it, after its checkpoint was written."""


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
    """Return what came of a training.

    On a CPU, equal arguments on equal hardware return equal curves to the last bit, also when the
    training was interrupted between; the global random state is neither used nor changed.

    Args:
        architecture: what to train; where the protocol says so, it is brought to small pictures
            first.
        images: of the protocol's size.
        protocol: the recipe.
        seed: of weights, order and augmentation.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        threads: of the CPU that torch may use.
        checkpoint: file that is written after each epoch, and from which a training goes on that
            was interrupted.
        listener: is told after each epoch.
        compiled: whether to use ``torch.compile``, whose start takes up to minutes.
        until: epochs after which to stop, with the schedule of the whole; from its checkpoint a
            later call goes on. ``None`` for all.

    Raises:
        TrainingError: pictures of another size, a device that is not there, a checkpoint of another
            training.
        DataError: fewer pictures than the protocol asks for.
    """
    _check(images, protocol, seed, threads)
    last = protocol.epochs if until is None else min(until, protocol.epochs)
    used = (
        for_small_images(architecture, protocol.pixels)
        if protocol.small_images
        else _resized(architecture, protocol.pixels)
    )
    split = images.split(
        train=protocol.train_images, validation=protocol.validation_images, seed=protocol.split_seed
    )
    place = device_for(device)
    dtype = dtype_for(protocol.dtype, place)
    identity = {
        "architecture": used.key,
        "protocol": protocol.key,
        "split": split.hash,
        "seed": seed,
        "dtype": dtype,
    }
    with torch_threads(threads):
        now = new_short_training_state(used, protocol, len(images.class_names), seed, place)
        found = None if checkpoint is None else kept.load(checkpoint, identity)
        if found is not None:
            _restore(now, found, checkpoint)
        if now.status == COMPLETE and len(now.curve) < last:
            forward: nn.Module = torch.compile(now.network) if compiled else now.network  # type: ignore[assignment]  # it is one
            parts = image_tensors(images, split.train, split.validation, place)
            while now.status == COMPLETE and len(now.curve) < last:
                _advance(now, forward, parts, protocol, dtype, identity, checkpoint, listener)
    now.curve = now.curve[:last]  # a checkpoint may be of a later epoch
    return _trained(now, used, protocol, images, split, seed, dtype, hardware(place, threads))


def _advance(
    now: ShortTrainingState,
    forward: nn.Module,
    parts: tuple[ImageTensors, ImageTensors],
    protocol: ShortRecipe,
    dtype: str,
    identity: dict[str, Any],
    checkpoint: Path | None,
    listener: Listener | None,
) -> None:
    """Do one epoch."""
    try:
        _epoch(now, forward, parts, protocol, dtype, identity["seed"])
    except DivergenceError as reason:
        now.status = f"diverged: {reason} in epoch {len(now.curve) + 1}"
    if checkpoint is not None:
        kept.save(checkpoint, identity, now.to_content())
    if listener is not None and now.status == COMPLETE:
        listener(len(now.curve), now.curve[-1])


def _epoch(
    now: ShortTrainingState,
    forward: nn.Module,
    parts: tuple[ImageTensors, ImageTensors],
    protocol: ShortRecipe,
    dtype: str,
    seed: int,
) -> None:
    start = time.perf_counter()
    train_loss = train_one_epoch(now, forward, parts[0], protocol, dtype, seed)
    learnt = time.perf_counter()
    loss, accuracy = evaluate(now.network, parts[1], dtype)
    _, ema_accuracy = evaluate(now.average, parts[1], dtype)
    now.curve.append(ShortEpochRecord(train_loss, loss, accuracy, ema_accuracy))
    now.learning_s += learnt - start
    now.seconds += time.perf_counter() - start
    now.pictures += protocol.steps_per_epoch * protocol.batch_size


def _trained(
    now: ShortTrainingState,
    used: Architecture,
    protocol: ShortRecipe,
    images: ImageDataset,
    split: Split,
    seed: int,
    dtype: str,
    where: dict[str, Any],
) -> ShortTrainingResult:
    return ShortTrainingResult(
        architecture=used,
        protocol=protocol,
        seed=seed,
        images=images.fingerprint,
        split=split.hash,
        status=now.status,
        curve=tuple(now.curve),
        dtype=dtype,
        seconds=now.seconds,
        pictures_per_s=now.pictures / now.learning_s if now.learning_s else 0.0,
        hardware=where,
    )


def _restore(now: ShortTrainingState, found: dict[str, Any], path: Path | None) -> None:
    try:
        now.restore(found)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise TrainingError(
            f"{path}: damaged ({' '.join(str(error).split())[:120]}); delete it to begin anew"
        ) from None


def _resized(architecture: Architecture, pixels: int) -> Architecture:
    return dataclasses.replace(architecture, resolution_px=pixels)


def _check(images: ImageDataset, protocol: ShortRecipe, seed: int, threads: int) -> None:
    if images.pixels != protocol.pixels:
        raise TrainingError(
            f"{images.where}: pictures of {images.pixels} px, the protocol is for"
            f" {protocol.pixels} px"
        )
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise TrainingError(f"seed = {seed!r} is not allowed; an integer from 0 to {2**31 - 1}")
    if type(threads) is not int or not 1 <= threads <= 1024:
        raise TrainingError(f"threads = {threads!r} is not allowed; an integer from 1 to 1024")
