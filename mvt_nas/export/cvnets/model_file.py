"""The Python file that gives ml-cvnets the network: it says what a YAML of ml-cvnets cannot.

The text beside this module is put together as it is; it reads the architecture in its own
constants. It is written from the facts about the interfaces of tag cvnets-v0.4.
"""

from __future__ import annotations

from pathlib import Path

from mvt_nas._fields import specs
from mvt_nas._version import __version__
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import ExportError
from mvt_nas.export.base import ExportModel
from mvt_nas.export.python_constants import python_constants
from mvt_nas.export.weight_names import class_name
from mvt_nas.space.architecture import CONV, Architecture

_PARTS = ("head.txt", "blocks.txt", "model.txt")
# The choices that blocks.txt has code for.
_FIELDS = {
    *(
        "attention",
        "dim",
        "transformer_depth",
        "ffn_dim",
        "heads",
        "patch",
        "local_conv",
        "local_kernel",
        "fusion",
        "fusion_kernel",
    ),
    *(
        "residual",
        "norm",
        "projection",
        "fusion_activation",
        "concat_order",
        "resize",
        "align_corners",
    ),
}


def model_file(subject: ExportModel, name: str) -> str:
    """Return the text of the file; ``name`` is that of the model in ml-cvnets.

    Raises:
        ExportError: a stage holds a block that the file has no code for.
    """
    check_blocks(subject.architecture)
    text = "\n\n".join(
        Path(__file__).with_name(part).read_text(encoding="utf-8") for part in _PARTS
    )
    filled = {
        "@NAME@": name,
        "@CLASS@": class_name(name),
        "@VERSION@": __version__,
        "@CONSTANTS@": python_constants(subject),
    }
    for mark, value in filled.items():
        text = text.replace(mark, value)
    return text


def check_blocks(architecture: Architecture) -> None:
    """Check that the file has code for every block.

    Raises:
        ExportError: for a block that another distribution brought, or a choice that is new.
    """
    for number, stage in enumerate(architecture.stages, start=1):
        if stage.kind not in (CONV, MobileViT.kind):
            raise ExportError(
                f"target cvnets cannot express stage {number}: block = {stage.kind!r}; one of"
                f" {CONV}, {MobileViT.kind}"
            )
        unknown = set(specs(type(stage.block))) - _FIELDS if stage.block is not None else set()
        if unknown:
            raise ExportError(
                f"target cvnets cannot express stage {number}: it does not know the field"
                f" {', '.join(sorted(unknown))}"
            )
