"""Weights from elsewhere: reading files safely, and the names that other projects give to the same tensors."""

from mvt_nas.checkpoints.load import load_checkpoint

__all__ = ["load_checkpoint"]
