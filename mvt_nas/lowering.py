"""Architecture to kernels, without torch: the one description from which every cost is computed.

``network.py`` builds the module that executes these kernels.
"""

from __future__ import annotations

from mvt_nas.blocks.graph import Graph, Size, Tensor
from mvt_nas.blocks.inverted_residual.ops import lower_inverted_residual
from mvt_nas.blocks.lowering import LOWERINGS
from mvt_nas.errors import ArchitectureError
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.widths import hidden_width

MOST = 1_000_000
"""The largest number of images, channels or classes."""


def check_use(**numbers: int) -> None:
    """Check how a network is to be used.

    Raises:
        ArchitectureError: a number of images, channels or classes that is no integer from 1 to :data:`MOST`.
    """
    for name, value in numbers.items():
        if type(value) is not int or not 1 <= value <= MOST:
            raise ArchitectureError(f"{name} = {value!r} is not allowed; an integer from 1 to {MOST}")


def lower(architecture: Architecture, *, batch_size: int = 1, in_channels: int = 3, num_classes: int = 1000) -> Graph:
    """Return the kernels of one inference on (batch_size, in_channels, R, R) images, R the architecture's resolution.

    Raises:
        ArchitectureError: a number of images, channels or classes that is not allowed.
    """
    check_use(batch_size=batch_size, in_channels=in_channels, num_classes=num_classes)
    graph = Graph()
    side = architecture.resolution_px
    image = graph.input(batch_size, in_channels, side, side)
    x = lower_stem(graph, image, width=architecture.stem_width)
    for number, stage in enumerate(architecture.stages, start=1):
        x = _lower_stage(graph, x, stage, f"stage{number}")
    lower_head(graph, x, width=architecture.head_width, num_classes=num_classes)
    return graph


def lower_stem(graph: Graph, x: Tensor, *, width: Size) -> Tensor:
    """Append the 3 x 3 convolution with stride 2; return (B, width, R/2, R/2)."""
    graph.scope = "stem"
    return graph.activation(graph.conv(x, width, 3, stride=2, norm=True))


def lower_convolutions(graph: Graph, x: Tensor, *, width: Size, stride: int, depth: int, expansion: float, first_adds: bool) -> Tensor:
    """Append the ``depth`` inverted residuals of a stage; return (B, width, H/stride, W/stride).

    ``first_adds`` says whether the first one has its input added: it keeps stride and width.
    """
    for index in range(depth):
        hidden = hidden_width(expansion, x.shape[1])
        step, adds = (stride, first_adds) if index == 0 else (1, True)
        x = lower_inverted_residual(graph, x, width=width, hidden=hidden, stride=step, expands=expansion != 1, adds=adds)
    return x


def lower_head(graph: Graph, x: Tensor, *, width: Size | None, num_classes: int) -> Tensor:
    """Append the 1 x 1 convolution (unless ``width`` is ``None``), global mean and classifier; return (B, num_classes)."""
    graph.scope = "head"
    if width is not None:
        x = graph.activation(graph.conv(x, width, norm=True))
    return graph.linear(graph.mean(x), num_classes)


def _lower_stage(graph: Graph, x: Tensor, stage: Stage, name: str) -> Tensor:
    graph.scope = f"{name}.conv"
    adds = stage.stride == 1 and x.shape[1] == stage.width
    x = lower_convolutions(graph, x, width=stage.width, stride=stage.stride, depth=stage.depth, expansion=stage.expansion, first_adds=adds)
    if stage.block is None:
        return x
    graph.scope = f"{name}.block"
    return LOWERINGS.get(stage.kind).lower(graph, x, stage.width, stage.block)
