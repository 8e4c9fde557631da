"""Template of the DeepLabv3 head."""

from __future__ import annotations

from collections.abc import Sequence

from mvt_nas.export.python_source.code_piece import CodePiece
from mvt_nas.export.python_source.layers import CONV_NORM_RELU
from mvt_nas.export.python_source.templates import HEAD_TEMPLATES, HeadSource
from mvt_nas.tasks.segmentation.config import Segmentation
from mvt_nas.tasks.segmentation.lowering import RATES

_DEEPLAB = CodePiece(
    "DeepLab",
    '''\
class DeepLab(nn.Module):
    """Convolutions of several dilations and the mean of the map, side by side."""

    def __init__(
        self, in_channels: int, num_classes: int, *, width: int, rates: tuple[int, ...]
    ) -> None:
        super().__init__()
        dilated = [ConvNormReLU(in_channels, width, 3, dilation=rate) for rate in rates]
        self.branches = nn.ModuleList([ConvNormReLU(in_channels, width), *dilated])
        self.pooled = ConvNormReLU(in_channels, width)
        self.project = ConvNormReLU((len(rates) + 2) * width, width)
        self.classifier = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, num_classes, H, W) for a map (B, C, H, W)."""
        seen = [branch(x) for branch in self.branches]
        pooled = self.pooled(x.mean(dim=(2, 3), keepdim=True))
        seen.append(pooled.expand(-1, -1, x.shape[2], x.shape[3]))
        return self.classifier(self.project(torch.cat(seen, dim=1)))''',
    (CONV_NORM_RELU,),
)

_FORWARD = '''\
def forward(self, x: Tensor) -> Tensor:
    """Return the logits of every pixel, (B, num_classes, H, W), of images (B, 3, H, W)."""
    y = self.head(self.stages(self.stem(x)))
    return F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=True)'''


@HEAD_TEMPLATES.register("segmentation")
def write(task: Segmentation, widths: Sequence[int], taps: Sequence[int]) -> HeadSource:
    """Return how the head is written; ``task`` is fitted to the backbone."""
    rates = tuple(task.rate * times for times in RATES)
    side, (width,) = task.resolution_px, widths
    return HeadSource(
        call=f"DeepLab({width}, num_classes, width={task.pyramid_width}, rates={rates})",
        pieces=(_DEEPLAB,),
        methods=tuple(_FORWARD.splitlines()),
        usage=(
            (
                f"logits = model(images)  # (B, {task.num_classes}, {side}, {side}) for images (B,"
                f" 3, {side}, {side})"
            ),
            "classes = logits.argmax(dim=1)  # of every pixel",
        ),
        sources=("DeepLabv3, arXiv 1706.05587",),
    )
