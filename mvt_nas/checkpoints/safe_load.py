"""Reading of checkpoint files without running code in them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import torch

from mvt_nas.errors import CheckpointError


def read_file(path: Path) -> object:
    """Return the content of a file of ``torch.save`` or, by its suffix, of ``safetensors``.

    Tensors are on the CPU.

    Raises:
        CheckpointError: The file is missing, truncated, no checkpoint, or holds more than plain
            tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of content that it then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(f"{path}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return why torch refused a file, in one line."""
    text = str(error)
    # torch names the function that the pickle would call.
    if called := re.search(r"GLOBAL ([\w.]+)", text):
        return (
            f"refused: it would run {called[1]}; only plain tensors are loaded, such as"
            " torch.save(model.state_dict(), path) writes"
        )
    if "TorchScript" in text:
        return "refused: a TorchScript archive holds code; only plain tensors are loaded"
    return f"truncated, or no file of torch.save ({type(error).__name__})"


def _read_safetensors(path: Path) -> object:
    try:
        import safetensors.torch
    except ImportError:
        raise CheckpointError(
            f"{path}: safetensors is not installed; pip install safetensors"
        ) from None
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path}: truncated, or no safetensors file ({error})") from None
