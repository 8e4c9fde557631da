"""Weights from other projects: safe reading of files, and translation of tensor names."""

from mvt_nas.checkpoints.load import load_checkpoint

__all__ = ["load_checkpoint"]
