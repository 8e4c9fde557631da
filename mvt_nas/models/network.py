"""Networks as ``nn.Module``, built from an architecture; ``lowering.py`` lists their kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, overload, runtime_checkable

import torch
from torch import Tensor, nn

from mvt_nas.blocks.layers import MODULES, conv_norm
from mvt_nas.models.initialization import initialize_weights
from mvt_nas.models.lowering import backbone_steps, check_use, fitted, map_sides, tapped
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.widths import hidden_width
from mvt_nas.tasks.base import HEAD_MODULES, Task, at_resolution
from mvt_nas.tasks.strides import StageStride


class InvertedResidual(nn.Module):
    """1 x 1 expansion, 3 x 3 depthwise convolution, 1 x 1 projection without activation.

    The input is added to the output where their shapes are equal.

    Source: MobileNetV2, arXiv 1801.04381.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        expansion: float,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        hidden = hidden_width(expansion, in_channels)
        self.expand = conv_norm(in_channels, hidden) if expansion != 1 else nn.Identity()
        self.depthwise = conv_norm(
            hidden, hidden, 3, stride=stride, groups=hidden, dilation=dilation
        )
        self.project = conv_norm(hidden, out_channels, activation="linear")
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H/stride, W/stride)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds else y


@runtime_checkable
class DilatedConv(Protocol):
    """A block whose convolutions can be dilated, in networks where strides were removed."""

    def dilate(self, dilation: int) -> None:
        """Dilate the block's convolutions."""


@runtime_checkable
class AnchorHeadModule(Protocol):
    """A head that predicts boxes relative to anchors."""

    def anchors(self, maps: Sequence[tuple[int, int]]) -> Tensor:
        """Return the anchors in centre form, (A, 4), for heights and widths of backbone maps."""


class StageModule(nn.Module):
    """A stage: its inverted residuals, then its block if it has one.

    Args:
        in_channels: Channels of the input.
        stage: Configuration of the stage.
        dropout: Probability inside the transformer layers while training.
        step: Stride and dilations of the stage.
    """

    def __init__(self, in_channels: int, stage: Stage, dropout: float, step: StageStride) -> None:
        super().__init__()
        convolutions = []
        for index in range(stage.depth):
            first = index == 0
            convolutions.append(
                InvertedResidual(
                    in_channels if first else stage.width,
                    stage.width,
                    stride=step.stride if first else 1,
                    expansion=stage.expansion,
                    dilation=step.dilation_before if first else step.dilation,
                )
            )
        self.convolutions = nn.Sequential(*convolutions)
        if stage.block is None:
            self.block: nn.Module = nn.Identity()
        else:
            self.block = MODULES.get(stage.kind)(stage.width, stage.block, dropout)
        if step.dilation > 1 and isinstance(self.block, DilatedConv):
            self.block.dilate(step.dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width, H', W') for (B, C, H, W)."""
        out: Tensor = self.block(self.convolutions(x))
        return out


class Backbone(nn.Module):
    """The stem and the stages, without a head.

    Attributes:
        architecture: Architecture of the network.
        task: Task of the network; ``None`` for classification.
    """

    def __init__(
        self, architecture: Architecture, task: Task | None, in_channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.task = task
        self.stem = conv_norm(in_channels, architecture.stem_width, 3, stride=2)
        stages = []
        before = architecture.stem_width
        plan = backbone_steps(architecture, task)
        for stage, step in zip(architecture.stages, plan, strict=True):
            stages.append(StageModule(before, stage, dropout, step))
            before = stage.width
        self.stages = nn.Sequential(*stages)

    def feature_blocks(self) -> list[nn.Module]:
        """Return every inverted residual and every block, from the image to the head.

        Their outputs, (B, C, H, W), are the network's features.
        """
        return list(self._feature_blocks())

    def _feature_blocks(self) -> Iterator[nn.Module]:
        for stage in self.stages:
            assert isinstance(stage, StageModule)
            yield from stage.convolutions
            if not isinstance(stage.block, nn.Identity):
                yield stage.block


class Network(Backbone):
    """An image classifier."""

    def __init__(
        self,
        architecture: Architecture,
        num_classes: int,
        in_channels: int,
        dropout: float,
        head_dropout: float,
    ) -> None:
        super().__init__(architecture, None, in_channels, dropout)
        last = architecture.stages[-1].width
        features = architecture.head_width or last
        self.head_conv = (
            nn.Identity() if architecture.head_width is None else conv_norm(last, features)
        )
        self.head_dropout = nn.Dropout(head_dropout)
        self.classifier = nn.Linear(features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (B, num_classes), of images (B, in_channels, H, W)."""
        x = self.head_conv(self.stages(self.stem(x)))
        out: Tensor = self.classifier(self.head_dropout(x.mean(dim=(2, 3))))
        return out


class TaskNetwork(Backbone):
    """A backbone with the head of a task.

    The weights of the backbone have the names that they have in the classifier.

    Attributes:
        task: Task of the network.
        taps: Numbers of the stages, from 0, whose maps the head reads.
        head: Module of the head.
    """

    task: Task

    def __init__(
        self,
        architecture: Architecture,
        task: Task,
        in_channels: int,
        dropout: float,
        head_dropout: float,
    ) -> None:
        super().__init__(architecture, task, in_channels, dropout)
        self.taps = tapped(task, backbone_steps(architecture, task))
        widths = [architecture.stages[tap].width for tap in self.taps]
        self.head = HEAD_MODULES.get(task.kind)(fitted(task, architecture), widths, head_dropout)

    def forward(self, images: Tensor) -> Any:
        """Return the head's outputs for images, (B, in_channels, H, W)."""
        return self.head(images, self.maps(images))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps that the head reads, each (B, C, h, w).

        Args:
            images: Images, (B, in_channels, H, W).
        """
        x = self.stem(images)
        maps = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in self.taps:
                maps.append(x)
        return maps

    def anchors(self, px: int) -> Tensor:
        """Return a detector's anchors in centre form, (A, 4).

        Args:
            px: Side of the images (see :mod:`mvt_nas.tasks.detection.anchors`).
        """
        sides = map_sides(self.architecture, at_resolution(self.task, px))
        assert isinstance(self.head, AnchorHeadModule)
        return self.head.anchors([(side, side) for side in sides])


@overload
def build_model(
    architecture: Architecture,
    *,
    task: None = None,
    num_classes: int = 1000,
    in_channels: int = 3,
    dropout: float = 0.0,
    head_dropout: float = 0.0,
    seed: int | None = None,
    device: torch.device | str = "cpu",
) -> Network: ...


@overload
def build_model(
    architecture: Architecture,
    *,
    task: Task,
    num_classes: int = 1000,
    in_channels: int = 3,
    dropout: float = 0.0,
    head_dropout: float = 0.0,
    seed: int | None = None,
    device: torch.device | str = "cpu",
) -> TaskNetwork: ...


@overload
def build_model(
    architecture: Architecture,
    *,
    task: Task | None,
    num_classes: int = 1000,
    in_channels: int = 3,
    dropout: float = 0.0,
    head_dropout: float = 0.0,
    seed: int | None = None,
    device: torch.device | str = "cpu",
) -> Network | TaskNetwork: ...


def build_model(
    architecture: Architecture,
    *,
    task: Task | None = None,
    num_classes: int = 1000,
    in_channels: int = 3,
    dropout: float = 0.0,
    head_dropout: float = 0.0,
    seed: int | None = None,
    device: torch.device | str = "cpu",
) -> Network | TaskNetwork:
    """Return the network of an architecture, initialised as in the papers.

    Args:
        architecture: Architecture to build.
        task: Task of the network; ``None`` for a classifier.
        num_classes: Outputs of the classifier; without effect for a task, which has its own.
        in_channels: Channels of the images.
        dropout: Probability inside the transformer layers while training.
        head_dropout: Probability before the classifier while training.
        seed: Seed of the initial weights; without one, torch's global random state is used.
        device: Device of the weights; on ``"meta"`` they have shapes only.

    Raises:
        ArchitectureError: A number of classes or channels is not allowed, or the backbone does not
            suit the task.
    """
    check_use(num_classes=num_classes, in_channels=in_channels)
    model: Network | TaskNetwork
    # Built without memory first, so that torch's own initialisation costs nothing.
    with torch.device("meta"):
        if task is None:
            model = Network(architecture, num_classes, in_channels, dropout, head_dropout)
        else:
            model = TaskNetwork(architecture, task, in_channels, dropout, head_dropout)
    if torch.device(device).type == "meta":
        return model
    initialize_weights(
        model.to_empty(device=device),
        seed,
        xavier=(model.head,) if isinstance(model, TaskNetwork) else (),
    )
    return model
