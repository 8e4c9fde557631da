"""Template of the SSDLite head; see ``export/python_source/detection_boxes.py`` for what is made of its outputs."""

from __future__ import annotations

from collections.abc import Sequence

from mvt_nas.export.python_source.code_piece import CodePiece
from mvt_nas.export.python_source.detection_boxes import ANCHORS, DECODED, OBJECTS
from mvt_nas.export.python_source.layers import CONV_NORM, CONV_NORM_RELU
from mvt_nas.export.python_source.templates import HEAD_TEMPLATES, HeadSource
from mvt_nas.tasks.detection.config import Detection
from mvt_nas.tasks.detection.feature_maps import (
    COORDINATES,
    POOLED,
    PROJECTED,
    SMALLER,
    boxes_per_position,
)

_BOXES = CodePiece(
    "Boxes",
    '''\
class Boxes(nn.Module):
    """What is found in each of the boxes around every position of a map."""

    def __init__(
        self,
        in_channels: int,
        boxes: int,
        each: int,
        *,
        width: int | None = None,
        looks: bool = True,
    ) -> None:
        super().__init__()
        self.each = each
        self.project = nn.Identity() if width is None else ConvNormReLU(in_channels, width)
        width = width or in_channels
        depthwise = ConvNorm(width, width, 3, groups=width, linear=True)
        self.depthwise = depthwise if looks else nn.Identity()
        self.predict = nn.Conv2d(width, boxes * each, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, boxes of all positions, each) for (B, C, H, W)."""
        y = self.predict(self.depthwise(self.project(x)))
        return y.permute(0, 2, 3, 1).reshape(y.shape[0], -1, self.each)''',
    (CONV_NORM, CONV_NORM_RELU),
)

_SMALLER = CodePiece(
    "Smaller",
    '''\
class Smaller(nn.Sequential):
    """3 x 3 depthwise and 1 x 1 convolution to a map that is half as large."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, in_channels, 3, 2, 1, groups=in_channels, bias=False),
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )''',
)

_METHODS = '''\
def raw(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits (B, A, 1 + num_classes), offsets (B, A, 4), anchors (A, 4), for trainings.

    The background is the first class. Anchors are centre and size in sides of the picture.
    """
    first = self.stages[:@FIRST@](self.stem(images))
    found, sides = self.head(first, self.stages[@FIRST@:](first))
    return found[..., 4:], found[..., :4], _anchors(sides).to(found)

def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores (B, A, num_classes) and boxes (B, A, 4) of images (B, 3, H, W).

    Boxes are corners (x1, y1, x2, y2) in sides of the picture. The background has no score.
    """
    logits, offsets, anchors = self.raw(images)
    return logits.softmax(dim=-1)[..., 1:], _decoded(offsets, anchors).clamp(0, 1)'''


@HEAD_TEMPLATES.register("detection")
def write(task: Detection, widths: Sequence[int], taps: Sequence[int]) -> HeadSource:
    """Return how the head is written."""
    side, classes = task.resolution_px, task.num_classes
    return HeadSource(
        call=f"SSDLite({', '.join(map(str, widths))}, num_classes)",
        pieces=(_ssdlite(), ANCHORS, DECODED, OBJECTS),
        methods=tuple(_METHODS.replace("@FIRST@", str(taps[0] + 1)).splitlines()),
        usage=(
            (
                f"scores, boxes = model(images)  # (B, A, {classes}), (B, A, 4) for images (B, 3,"
                f" {side}, {side})"
            ),
            "labels, certain, corners = objects(scores[0], boxes[0])  # of the first image",
        ),
        sources=("SSD, arXiv 1512.02325",),
        functions=("objects",),
    )


def _ssdlite() -> CodePiece:
    """Return the class of the head, with the widths of the release."""
    befores = ["second", *map(str, SMALLER[:-1])]
    smaller = [
        f"Smaller({before}, {width})" for before, width in zip(befores, SMALLER, strict=True)
    ]
    boxes = [
        f"Boxes({name}, {boxes_per_position(n)}, each, width={PROJECTED[n]})"
        for n, name in enumerate(("first", "second"))
    ]
    boxes += [
        f"Boxes({width}, {boxes_per_position(n)}, each)"
        for n, width in enumerate(SMALLER, start=len(boxes))
    ]
    boxes.append(f"Boxes({POOLED}, {boxes_per_position(len(boxes))}, each, looks=False)")
    lines = [
        "class SSDLite(nn.Module):",
        '    """Objects on maps that become smaller and smaller, the last of one position."""',
        "",
        "    def __init__(self, first: int, second: int, num_classes: int) -> None:",
        "        super().__init__()",
        f"        each = {COORDINATES} + 1 + num_classes  # coordinates, background, classes",
        f"        self.smaller = nn.ModuleList([{', '.join(smaller)}])",
        (
            f"        self.pooled = nn.Sequential(nn.Conv2d({SMALLER[-1]}, {POOLED}, 1,"
            " bias=False), nn.ReLU())"
        ),
        "        self.boxes = nn.ModuleList(",
        "            [",
        *(f"                {call}," for call in boxes),
        "            ]",
        "        )",
        "",
        *_FORWARD.splitlines(),
    ]
    return CodePiece("SSDLite", "\n".join(lines), (_BOXES, _SMALLER))


_FORWARD = '''\
    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, list[tuple[int, int]]]:
        """Return (B, A, 4 + 1 + num_classes) for two maps (B, C, H, W), and all maps' sizes."""
        maps = [first, second]
        for smaller in self.smaller:
            maps.append(smaller(maps[-1]))
        maps.append(self.pooled(maps[-1].mean(dim=(2, 3), keepdim=True)))
        found = [boxes(x) for boxes, x in zip(self.boxes, maps, strict=True)]
        return torch.cat(found, dim=1), [(x.shape[2], x.shape[3]) for x in maps]'''
