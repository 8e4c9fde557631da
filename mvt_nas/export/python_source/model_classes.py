"""The text of a network in plain PyTorch, for files that put a trainer's conventions around it."""

from __future__ import annotations

from mvt_nas.export.base import ExportModel
from mvt_nas.export.python_source.code_piece import in_order
from mvt_nas.export.python_source.network import network
from mvt_nas.export.python_source.task_network import task_network
from mvt_nas.export.python_source.templates import calls
from mvt_nas.space.architecture import Architecture


def classes(subject: ExportModel) -> str:
    """Return the classes of the network, ``Network`` the last of them; they need ``torch``, ``Tensor``, ``nn`` and ``functional as F``.

    Raises:
        ExportError: it has a block, or the head of a task, that no template expresses.
    """
    architecture, task = subject.architecture, subject.task
    parts = calls(architecture, task)
    whole = (
        network(architecture, parts) if task is None else task_network(architecture, task, parts)
    )
    return "\n\n\n".join(piece.code for piece in in_order([whole]))


def features(architecture: Architecture, model: str, images: str) -> str:
    """Return the expression of what is pooled, (B, C, H, W), for the names of a ``Network`` and of its images."""
    inside = f"{model}.stages({model}.stem({images}))"
    return inside if architecture.head_width is None else f"{model}.head_conv({inside})"
