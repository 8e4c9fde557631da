"""Template of the DeepLabv3 head."""

from __future__ import annotations

from collections.abc import Sequence

from mvt_nas.export.python_source.layers import CONV_NORM_RELU
from mvt_nas.export.python_source.templates import HEAD_TEMPLATES, CodePiece, HeadSource
from mvt_nas.tasks.segmentation.config import Segmentation
from mvt_nas.tasks.segmentation.lowering import RATES

_DEEPLAB = CodePiece(
    "DeepLab",
    '''\
class DeepLab(nn.Module):
    """Parallel convolutions with different dilations and global pooling (ASPP)."""

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
        outputs = [branch(x) for branch in self.branches]
        pooled = self.pooled(x.mean(dim=(2, 3), keepdim=True))
        outputs.append(pooled.expand(-1, -1, x.shape[2], x.shape[3]))
        return self.classifier(self.project(torch.cat(outputs, dim=1)))''',
    (CONV_NORM_RELU,),
)

_FORWARD = '''\
def forward(self, x: Tensor) -> Tensor:
    """Return the logits of all pixels, (B, num_classes, H, W), of images (B, 3, H, W)."""
    y = self.head(self.stages(self.stem(x)))
    return F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=True)'''


@HEAD_TEMPLATES.register("segmentation")
def write(task: Segmentation, widths: Sequence[int], taps: Sequence[int]) -> HeadSource:
    """Return the code of the head.

    Args:
        task: The task, with a pyramid width that suits the backbone.
        widths: Channels of the only feature map that the head takes.
        taps: Index of the stage that returns it.
    """
    rates = tuple(task.rate * factor for factor in RATES)
    side = task.resolution_px
    (width,) = widths
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
