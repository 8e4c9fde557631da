"""The configuration of a segmentation network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from mvt_nas._fields import integer
from mvt_nas.tasks.base import TASKS, Task

_PYRAMID_WIDTHS = {"separable": 512}
_PYRAMID_WIDTH = 256


@TASKS.register("segmentation")
@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation(Task):
    """Semantic segmentation by DeepLabv3 on the last map.

    Source: arXiv 1706.05587; widths, rates and stride as in the released configurations of
        MobileViT, MobileViTv2 and MobileViTv3.
    """

    kind: ClassVar[str] = "segmentation"
    head: ClassVar[str] = "DeepLabv3"
    outputs: ClassVar[tuple[str, ...]] = ("logits",)

    resolution_px: int = integer(32, 8192, doc="side of the square image", default=512)
    num_classes: int = integer(
        2, 1_000_000, doc="classes of a pixel, the background among them", default=21
    )
    output_stride: int = integer(
        4, 64, doc="side of the image per side of the last map, at most", default=16
    )
    pyramid_width: int = integer(
        0,
        8192,
        doc=(
            "channels of the pyramid; 0: as published, 512 if the last block's attention is"
            " separable, else 256"
        ),
        default=0,
    )
    rate: int = integer(
        1,
        64,
        doc="dilation of the pyramid's first 3 x 3 convolution; twice, thrice for the others",
        default=6,
    )

    @property
    def largest_stride(self) -> int | None:
        """Largest reduction of the image by the backbone."""
        return self.output_stride

    def fitted(self, attention: str | None) -> Self:
        """Return the task with the pyramid's width settled."""
        if self.pyramid_width:
            return self
        width = _PYRAMID_WIDTHS.get(str(attention), _PYRAMID_WIDTH)
        return replace(self, pyramid_width=width)
