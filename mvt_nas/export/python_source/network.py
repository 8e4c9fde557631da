"""The class of the whole network, stage by stage with its own numbers, and the function that returns it with its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mvt_nas.export.python_source.code_piece import CodePiece
from mvt_nas.export.python_source.layers import CONV_NORM, DILATED, STAGE, residual_piece, residuals
from mvt_nas.export.python_source.templates import BlockCall
from mvt_nas.models.lowering import backbone_steps, lower
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.tasks.base import Task
from mvt_nas.tasks.strides import StageStride

_INITIALISE = CodePiece(
    "_initialise",
    '''\
def _initialise(module: nn.Module) -> None:
    """Give a layer its first weights, as the papers say."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)''',
)


def network(architecture: Architecture, calls: Mapping[int, BlockCall]) -> CodePiece:
    """Return the class of a network; ``calls`` makes its blocks, by the number of their stage."""
    last = architecture.stages[-1].width
    features = architecture.head_width or last
    head = (
        [f"        self.head_conv = ConvNorm({last}, {features})"]
        if architecture.head_width
        else []
    )
    lines = [
        "class Network(nn.Module):",
        '    """The network; comments are channels x height x width of what a part returns."""',
        "",
        "    def __init__(self, num_classes: int = NUM_CLASSES) -> None:",
        "        super().__init__()",
        *backbone(architecture, calls),
        *head,
        f"        self.classifier = nn.Linear({features}, num_classes)",
        "        self.apply(_initialise)",
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        '        """Return the logits, (B, num_classes), of images (B, 3, H, W)."""',
        (
            "        x ="
            f" {'self.head_conv(self.stages(self.stem(x)))' if head else 'self.stages(self.stem(x))'}"
        ),
        "        return self.classifier(x.mean(dim=(2, 3)))",
    ]
    return CodePiece("Network", "\n".join(lines), backbone_pieces(architecture, calls))


def backbone(
    architecture: Architecture, calls: Mapping[int, BlockCall], task: Task | None = None
) -> list[str]:
    """Return the lines of an ``__init__`` that make stem and stages."""
    stages, plan, shapes = (
        architecture.stages,
        backbone_steps(architecture, task),
        _shapes(architecture, task),
    )
    widths = [architecture.stem_width, *(stage.width for stage in stages)]
    parts = [
        _stage(widths[n], stage, calls.get(n + 1), (plan[n], shapes[f"stage{n + 1}"]))
        for n, stage in enumerate(stages)
    ]
    return [
        f"        self.stem = ConvNorm(3, {widths[0]}, 3, stride=2)  # {shapes['stem']}",
        "        self.stages = nn.Sequential(",
        *(line for part in parts for line in part),
        "        )",
    ]


def backbone_pieces(
    architecture: Architecture, calls: Mapping[int, BlockCall], task: Task | None = None
) -> tuple[CodePiece, ...]:
    """Return what those lines need, and the function for first weights."""
    blocks = [calls[number].piece for number in sorted(calls)]
    dilates = any(
        step.dilation_before > 1 or (step.dilation > 1 and stage.depth > 1)
        for step, stage in _steps(architecture, task)
    )
    return (
        CONV_NORM,
        *map(residual_piece, architecture.stages),
        *([DILATED] if dilates else []),
        *blocks,
        STAGE,
        _INITIALISE,
    )


def maker(name: str) -> str:
    """Return the function that returns a network with its weights."""
    return f'''\
def {name}(pretrained: bool = True) -> Network:
    """Return the network, with the weights that lie beside this file unless told otherwise."""
    model = Network()
    if pretrained:
        path = Path(__file__).with_name("{name}.pt")
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return model'''


def _stage(
    in_width: int, stage: Stage, call: BlockCall | None, known: tuple[StageStride, str]
) -> list[str]:
    step, shape = known
    block = [f"block={call.text}"] if call else []
    return [
        f"            Stage(  # {shape}",
        *(f"                {part}," for part in (*residuals(in_width, stage, step), *block)),
        "            ),",
    ]


def _steps(architecture: Architecture, task: Task | None) -> Iterator[tuple[StageStride, Stage]]:
    return zip(backbone_steps(architecture, task), architecture.stages, strict=True)


def _shapes(architecture: Architecture, task: Task | None) -> dict[str, str]:
    """Return the shape of what stem and stages return, by their name."""
    ops = lower(architecture, task=task).ops
    return {
        op.scope.partition(".")[0]: " x ".join(str(size) for size in op.output.shape[1:])
        for op in ops
    }
