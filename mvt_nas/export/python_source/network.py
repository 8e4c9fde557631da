"""Code of the whole network, stage by stage with its own numbers."""

from __future__ import annotations

from collections.abc import Mapping

from mvt_nas.export.base import ExportModel
from mvt_nas.export.python_source.layers import CONV_NORM, DILATED, STAGE, residual_piece, residuals
from mvt_nas.export.python_source.templates import (
    BlockCall,
    CodePiece,
    block_calls,
    head_source,
    in_order,
)
from mvt_nas.models.lowering import backbone_steps, lower
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.tasks.base import Task
from mvt_nas.tasks.strides import StageStride

_INITIALISE = CodePiece(
    "_initialise",
    '''\
def _initialise(module: nn.Module) -> None:
    """Initialise the weights of a layer as in the papers."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)''',
)

_XAVIER = CodePiece(
    "_xavier",
    '''\
def _xavier(module: nn.Module) -> None:
    """Initialise a convolution of the head as the authors do."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)''',
)

_CLASS_HEADER = (
    "class Network(nn.Module):",
    '    """The network; comments are channels x height x width of the output of a part."""',
    "",
    "    def __init__(self, num_classes: int = NUM_CLASSES) -> None:",
    "        super().__init__()",
)


def classes(model: ExportModel) -> str:
    """Return the classes and functions of a network, the class ``Network`` last.

    The code expects the names ``torch``, ``Tensor``, ``nn``, ``F`` and ``NUM_CLASSES``.

    Raises:
        ExportError: There is no template for a block or for the head.
    """
    calls = block_calls(model.architecture, model.task)
    if model.task is None:
        network = _classifier(model.architecture, calls)
    else:
        network = _task_network(model.architecture, model.task, calls)
    return "\n\n\n".join(piece.code for piece in in_order([network]))


def features_expression(architecture: Architecture, network: str, images: str) -> str:
    """Return the expression of the features before pooling, (B, C, H, W).

    Args:
        architecture: The architecture.
        network: Expression of the ``Network``.
        images: Expression of the images, (B, 3, H, W).
    """
    features = f"{network}.stages({network}.stem({images}))"
    return features if architecture.head_width is None else f"{network}.head_conv({features})"


def model_function(name: str) -> str:
    """Return the function of a file that constructs the network and loads its weights."""
    return f'''\
def {name}(pretrained: bool = True) -> Network:
    """Return the network, with the weights in the file next to this one unless not wanted."""
    model = Network()
    if pretrained:
        path = Path(__file__).with_name("{name}.pt")
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return model'''


def _classifier(architecture: Architecture, calls: Mapping[int, BlockCall]) -> CodePiece:
    """Return the class of a classifier; ``calls`` construct the blocks, by number of the stage."""
    last_width = architecture.stages[-1].width
    num_features = architecture.head_width or last_width
    head_conv = []
    if architecture.head_width is not None:
        head_conv = [f"        self.head_conv = ConvNorm({last_width}, {num_features})"]
    lines = [
        *_CLASS_HEADER,
        *_backbone_lines(architecture, calls),
        *head_conv,
        f"        self.classifier = nn.Linear({num_features}, num_classes)",
        "        self.apply(_initialise)",
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        '        """Return the logits, (B, num_classes), of images (B, 3, H, W)."""',
        f"        x = {features_expression(architecture, 'self', 'x')}",
        "        return self.classifier(x.mean(dim=(2, 3)))",
    ]
    return CodePiece("Network", "\n".join(lines), _backbone_pieces(architecture, calls))


def _task_network(
    architecture: Architecture, task: Task, calls: Mapping[int, BlockCall]
) -> CodePiece:
    """Return the class of a network with the head of a task."""
    head = head_source(architecture, task)
    lines = [
        *_CLASS_HEADER,
        *_backbone_lines(architecture, calls, task),
        f"        self.head = {head.call}",
        "        self.apply(_initialise)",
        "        self.head.apply(_xavier)",
        "",
        *(f"    {line}" if line else "" for line in head.methods),
    ]
    needs = (*_backbone_pieces(architecture, calls, task), *head.pieces, _XAVIER)
    return CodePiece("Network", "\n".join(lines), needs)


def _backbone_lines(
    architecture: Architecture, calls: Mapping[int, BlockCall], task: Task | None = None
) -> list[str]:
    """Return the lines of an ``__init__`` that construct stem and stages."""
    steps = backbone_steps(architecture, task)
    shapes = _output_shapes(architecture, task)
    lines = [
        f"        self.stem = ConvNorm(3, {architecture.stem_width}, 3, stride=2)"
        f"  # {shapes['stem']}",
        "        self.stages = nn.Sequential(",
    ]
    in_width = architecture.stem_width
    for number, (stage, step) in enumerate(zip(architecture.stages, steps, strict=True), start=1):
        shape = shapes[f"stage{number}"]
        lines += _stage_lines(in_width, stage, step, calls.get(number), shape)
        in_width = stage.width
    return [*lines, "        )"]


def _stage_lines(
    in_width: int, stage: Stage, step: StageStride, call: BlockCall | None, shape: str
) -> list[str]:
    """Return the lines that construct one stage; ``shape`` of its output is a comment."""
    parts = residuals(in_width, stage, step)
    if call is not None:
        parts.append(f"block={call.text}")
    return [
        f"            Stage(  # {shape}",
        *(f"                {part}," for part in parts),
        "            ),",
    ]


def _backbone_pieces(
    architecture: Architecture, calls: Mapping[int, BlockCall], task: Task | None = None
) -> tuple[CodePiece, ...]:
    """Return the pieces that the lines of the backbone need, and that of the initialisation."""
    blocks = [calls[number].piece for number in sorted(calls)]
    # The first inverted residual of a stage has the dilation before it, those after it the other.
    dilated = any(
        step.dilation_before > 1 or (step.dilation > 1 and stage.depth > 1)
        for step, stage in zip(backbone_steps(architecture, task), architecture.stages, strict=True)
    )
    return (
        CONV_NORM,
        *map(residual_piece, architecture.stages),
        *([DILATED] if dilated else []),
        *blocks,
        STAGE,
        _INITIALISE,
    )


def _output_shapes(architecture: Architecture, task: Task | None) -> dict[str, str]:
    """Return the shapes of the outputs of stem and stages, by their names, as text.

    That is the output of the last operation in each, whose scope begins with the name.
    """
    return {
        op.scope.partition(".")[0]: " x ".join(str(size) for size in op.output.shape[1:])
        for op in lower(architecture, task=task).ops
    }
