"""The hardware of a training: devices, precision, worker processes. None of it is in the recipe.

Full trainings run on Lightning Fabric, which is an optional extra. Short ones run on
:class:`SingleDevice`, which has the part of Fabric's interface that the training loop uses.
"""

from __future__ import annotations

import os
import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from mvt_nas._optional import installed
from mvt_nas.errors import TrainingError, listing, nearest
from mvt_nas.hardware import processor_name

if TYPE_CHECKING:
    from lightning_fabric import Fabric

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
"""Fabric's name of each precision."""

_MAX_WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorConfig:
    """The hardware of a full training.

    Attributes:
        device: ``"auto"`` (CUDA if there is a GPU), ``"cpu"`` or ``"cuda"``.
        devices: Number of devices; 0 for all GPUs, or one process on the CPU.
        precision: ``"auto"`` (bf16 on GPUs that have it, else fp16; fp32 on the CPU), ``"fp32"``,
            ``"bf16"`` or ``"fp16"``.
        workers: Processes per device that read images; ``None`` for the number of cores, at most
            eight.
        threads: CPU threads of torch; 0 for torch's own choice.
        checkpoint_steps: Steps between two checkpoints within an epoch; there is always one at
            its end.
        tensorboard: Whether curves are written for TensorBoard, too; ``None``: if it is installed.

    Raises:
        TrainingError: a value is not allowed.
    """

    device: str = "auto"
    devices: int = 0
    precision: str = "auto"
    workers: int | None = None
    threads: int = 0
    checkpoint_steps: int = 1000
    tensorboard: bool | None = None

    def __post_init__(self) -> None:
        _check_choice("device", self.device, DEVICES)
        _check_choice("precision", self.precision, ("auto", *PRECISIONS))
        _check_integer("devices", self.devices, 0, 1024)
        _check_integer("threads", self.threads, 0, 1024)
        _check_integer("checkpoint_steps", self.checkpoint_steps, 1, 10**9)
        if self.workers is not None:
            _check_integer("workers", self.workers, 0, 256)


class Accelerator(Protocol):
    """The part of Lightning Fabric's interface that the training loop uses."""

    @property
    def device(self) -> torch.device:
        """The device of this process."""

    @property
    def world_size(self) -> int:
        """Number of processes, one for each device."""

    @property
    def global_rank(self) -> int:
        """Number of this process, from 0."""

    def autocast(self) -> AbstractContextManager[Any]:
        """Compute in the precision of the training within the block."""

    def backward(self, tensor: Tensor) -> None:
        """Add the gradients of a loss."""

    def no_backward_sync(self, module: Any, enabled: bool = True) -> AbstractContextManager[Any]:
        """Keep the gradients within the block to this process, if enabled."""

    def clip_gradients(
        self,
        module: Any,
        optimizer: Any,
        *,
        max_norm: float,
        error_if_nonfinite: bool,
    ) -> Any:
        """Scale the gradients down to an L2 norm of ``max_norm`` at most."""

    def all_reduce(self, data: Tensor, *, reduce_op: str) -> Any:
        """Return a tensor reduced over all processes."""


class SingleDevice:
    """One device and one process, without Lightning Fabric.

    Args:
        device: Device to run on.
        dtype: ``"fp32"``, or ``"bf16"`` for autocast.
    """

    world_size = 1
    global_rank = 0

    def __init__(self, device: torch.device, dtype: str) -> None:
        self.device = device
        self._bf16 = dtype == "bf16"

    def autocast(self) -> torch.autocast:
        """Compute in the precision of the training within the block."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16)

    def backward(self, tensor: Tensor) -> None:
        """Add the gradients of a loss."""
        tensor.backward()  # type: ignore[no-untyped-call]  # torch's

    def no_backward_sync(
        self, module: nn.Module, enabled: bool = True
    ) -> AbstractContextManager[None]:
        """Do nothing: there is no other process."""
        return nullcontext()

    def clip_gradients(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        max_norm: float,
        error_if_nonfinite: bool,
    ) -> Tensor:
        """Scale the gradients down to an L2 norm of ``max_norm`` at most."""
        return nn.utils.clip_grad_norm_(
            module.parameters(), max_norm, error_if_nonfinite=error_if_nonfinite
        )

    def all_reduce(self, data: Tensor, *, reduce_op: str) -> Tensor:
        """Return the tensor itself: there is no other process."""
        return data


def fabric_for(config: AcceleratorConfig) -> Fabric:
    """Return Lightning Fabric for the hardware, not launched yet.

    Raises:
        TrainingError: it is not installed, or there are no such devices.
    """
    if not installed("lightning_fabric"):
        raise TrainingError("lightning-fabric is not installed; pip install 'mvt-nas[train]'")
    from lightning_fabric import Fabric

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if config.device == "cuda" and not gpus:
        raise TrainingError(
            "device = 'cuda' cannot be used: torch finds no GPU; auto or cpu is allowed"
        )
    device = "cuda" if gpus and config.device != "cpu" else "cpu"
    if device == "cuda" and config.devices > gpus:
        raise TrainingError(
            f"devices = {config.devices} is not allowed; this machine has {gpus} GPUs"
        )
    devices = config.devices or (gpus if device == "cuda" else 1)
    return Fabric(
        accelerator=device,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision=_fabric_precision(config, device),  # type: ignore[arg-type]  # one of its names
    )


def workers_for(config: AcceleratorConfig, devices: int, *, in_memory: bool) -> int:
    """Return the number of processes per device that read images; none if they are in memory."""
    if config.workers is not None:
        return config.workers
    if in_memory:
        return 0
    if not hasattr(os, "sched_getaffinity"):
        return 1
    return min(_MAX_WORKERS, len(os.sched_getaffinity(0)) // devices)


def _fabric_precision(config: AcceleratorConfig, device: str) -> str:
    if config.precision != "auto":
        return PRECISIONS[config.precision]
    if device == "cpu":
        return PRECISIONS["fp32"]
    return PRECISIONS["bf16" if torch.cuda.is_bf16_supported() else "fp16"]


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise TrainingError(
            f"{name} = {value!r} is not allowed; one of"
            f" {listing(allowed)}{nearest(str(value), allowed)}"
        )


def _check_integer(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise TrainingError(f"{name} = {value!r} is not allowed; an integer from {low} to {high}")


def device_for(name: str) -> torch.device:
    """Return the device of a name; ``"auto"`` is CUDA if there is a GPU, else the CPU.

    Raises:
        TrainingError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(
            f"device = {name!r} cannot be used; auto, cpu or cuda is allowed ({reason})"
        ) from None
    return device


def dtype_for(name: str, device: torch.device) -> str:
    """Return ``"fp32"`` or ``"bf16"``; ``"auto"`` is bf16 on CUDA, where it is faster."""
    if name == "auto":
        return "bf16" if device.type == "cuda" else "fp32"
    return name


def hardware(device: torch.device, threads: int) -> dict[str, Any]:
    """Return device, threads and versions as plain data.

    Wall times mean nothing without them, and results are equal to the last bit on equal hardware
    only.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    return {
        "device": device.type,
        "name": name,
        "threads": threads,
        "torch": torch.__version__,
        "system": platform.platform(),
    }
