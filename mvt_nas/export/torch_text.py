"""The text of a network in plain PyTorch, for files that put a trainer's conventions around it."""

from __future__ import annotations

from mvt_nas.export.contract import Subject
from mvt_nas.export.source.contract import calls
from mvt_nas.export.source.network import network
from mvt_nas.export.source.piece import in_order
from mvt_nas.space.architecture import Architecture


def classes(subject: Subject) -> str:
    """Return the classes of the network, ``Network`` the last of them; they need ``torch``, ``Tensor``, ``nn`` and ``functional as F``.

    Raises:
        ExportError: it has a block that no template expresses.
    """
    return "\n\n\n".join(piece.code for piece in in_order([network(subject.architecture, calls(subject.architecture))]))


def features(architecture: Architecture, model: str, images: str) -> str:
    """Return the expression of what is pooled, (B, C, H, W), for the names of a ``Network`` and of its images."""
    inside = f"{model}.stages({model}.stem({images}))"
    return inside if architecture.head_width is None else f"{model}.head_conv({inside})"
