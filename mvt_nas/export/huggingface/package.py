"""A package for transformers' ``trust_remote_code``: a configuration, and a model written for one network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mvt_nas._version import __version__
from mvt_nas.export.base import ExportModel
from mvt_nas.export.python_constants import python_constants
from mvt_nas.export.python_source.model_classes import classes, features

MODEL_TYPE = "mvt_nas"
CLASS = "MvtForImageClassification"
CONFIGURATION_FILE = "configuration_mvt.py"
MODEL_FILE = "modeling_mvt.py"

_IMPORTS = """\
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutputWithNoAttention

from .configuration_mvt import MvtConfig
"""


def configuration(subject: ExportModel) -> dict[str, Any]:
    """Return the content of ``config.json``, but for labels and dropouts."""
    module = Path(MODEL_FILE).stem
    return {
        "model_type": MODEL_TYPE,
        "auto_map": {
            "AutoConfig": f"{Path(CONFIGURATION_FILE).stem}.MvtConfig",
            "AutoModelForImageClassification": f"{module}.{CLASS}",
        },
        "architecture": subject.architecture.to_dict(),
        "image_size": subject.architecture.resolution_px,
        "num_channels": 3,
    }


def files(subject: ExportModel) -> dict[str, str]:
    """Return the texts of the package's modules by their names.

    Raises:
        ExportError: it has a block that no template expresses.
    """
    return {CONFIGURATION_FILE: _part("configuration_mvt.txt"), MODEL_FILE: _model(subject)}


def _model(subject: ExportModel) -> str:
    model = _part("modeling_mvt.txt").replace(
        "@FEATURES@", features(subject.architecture, "self.model", "pixel_values")
    )
    docstring = (
        f'"""{subject.name}: a network for transformers, written by mvt-nas {__version__}'
        ' from ARCHITECTURE."""\n'
    )
    return "\n".join(
        (docstring, _IMPORTS, f"{python_constants(subject)}\n\n\n{classes(subject)}\n\n\n{model}")
    )


def _part(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
