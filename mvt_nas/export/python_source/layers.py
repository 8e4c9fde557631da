"""Templates of the layers of all networks: convolutions, inverted residuals, stages."""

from __future__ import annotations

from mvt_nas.export.python_source.templates import CodePiece
from mvt_nas.space.architecture import Stage
from mvt_nas.space.widths import hidden_width
from mvt_nas.tasks.strides import StageStride

CONV_NORM = CodePiece(
    "ConvNorm",
    '''\
class ConvNorm(nn.Sequential):
    """A convolution with padding, batch norm and, unless linear, SiLU."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        padding = kernel // 2
        super().__init__(
            nn.Conv2d(in_channels, width, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(width),
            nn.Identity() if linear else nn.SiLU(),
        )''',
)

_INVERTED_RESIDUAL = CodePiece(
    "InvertedResidual",
    '''\
class InvertedResidual(nn.Module):
    """1 x 1 expansion, 3 x 3 depthwise, 1 x 1 projection; the input is added where shapes allow."""

    def __init__(self, in_channels: int, hidden: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.adds = stride == 1 and in_channels == out_channels
        self.expand = ConvNorm(in_channels, hidden)
        self.depthwise = ConvNorm(hidden, hidden, 3, stride=stride, groups=hidden)
        self.project = ConvNorm(hidden, out_channels, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H / stride, W / stride)."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds else y''',
    (CONV_NORM,),
)

_DEPTHWISE_SEPARABLE = CodePiece(
    "DepthwiseSeparable",
    '''\
class DepthwiseSeparable(nn.Module):
    """An inverted residual without expansion: 3 x 3 depthwise, 1 x 1 projection."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.adds = stride == 1 and in_channels == out_channels
        self.depthwise = ConvNorm(in_channels, in_channels, 3, stride=stride, groups=in_channels)
        self.project = ConvNorm(in_channels, out_channels, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H / stride, W / stride)."""
        y = self.project(self.depthwise(x))
        return x + y if self.adds else y''',
    (CONV_NORM,),
)

STAGE = CodePiece(
    "Stage",
    '''\
class Stage(nn.Module):
    """Inverted residuals, and the block after them."""

    def __init__(self, *convolutions: nn.Module, block: nn.Module | None = None) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(*convolutions)
        self.block = nn.Identity() if block is None else block

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', H / stride, W / stride) for (B, C, H, W)."""
        return self.block(self.convolutions(x))''',
)

CONV_NORM_RELU = CodePiece(
    "ConvNormReLU",
    '''\
class ConvNormReLU(nn.Sequential):
    """A convolution that keeps the size of the map, batch norm and ReLU."""

    def __init__(self, in_channels: int, width: int, kernel: int = 1, *, dilation: int = 1) -> None:
        padding = kernel // 2 * dilation
        super().__init__(
            nn.Conv2d(in_channels, width, kernel, padding=padding, dilation=dilation, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )''',
)

DILATED = CodePiece(
    "_dilated",
    '''\
def _dilated(part: nn.Module, dilation: int) -> nn.Module:
    """Dilate the convolutions of a part, for larger maps than in a classifier, and return it."""
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size > (1, 1):
            layer.dilation = (dilation, dilation)
            layer.padding = tuple(side * dilation for side in layer.padding)
    return part''',
)

RESIZED = CodePiece(
    "_resized",
    '''\
def _resized(x: Tensor, side: tuple[int, int], align_corners: bool) -> Tensor:
    """Return maps (B, C, H, W) resized to the given size, unless they have it."""
    if tuple(x.shape[2:]) == side:
        return x
    return F.interpolate(x, size=side, mode="bilinear", align_corners=align_corners)


def _divisible(x: Tensor, patch: int) -> tuple[int, int]:
    """Return the smallest size, at least that of the maps, that the patch divides."""
    height, width = ((side + patch - 1) // patch * patch for side in x.shape[2:])
    return height, width''',
)


def residuals(in_width: int, stage: Stage, step: StageStride) -> list[str]:
    """Return the calls that construct the inverted residuals of a stage.

    Args:
        in_width: Channels of the input of the stage.
        stage: The stage.
        step: Stride and dilations of the stage, which depend on the task.
    """
    first = _residual(in_width, stage, step.stride)
    other = _residual(stage.width, stage, stride=1)
    return [
        dilated(first, step.dilation_before),
        *[dilated(other, step.dilation)] * (stage.depth - 1),
    ]


def dilated(call: str, dilation: int) -> str:
    """Return a call that constructs a part, with its convolutions dilated."""
    return call if dilation == 1 else f"_dilated({call}, {dilation})"


def residual_piece(stage: Stage) -> CodePiece:
    """Return the class of the inverted residuals of a stage."""
    return _DEPTHWISE_SEPARABLE if stage.expansion == 1 else _INVERTED_RESIDUAL


def _residual(in_width: int, stage: Stage, stride: int) -> str:
    """Return the call that constructs one inverted residual."""
    arguments = [str(in_width)]
    if stage.expansion != 1:
        arguments.append(str(hidden_width(stage.expansion, in_width)))
    arguments.append(str(stage.width))
    if stride > 1:
        arguments.append(f"stride={stride}")
    return f"{residual_piece(stage).name}({', '.join(arguments)})"
