"""Reading checkpoint files without running what is in them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import torch

from mvt_nas.errors import CheckpointError


def read_file(path: Path) -> object:
    """Return the content of a file of ``torch.save`` or, by its suffix, of ``safetensors``; tensors are on the CPU.

    Raises:
        CheckpointError: no such file, truncated, no checkpoint, or more than plain tensors in it.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of what it then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(f"{path}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    text = str(error)
    if wanted := re.search(r"GLOBAL ([\w.]+)", text):
        return (
            f"refused: it would run {wanted[1]}; only plain tensors are loaded, such as"
            " torch.save(model.state_dict(), path) writes"
        )
    if "TorchScript" in text:
        return "refused: a TorchScript archive holds code; only plain tensors are loaded"
    return f"truncated, or no file of torch.save ({type(error).__name__})"


def _read_safetensors(path: Path) -> object:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise CheckpointError(
            f"{path}: safetensors is not installed; pip install safetensors"
        ) from None
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: truncated, or no safetensors file ({error})") from None
