"""The Python file that registers a network with timm; it needs torch and timm alone.

Source: the conventions of the models in huggingface/pytorch-image-models 1.0.
"""

from __future__ import annotations

import math
from pathlib import Path

from mvt_nas._version import __version__
from mvt_nas.export.base import ExportModel
from mvt_nas.export.paper_recipe import recipe_for
from mvt_nas.export.python_constants import python_constants
from mvt_nas.export.python_source.model_classes import classes
from mvt_nas.export.weight_names import class_name
from mvt_nas.space.architecture import Architecture

_HEAD = '''\
"""{name}: a network for timm, written by mvt-nas {version} from ARCHITECTURE.

    python {name}.py TIMM/train.py --model {name} ...  # or any other script of timm

or, where this file is imported before, timm.create_model("{name}", pretrained=True).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from timm.layers import create_classifier
from timm.models import build_model_with_cfg, checkpoint_seq, generate_default_cfgs, register_model
from torch import Tensor, nn
from torch.nn import functional as F
'''


def model_file(subject: ExportModel, name: str) -> str:
    """Return the text of the file; ``name`` is that of the model in timm.

    Raises:
        ExportError: it has a block that no template expresses.
    """
    head = _HEAD.format(name=name, version=__version__)
    return (
        f"{head}\n{python_constants(subject)}\n\n\n{classes(subject)}\n\n\n{_model(subject, name)}"
    )


def _model(subject: ExportModel, name: str) -> str:
    architecture, pictures = subject.architecture, recipe_for(subject).images
    filled = {
        "@NAME@": name,
        "@CLASS@": class_name(name),
        "@STEM@": str(architecture.stem_width),
        "@FEATURES@": str(architecture.head_width or architecture.stages[-1].width),
        "@FEATURE_INFO@": _feature_info(architecture),
        "@HEAD@": "x" if architecture.head_width is None else "self.head_conv(x)",
        "@SIDE@": str(architecture.resolution_px),
        "@POOL@": str(math.ceil(architecture.resolution_px / _reductions(architecture)[-1])),
        "@CROP@": str(round(pictures.px / pictures.validation_resize_px, 3)),
        "@INTERPOLATION@": pictures.interpolation,
        "@STAGES@": str(len(architecture.stages)),
    }
    text = Path(__file__).with_name("model.txt").read_text(encoding="utf-8")
    for mark, value in filled.items():
        text = text.replace(mark, value)
    return text


def _reductions(architecture: Architecture) -> list[int]:
    """Return by what each stage's output is smaller than the image."""
    found = [2]
    for stage in architecture.stages:
        found.append(found[-1] * stage.stride)
    return found[1:]


def _feature_info(architecture: Architecture) -> str:
    rows = zip(architecture.stages, _reductions(architecture), strict=True)
    return "\n".join(
        f'            {{"num_chs": {stage.width}, "reduction": {reduction}, "module":'
        f' "stages.{index}"}},'
        for index, (stage, reduction) in enumerate(rows)
    )
