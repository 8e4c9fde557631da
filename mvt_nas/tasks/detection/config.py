"""The configuration of a detection network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mvt_nas._fields import integer
from mvt_nas.tasks.base import TASKS, Task


@TASKS.register("detection")
@dataclass(frozen=True, slots=True, kw_only=True)
class Detection(Task):
    """Object detection by SSDLite on the last two sizes of maps and four smaller ones.

    Source: arXiv 1512.02325 (SSD) and 1801.04381 (SSDLite); widths and anchors as in the released
        configurations of MobileViT.
    """

    kind: ClassVar[str] = "detection"
    head: ClassVar[str] = "SSDLite"
    outputs: ClassVar[tuple[str, ...]] = ("logits", "offsets")

    resolution_px: int = integer(32, 8192, doc="side of the square image", default=320)
    num_classes: int = integer(
        1, 1_000_000, doc="kinds of objects; the background is one more", default=80
    )
