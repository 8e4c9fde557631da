"""Packages for transformers' ``trust_remote_code``, and loading of exported folders.

A package is a configuration and a model class that is written for one network.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas._optional import silence_output
from mvt_nas._version import __version__
from mvt_nas.export.base import ExportModel
from mvt_nas.export.metadata import python_constants
from mvt_nas.export.python_source.file import execute_file
from mvt_nas.export.python_source.network import classes, features_expression

if TYPE_CHECKING:
    from torch import nn

MODEL_TYPE = "mvt_nas"
CLASS = "MvtForImageClassification"
_CONFIGURATION_FILE = "configuration_mvt.py"
_MODEL_FILE = "modeling_mvt.py"

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


def configuration(model: ExportModel) -> dict[str, Any]:
    """Return the content of ``config.json``, without labels and dropouts."""
    return {
        "model_type": MODEL_TYPE,
        "auto_map": {
            "AutoConfig": f"{Path(_CONFIGURATION_FILE).stem}.MvtConfig",
            "AutoModelForImageClassification": f"{Path(_MODEL_FILE).stem}.{CLASS}",
        },
        "architecture": model.architecture.to_dict(),
        "image_size": model.architecture.resolution_px,
        "num_channels": 3,
    }


def files(model: ExportModel) -> dict[str, str]:
    """Return the texts of the package's Python files by their names.

    Raises:
        ExportError: The network has a block without a template.
    """
    return {
        _CONFIGURATION_FILE: _template("configuration_mvt.txt"),
        _MODEL_FILE: _model_text(model),
    }


def _model_text(model: ExportModel) -> str:
    features = features_expression(model.architecture, "self.model", "pixel_values")
    docstring = (
        f'"""{model.name}: a network for transformers, written by mvt-nas {__version__}'
        ' from ARCHITECTURE."""\n'
    )
    parts = (
        python_constants(model),
        classes(model),
        _template("modeling_mvt.txt").replace("@FEATURES@", features),
    )
    return "\n".join((docstring, _IMPORTS, "\n\n\n".join(parts)))


def _template(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def load(folder: Path, auto_class: str = "AutoModelForImageClassification") -> nn.Module:
    """Return the model in a folder written here, in evaluation mode.

    Args:
        folder: The folder, with or without a package.
        auto_class: Class of transformers that loads a folder without a package.
    """
    with silence_output(), _without_progress_bars():
        model_class = _model_class(folder, auto_class)
        model: nn.Module = model_class.from_pretrained(folder, local_files_only=True).eval()
    return model


def _model_class(folder: Path, auto_class: str) -> Any:
    """Return the class that loads a folder.

    The files of a package are executed here, since ``trust_remote_code`` would copy them to the
    user's cache.
    """
    import transformers

    if not (folder / _MODEL_FILE).exists():
        return getattr(transformers, auto_class)
    # A package with a unique name, since the model file imports the configuration relatively.
    package = f"mvt_nas_read_back_{uuid.uuid4().hex}"
    spec = importlib.util.spec_from_loader(package, None, is_package=True)
    assert spec is not None
    sys.modules[package] = importlib.util.module_from_spec(spec)
    for file in (_CONFIGURATION_FILE, _MODEL_FILE):
        module = execute_file(folder / file, f"{package}.{Path(file).stem}", register=True)
    return getattr(module, CLASS)


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """Switch off the progress bars of transformers inside the block."""
    logging: Any = importlib.import_module("transformers.utils.logging")
    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logging.enable_progress_bar()
