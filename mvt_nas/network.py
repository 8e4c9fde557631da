"""Architecture to ``nn.Module``: the network whose kernels ``lowering.py`` lists."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mvt_nas.blocks.inverted_residual.module import InvertedResidual
from mvt_nas.blocks.layers import conv_norm
from mvt_nas.blocks.modules import MODULES
from mvt_nas.initialisation import initialise
from mvt_nas.lowering import check_use
from mvt_nas.space.architecture import Architecture, Stage


class StageModule(nn.Module):
    """The inverted residuals of a stage and what follows them."""

    def __init__(self, in_channels: int, stage: Stage, dropout: float) -> None:
        super().__init__()
        widths = [in_channels, *[stage.width] * stage.depth]
        strides = [stage.stride, *[1] * (stage.depth - 1)]
        self.convolutions = nn.Sequential(
            *(
                InvertedResidual(before, after, stride=stride, expansion=stage.expansion)
                for before, after, stride in zip(widths, widths[1:], strides, strict=False)
            )
        )
        self.block = nn.Identity() if stage.block is None else MODULES.get(stage.kind)(stage.width, stage.block, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width, H', W') for (B, C, H, W)."""
        out: Tensor = self.block(self.convolutions(x))
        return out


class Network(nn.Module):
    """A classifier of images.

    Attributes:
        architecture: what it was built from.
    """

    def __init__(self, architecture: Architecture, num_classes: int, in_channels: int, dropout: float, head_dropout: float) -> None:
        super().__init__()
        self.architecture = architecture
        widths = [architecture.stem_width, *(stage.width for stage in architecture.stages)]
        self.stem = conv_norm(in_channels, widths[0], 3, stride=2)
        self.stages = nn.Sequential(
            *(StageModule(before, stage, dropout) for before, stage in zip(widths, architecture.stages, strict=False))
        )
        features = architecture.head_width or widths[-1]
        self.head_conv = nn.Identity() if architecture.head_width is None else conv_norm(widths[-1], features)
        self.head_dropout = nn.Dropout(head_dropout)
        self.classifier = nn.Linear(features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (B, num_classes), of images (B, in_channels, H, W)."""
        x = self.head_conv(self.stages(self.stem(x)))
        out: Tensor = self.classifier(self.head_dropout(x.mean(dim=(2, 3))))
        return out

    def feature_blocks(self) -> list[nn.Module]:
        """Return the modules whose outputs, (B, C, H, W), are the network's features: every inverted residual and every block."""
        return list(self._feature_blocks())

    def _feature_blocks(self) -> Iterator[nn.Module]:
        for stage in self.stages:
            assert isinstance(stage, StageModule)
            yield from stage.convolutions
            if not isinstance(stage.block, nn.Identity):
                yield stage.block


def build_model(
    architecture: Architecture,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    dropout: float = 0.0,
    head_dropout: float = 0.0,
    seed: int | None = None,
    device: torch.device | str = "cpu",
) -> Network:
    """Return the network of an architecture, initialised as the papers say.

    Args:
        architecture: what to build.
        num_classes: outputs of the classifier.
        in_channels: channels of the images.
        dropout: probability inside the transformer layers while training.
        head_dropout: probability before the classifier while training.
        seed: of the initial weights; without one, torch's global random state is used.
        device: where the weights live; on ``"meta"`` they have shapes only.

    Raises:
        ArchitectureError: a number of classes or channels that is not allowed.
    """
    check_use(num_classes=num_classes, in_channels=in_channels)
    with torch.device("meta"):
        model = Network(architecture, num_classes, in_channels, dropout, head_dropout)
    if torch.device(device).type == "meta":
        return model
    initialise(model.to_empty(device=device), seed)
    return model
