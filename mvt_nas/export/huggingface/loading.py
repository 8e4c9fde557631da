"""What transformers makes of an exported folder, without its cache of other people's code."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas.export.huggingface.package import CLASS, CONFIGURATION_FILE, MODEL_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


def load(folder: Path, auto: str = "AutoModelForImageClassification") -> nn.Module:
    """Return the model in a folder that has just been written here, in evaluation mode; ``auto`` loads what needs no code."""
    from mvt_nas._optional import silence_output

    with silence_output(), _without_progress():
        model: nn.Module = (
            _class(folder, auto).from_pretrained(folder, local_files_only=True).eval()
        )
    return model


def _class(folder: Path, auto: str) -> Any:
    import transformers

    if not (folder / MODEL_FILE).exists():
        return getattr(transformers, auto)
    # A package of its own, since its modules import each other.
    package = f"mvt_nas_read_back_{uuid.uuid4().hex}"
    spec = importlib.util.spec_from_loader(package, None, is_package=True)
    assert spec is not None
    sys.modules[package] = importlib.util.module_from_spec(spec)
    for file in (CONFIGURATION_FILE, MODEL_FILE):
        module = _executed(f"{package}.{Path(file).stem}", folder / file)
    return getattr(module, CLASS)


def _executed(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    exec(
        compile(path.read_text(encoding="utf-8"), path, "exec"), vars(module)
    )  # an import would leave compiled code beside it
    return module


@contextmanager
def _without_progress() -> Iterator[None]:
    """Switch transformers' progress bars off, inside the block."""
    logging: Any = importlib.import_module("transformers.utils.logging")
    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logging.enable_progress_bar()
