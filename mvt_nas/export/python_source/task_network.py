"""The class of a network with the head of a task."""

from __future__ import annotations

from collections.abc import Mapping

from mvt_nas.errors import ExportError, listing
from mvt_nas.export.python_source.code_piece import CodePiece
from mvt_nas.export.python_source.network import backbone, backbone_pieces
from mvt_nas.export.python_source.templates import HEAD_TEMPLATES, BlockCall, HeadSource
from mvt_nas.models.lowering import backbone_steps, fitted, tapped
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task

_XAVIER = CodePiece(
    "_xavier",
    '''\
def _xavier(module: nn.Module) -> None:
    """Give a convolution of the head its first weights, as the authors do."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)''',
)


def task_network(
    architecture: Architecture, task: Task, calls: Mapping[int, BlockCall]
) -> CodePiece:
    """Return the class of a network with the task's head; ``calls`` makes its blocks, by the number of their stage.

    Raises:
        ExportError: no template expresses the head.
    """
    head = head_text(architecture, task)
    lines = [
        "class Network(nn.Module):",
        '    """The network; comments are channels x height x width of what a part returns."""',
        "",
        "    def __init__(self, num_classes: int = NUM_CLASSES) -> None:",
        "        super().__init__()",
        *backbone(architecture, calls, task),
        f"        self.head = {head.call}",
        "        self.apply(_initialise)",
        "        self.head.apply(_xavier)",
        "",
        *(f"    {line}" if line else "" for line in head.methods),
    ]
    return CodePiece(
        "Network",
        "\n".join(lines),
        (*backbone_pieces(architecture, calls, task), *head.pieces, _XAVIER),
    )


def head_text(architecture: Architecture, task: Task) -> HeadSource:
    """Return how the task's head is written.

    Raises:
        ExportError: no template expresses it.
    """
    if task.kind not in HEAD_TEMPLATES:
        known = listing(HEAD_TEMPLATES)
        raise ExportError(
            f"the network cannot be written in PyTorch: no template of the head for {task.kind}"
            f" (known: {known})"
        )
    taps = tapped(task, backbone_steps(architecture, task))
    return HEAD_TEMPLATES.get(task.kind)(
        fitted(task, architecture), [architecture.stages[tap].width for tap in taps], taps
    )
