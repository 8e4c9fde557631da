"""What a training runs on: devices, precision, processes that read pictures. None of it is part of the recipe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from mvt_nas._optional import installed
from mvt_nas.errors import TrainingError, listing, nearest

if TYPE_CHECKING:
    from lightning_fabric import Fabric

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
"""What Fabric calls each precision."""

_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorConfig:
    """What a training runs on.

    Attributes:
        device: ``"auto"`` (CUDA where there is one), ``"cpu"`` or ``"cuda"``.
        devices: how many; 0 for all GPUs, and one processor.
        precision: ``"auto"`` (bf16 on GPUs that have it, else fp16; fp32 on a processor),
            ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        workers: processes per device that read pictures; ``None`` for as many as there are cores,
            eight at most.
        threads: of the processor that torch may use; 0 for as many as it takes by itself.
        checkpoint_steps: steps between two checkpoints within an epoch; there is always one at its
            end.
        tensorboard: whether curves are written for TensorBoard, too; ``None``: where it is
            installed.

    Raises:
        TrainingError: a value that is not allowed.
    """

    device: str = "auto"
    devices: int = 0
    precision: str = "auto"
    workers: int | None = None
    threads: int = 0
    checkpoint_steps: int = 1000
    tensorboard: bool | None = None

    def __post_init__(self) -> None:
        _one_of("device", self.device, DEVICES)
        _one_of("precision", self.precision, ("auto", *PRECISIONS))
        for name, low, high in (
            ("devices", 0, 1024),
            ("threads", 0, 1024),
            ("checkpoint_steps", 1, 10**9),
        ):
            _integer(name, getattr(self, name), low, high)
        if self.workers is not None:
            _integer("workers", self.workers, 0, 256)


def fabric_for(machine: AcceleratorConfig) -> Fabric:
    """Return Lightning's Fabric for a machine, not yet launched.

    Raises:
        TrainingError: it is not installed, or the machine has no such devices.
    """
    if not installed("lightning_fabric"):
        raise TrainingError("lightning-fabric is not installed; pip install 'mvt-nas[train]'")
    from lightning_fabric import Fabric

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if machine.device == "cuda" and not there:
        raise TrainingError(
            "device = 'cuda' cannot be used: torch finds no GPU; auto or cpu is allowed"
        )
    device = "cuda" if there and machine.device != "cpu" else "cpu"
    if device == "cuda" and machine.devices > there:
        raise TrainingError(
            f"devices = {machine.devices} is not allowed; this machine has {there} GPUs"
        )
    devices = machine.devices or (there if device == "cuda" else 1)
    strategy = "ddp" if devices > 1 else "auto"
    return Fabric(
        accelerator=device,
        devices=devices,
        strategy=strategy,
        precision=_precision(machine, device),  # type: ignore[arg-type]  # one of its names
    )


def workers_for(machine: AcceleratorConfig, devices: int, *, at_hand: bool) -> int:
    """Return how many processes read pictures for each device; none where they are at hand already."""
    if machine.workers is not None:
        return machine.workers
    return (
        0
        if at_hand
        else min(
            _MOST_WORKERS,
            len(os.sched_getaffinity(0)) // devices if hasattr(os, "sched_getaffinity") else 1,
        )
    )


def _precision(machine: AcceleratorConfig, device: str) -> str:
    if machine.precision != "auto":
        return PRECISIONS[machine.precision]
    if device == "cpu":
        return PRECISIONS["fp32"]
    return PRECISIONS["bf16" if torch.cuda.is_bf16_supported() else "fp16"]


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise TrainingError(
            f"{name} = {value!r} is not allowed; one of"
            f" {listing(allowed)}{nearest(str(value), allowed)}"
        )


def _integer(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise TrainingError(f"{name} = {value!r} is not allowed; an integer from {low} to {high}")
