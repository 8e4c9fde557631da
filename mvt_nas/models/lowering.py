"""Lowering of a whole network: from an architecture to its kernels, without torch.

Every cost is computed from these kernels. The functions called ``lower_...`` append the kernels of
one part to a graph and return the part's output. ``network.py`` builds the modules that execute the
kernels. Dilation changes no cost, so only the kernels of the tasks' heads record it.
"""

from __future__ import annotations

from collections.abc import Sequence

from mvt_nas.blocks.base import LOWERINGS
from mvt_nas.blocks.graph import Graph, Size, Tensor
from mvt_nas.errors import ArchitectureError
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.widths import hidden_width
from mvt_nas.tasks.base import HEADS, Task
from mvt_nas.tasks.strides import StageStride, steps


def lower_inverted_residual(
    graph: Graph, x: Tensor, *, width: Size, hidden: Size, stride: int, expands: bool, adds: bool
) -> Tensor:
    """Append one inverted residual and return its output, (B, width, H/stride, W/stride).

    Args:
        graph: Graph to append to.
        x: Input, (B, C, H, W).
        width: Output channels.
        hidden: Channels between the 1 x 1 convolutions.
        stride: Stride of the depthwise convolution.
        expands: Whether the first 1 x 1 convolution exists (expansion other than 1).
        adds: Whether the input is added to the output.

    Source: MobileNetV2, arXiv 1801.04381, as used in 2110.02178 §3.
    """
    y = x
    if expands:
        y = graph.activation(graph.conv(y, hidden, norm=True))
    y = graph.activation(graph.conv(y, hidden, 3, stride=stride, depthwise=True, norm=True))
    y = graph.conv(y, width, norm=True)
    return graph.add(x, y, "skip") if adds else y


MOST = 1_000_000
"""The largest number of images, channels or classes."""


def check_use(**numbers: int) -> None:
    """Check the numbers of images, channels and classes, given by name.

    Raises:
        ArchitectureError: A number is not an integer from 1 to :data:`MOST`.
    """
    for name, value in numbers.items():
        if type(value) is not int or not 1 <= value <= MOST:
            raise ArchitectureError(
                f"{name} = {value!r} is not allowed; an integer from 1 to {MOST}"
            )


def lower(
    architecture: Architecture,
    *,
    batch_size: int = 1,
    in_channels: int = 3,
    num_classes: int = 1000,
    task: Task | None = None,
) -> Graph:
    """Return the kernels of one inference on (batch_size, in_channels, R, R) images.

    R is the architecture's resolution, or that of the task.

    Args:
        architecture: The architecture.
        batch_size: Images per inference.
        in_channels: Channels of an image.
        num_classes: Outputs of the classifier; without effect for a task, which has its own.
        task: Task whose head replaces the classifier; ``None`` for classification.

    Raises:
        ArchitectureError: A number of images, channels or classes is not allowed, or the backbone
            does not suit the task.
    """
    check_use(batch_size=batch_size, in_channels=in_channels, num_classes=num_classes)
    graph = Graph()
    side = architecture.resolution_px if task is None else task.resolution_px
    images = graph.input(batch_size, in_channels, side, side)
    maps = _lower_backbone(graph, images, architecture, task)
    if task is None:
        lower_head(graph, maps[-1], width=architecture.head_width, num_classes=num_classes)
    else:
        HEADS.get(task.kind).lower(graph, maps, fitted(task, architecture))
    return graph


def map_sides(architecture: Architecture, task: Task) -> list[int]:
    """Return the sides of the maps that the task's head reads, at the task's resolution."""
    graph = Graph()
    images = graph.input(1, 3, task.resolution_px, task.resolution_px)
    maps = _lower_backbone(graph, images, architecture, task)
    return [int(x.shape[2]) for x in maps]


def backbone_steps(architecture: Architecture, task: Task | None) -> list[StageStride]:
    """Return the stride and dilations of each stage of the backbone in a task's network."""
    largest = None if task is None else task.largest_stride
    return steps([stage.stride for stage in architecture.stages], largest)


def tapped(task: Task, plan: Sequence[StageStride]) -> tuple[int, ...]:
    """Return the numbers of the stages, from 0, whose maps the task's head reads.

    Raises:
        ArchitectureError: The backbone does not have these maps.
    """
    return HEADS.get(task.kind).taps([step.reduction for step in plan])


def fitted(task: Task, architecture: Architecture) -> Task:
    """Return the task with the fields settled that depend on the backbone."""
    return task.fitted(getattr(architecture.stages[-1].block, "attention", None))


def lower_stem(graph: Graph, x: Tensor, *, width: Size) -> Tensor:
    """Append the 3 x 3 convolution with stride 2; return (B, width, R/2, R/2)."""
    graph.scope = "stem"
    return graph.activation(graph.conv(x, width, 3, stride=2, norm=True))


def lower_convolutions(
    graph: Graph,
    x: Tensor,
    *,
    width: Size,
    stride: int,
    depth: int,
    expansion: float,
    first_adds: bool,
) -> Tensor:
    """Append the ``depth`` inverted residuals of a stage; return (B, width, H/stride, W/stride).

    Args:
        graph: Graph to append to.
        x: Input, (B, C, H, W).
        width: Output channels.
        stride: Stride of the first inverted residual.
        depth: Number of inverted residuals.
        expansion: Their expansion.
        first_adds: Whether the first one adds its input, which it does at stride 1 and equal width.
            It is an argument, since widths may be arrays.
    """
    for index in range(depth):
        first = index == 0
        x = lower_inverted_residual(
            graph,
            x,
            width=width,
            hidden=hidden_width(expansion, x.shape[1]),
            stride=stride if first else 1,
            expands=expansion != 1,
            adds=first_adds if first else True,
        )
    return x


def lower_head(graph: Graph, x: Tensor, *, width: Size | None, num_classes: int) -> Tensor:
    """Append 1 x 1 convolution, global mean and classifier; return (B, num_classes).

    The convolution is left out where ``width`` is ``None``.
    """
    graph.scope = "head"
    if width is not None:
        x = graph.activation(graph.conv(x, width, norm=True))
    return graph.linear(graph.mean(x), num_classes)


def _lower_backbone(
    graph: Graph, x: Tensor, architecture: Architecture, task: Task | None
) -> list[Tensor]:
    """Append stem and stages; return the maps that the head reads, that of the last stage last."""
    plan = backbone_steps(architecture, task)
    maps = []
    x = lower_stem(graph, x, width=architecture.stem_width)
    for number, (stage, step) in enumerate(zip(architecture.stages, plan, strict=True), start=1):
        x = _lower_stage(graph, x, stage, f"stage{number}", step)
        maps.append(x)
    return [maps[-1]] if task is None else [maps[tap] for tap in tapped(task, plan)]


def _lower_stage(graph: Graph, x: Tensor, stage: Stage, name: str, step: StageStride) -> Tensor:
    graph.scope = f"{name}.conv"
    adds = step.stride == 1 and x.shape[1] == stage.width
    x = lower_convolutions(
        graph,
        x,
        width=stage.width,
        stride=step.stride,
        depth=stage.depth,
        expansion=stage.expansion,
        first_adds=adds,
    )
    if stage.block is None:
        return x
    graph.scope = f"{name}.block"
    return LOWERINGS.get(stage.kind).lower(graph, x, stage.width, stage.block)
