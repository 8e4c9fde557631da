"""Template of the SSDLite head, with anchors, decoding and non-maximum suppression."""

from __future__ import annotations

from collections.abc import Sequence

from mvt_nas.export.python_source.layers import CONV_NORM, CONV_NORM_RELU
from mvt_nas.export.python_source.templates import HEAD_TEMPLATES, CodePiece, HeadSource
from mvt_nas.tasks.detection.anchors import CENTRE_VARIANCE, SIZE_VARIANCE
from mvt_nas.tasks.detection.config import Detection
from mvt_nas.tasks.detection.feature_maps import (
    COORDINATES,
    LARGEST,
    POOLED,
    PROJECTED,
    RATIOS,
    SMALLER,
    SMALLEST,
    boxes_per_position,
)

_ANCHORS = CodePiece(
    "_anchors",
    f"""\
RATIOS = {RATIOS}  # of width and height, by map
SMALLEST, LARGEST = {SMALLEST}, {LARGEST}  # boxes, relative to the image


"""
    '''\
def _anchors(sides: list[tuple[int, int]]) -> Tensor:
    """Return the anchors of all positions, (A, 4): centre and size, relative to the image."""
    found, step = [], (LARGEST - SMALLEST) / len(RATIOS)
    for level, (height, width) in enumerate(sides):
        small, large = SMALLEST + level * step, SMALLEST + (level + 1) * step
        middle = (small * large) ** 0.5
        shapes = [(small, small), (middle, middle)]
        for ratio in RATIOS[level]:
            wide = (small * ratio**0.5, small / ratio**0.5)
            shapes += [wide, wide[::-1]]
        rows = (torch.arange(height, dtype=torch.float64) + 0.5) / height
        columns = (torch.arange(width, dtype=torch.float64) + 0.5) / width
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        centres = torch.stack([x, y], dim=-1)[:, :, None].expand(-1, -1, len(shapes), -1)
        sizes = torch.tensor(shapes, dtype=torch.float64).expand_as(centres)
        found.append(torch.cat([centres, sizes], dim=-1).reshape(-1, 4))
    return torch.cat(found).clamp(0, 1).float()''',
)

_DECODED = CodePiece(
    "_decoded",
    f'''\
def _decoded(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Return the corners (B, A, 4) of boxes at offsets (B, A, 4) from the anchors (A, 4)."""
    centres = offsets[..., :2] * {CENTRE_VARIANCE} * anchors[:, 2:] + anchors[:, :2]
    halves = torch.exp(offsets[..., 2:] * {SIZE_VARIANCE}) * anchors[:, 2:] / 2
    return torch.cat([centres - halves, centres + halves], dim=-1)''',
)

_OVERLAPS = CodePiece(
    "_overlaps",
    '''\
def _overlaps(box: Tensor, others: Tensor) -> Tensor:
    """Return the intersection over union of a box (4) with each of the others (N, 4)."""
    sides = torch.minimum(box[2:], others[:, 2:]) - torch.maximum(box[:2], others[:, :2])
    common = sides.clamp(min=0).prod(dim=1)
    areas = (others[:, 2:] - others[:, :2]).prod(dim=1) + (box[2:] - box[:2]).prod()
    return common / (areas - common).clamp(min=1e-12)''',
)

_OBJECTS = CodePiece(
    "objects",
    '''\
def objects(
    scores: Tensor, boxes: Tensor, least: float = 0.3, overlap: float = 0.5, most: int = 100
) -> tuple[Tensor, Tensor, Tensor]:
    """Return labels (N), scores (N) and boxes (N, 4) of the objects in one image, best first.

    Of boxes of one class that overlap by more than `overlap`, only the best is kept (non-maximum
    suppression). `scores` are (A, num_classes), `boxes` (A, 4); scores up to `least` are ignored.
    """
    places, labels = (scores > least).nonzero(as_tuple=True)
    order = scores[places, labels].argsort(descending=True)
    labels, certain, boxes = labels[order], scores[places, labels][order], boxes[places[order]]
    kept, left = [], torch.arange(len(labels), device=boxes.device)
    while len(left) and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(best)
        same = labels[left] == labels[best]
        left = left[~(same & (_overlaps(boxes[best], boxes[left]) > overlap))]
    stay = torch.stack(kept) if kept else left
    return labels[stay], certain[stay], boxes[stay]''',
    (_OVERLAPS,),
)

_BOXES = CodePiece(
    "Boxes",
    '''\
class Boxes(nn.Module):
    """Predictions for all anchors of every position of a map."""

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
        """Return (B, anchors of all positions, each) for (B, C, H, W)."""
        y = self.predict(self.depthwise(self.project(x)))
        return y.permute(0, 2, 3, 1).reshape(y.shape[0], -1, self.each)''',
    (CONV_NORM, CONV_NORM_RELU),
)

_SMALLER = CodePiece(
    "Smaller",
    '''\
class Smaller(nn.Sequential):
    """3 x 3 depthwise and 1 x 1 convolution to a map of half the size."""

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
    """Return logits (B, A, 1 + num_classes), offsets (B, A, 4), anchors (A, 4), for training.

    The background is the first class. Anchors are centre and size, relative to the image.
    """
    first = self.stages[:@FIRST@](self.stem(images))
    found, sides = self.head(first, self.stages[@FIRST@:](first))
    return found[..., 4:], found[..., :4], _anchors(sides).to(found)

def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores (B, A, num_classes) and boxes (B, A, 4) of images (B, 3, H, W).

    Boxes are corners (x1, y1, x2, y2), relative to the image. The background has no score.
    """
    logits, offsets, anchors = self.raw(images)
    return logits.softmax(dim=-1)[..., 1:], _decoded(offsets, anchors).clamp(0, 1)'''


_FORWARD = '''\
    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, list[tuple[int, int]]]:
        """Return (B, A, 4 + 1 + num_classes) of two maps (B, C, H, W), and sizes of all maps."""
        maps = [first, second]
        for smaller in self.smaller:
            maps.append(smaller(maps[-1]))
        maps.append(self.pooled(maps[-1].mean(dim=(2, 3), keepdim=True)))
        found = [boxes(x) for boxes, x in zip(self.boxes, maps, strict=True)]
        return torch.cat(found, dim=1), [(x.shape[2], x.shape[3]) for x in maps]'''


@HEAD_TEMPLATES.register("detection")
def write(task: Detection, widths: Sequence[int], taps: Sequence[int]) -> HeadSource:
    """Return the code of the head.

    Args:
        task: The task.
        widths: Channels of the two feature maps that the head takes.
        taps: Indices of the stages that return them; the second is the last stage.
    """
    side = task.resolution_px
    shapes = f"(B, A, {task.num_classes}), (B, A, 4) for images (B, 3, {side}, {side})"
    return HeadSource(
        call=f"SSDLite({', '.join(map(str, widths))}, num_classes)",
        pieces=(_ssdlite(), _ANCHORS, _DECODED, _OBJECTS),
        methods=tuple(_METHODS.replace("@FIRST@", str(taps[0] + 1)).splitlines()),
        usage=(
            f"scores, boxes = model(images)  # {shapes}",
            "labels, certain, corners = objects(scores[0], boxes[0])  # of the first image",
        ),
        sources=("SSD, arXiv 1512.02325",),
        functions=("objects",),
    )


def _ssdlite() -> CodePiece:
    """Return the class of the head, with the widths of the release."""
    in_channels = ["second", *map(str, SMALLER[:-1])]
    smaller = [
        f"Smaller({channels}, {width})"
        for channels, width in zip(in_channels, SMALLER, strict=True)
    ]
    lines = [
        "class SSDLite(nn.Module):",
        '    """Detection on maps of decreasing size, the last of one position."""',
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
        *(f"                {call}," for call in _box_predictors()),
        "            ]",
        "        )",
        "",
        *_FORWARD.splitlines(),
    ]
    return CodePiece("SSDLite", "\n".join(lines), (_BOXES, _SMALLER))


def _box_predictors() -> list[str]:
    """Return the calls that construct the predictors of all maps, the largest first."""
    # The maps of the backbone are projected; the smaller ones, and the pooled one, are not.
    calls = [
        f"Boxes({name}, {boxes_per_position(level)}, each, width={PROJECTED[level]})"
        for level, name in enumerate(("first", "second"))
    ]
    for width in SMALLER:
        calls.append(f"Boxes({width}, {boxes_per_position(len(calls))}, each)")
    calls.append(f"Boxes({POOLED}, {boxes_per_position(len(calls))}, each, looks=False)")
    return calls
