"""Forward of the inverted residual (see ``lowering.py`` for its lowering).

Architecture to ``nn.Module``: the network whose kernels ``lowering.py`` lists.
"""

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
from mvt_nas.tasks.base import Task, at_resolution
from mvt_nas.tasks.head_modules import HEAD_MODULES
from mvt_nas.tasks.strides import StageStride


class InvertedResidual(nn.Module):
    """1 x 1 expansion, 3 x 3 depthwise, 1 x 1 projection without activation; the input is added where shapes allow.

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
    """A block that can see further when stages in front of it have lost their strides; others stay as they are."""

    def dilate(self, dilation: int) -> None:
        """Let the block's convolutions skip ``dilation - 1`` positions between those that they see."""


@runtime_checkable
class AnchorHeadModule(Protocol):
    """A head that looks for objects around anchors."""

    def anchors(self, maps: Sequence[tuple[int, int]]) -> Tensor:
        """Return them in centre form, (A, 4), from height and width of the backbone's maps."""


class StageModule(nn.Module):
    """The inverted residuals of a stage and what follows them; ``step`` says what they do to the map."""

    def __init__(self, in_channels: int, stage: Stage, dropout: float, step: StageStride) -> None:
        super().__init__()
        widths = [in_channels, *[stage.width] * stage.depth]
        moves = [(step.stride, step.dilation_before), *[(1, step.dilation)] * (stage.depth - 1)]
        self.convolutions = nn.Sequential(
            *(
                InvertedResidual(
                    before, after, stride=stride, expansion=stage.expansion, dilation=dilation
                )
                for before, after, (stride, dilation) in zip(
                    widths, widths[1:], moves, strict=False
                )
            )
        )
        self.block = (
            nn.Identity()
            if stage.block is None
            else MODULES.get(stage.kind)(stage.width, stage.block, dropout)
        )
        if step.dilation > 1 and isinstance(self.block, DilatedConv):
            self.block.dilate(step.dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, width, H', W') for (B, C, H, W)."""
        out: Tensor = self.block(self.convolutions(x))
        return out


class Backbone(nn.Module):
    """The stem and the stages, whatever follows them.

    Attributes:
        architecture: what it was built from.
        task: what it is for; ``None`` for classification.
    """

    def __init__(
        self, architecture: Architecture, task: Task | None, in_channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.task = task
        widths = [architecture.stem_width, *(stage.width for stage in architecture.stages)]
        plan = backbone_steps(architecture, task)
        self.stem = conv_norm(in_channels, widths[0], 3, stride=2)
        self.stages = nn.Sequential(
            *(
                StageModule(before, stage, dropout, step)
                for before, stage, step in zip(widths, architecture.stages, plan, strict=False)
            )
        )

    def feature_blocks(self) -> list[nn.Module]:
        """Return the modules whose outputs, (B, C, H, W), are the network's features: every inverted residual and every block."""
        return list(self._feature_blocks())

    def _feature_blocks(self) -> Iterator[nn.Module]:
        for stage in self.stages:
            assert isinstance(stage, StageModule)
            yield from stage.convolutions
            if not isinstance(stage.block, nn.Identity):
                yield stage.block


class Network(Backbone):
    """A classifier of images."""

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
    """A backbone with the head of a task; its weights have the names of the classifier's, but for the head."""

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
        """Return what the head makes of images, (B, in_channels, H, W)."""
        return self.head(images, self.maps(images))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps, each (B, C, h, w), that the head reads of images, (B, in_channels, H, W)."""
        x, found = self.stem(images), []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in self.taps:
                found.append(x)
        return found

    def anchors(self, px: int) -> Tensor:
        """Return a detector's anchors in centre form, (A, 4), for pictures of a side (see :mod:`mvt_nas.tasks.detection.anchors`)."""
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
    """Return the network of an architecture, initialised as the papers say.

    Args:
        architecture: what to build.
        task: what it is for; ``None`` for a classifier.
        num_classes: outputs of the classifier; a task has its own.
        in_channels: channels of the images.
        dropout: probability inside the transformer layers while training.
        head_dropout: probability before the classifier while training.
        seed: of the initial weights; without one, torch's global random state is used.
        device: where the weights live; on ``"meta"`` they have shapes only.

    Raises:
        ArchitectureError: a number of classes or channels that is not allowed, or a task that the
            backbone cannot serve.
    """
    check_use(num_classes=num_classes, in_channels=in_channels)
    model: Network | TaskNetwork
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
