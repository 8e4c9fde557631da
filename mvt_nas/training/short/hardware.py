"""Where a training ran: seconds mean nothing without it, and bits are equal on equal hardware only."""

from __future__ import annotations

import platform
from typing import Any

import torch

from mvt_nas.errors import TrainingError
from mvt_nas.hardware import processor_name


def device_for(name: str) -> torch.device:
    """Return the device of a name; ``"auto"`` is CUDA where there is one, else the CPU.

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
    """Return ``"fp32"`` or ``"bf16"``; ``"auto"`` is bf16 on CUDA, where it pays."""
    if name == "auto":
        return "bf16" if device.type == "cuda" else "fp32"
    return name


def hardware(device: torch.device, threads: int) -> dict[str, Any]:
    """Return device, threads and versions as plain data."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    return {
        "device": device.type,
        "name": name,
        "threads": threads,
        "torch": torch.__version__,
        "system": platform.platform(),
    }
