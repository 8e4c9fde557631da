"""What an installed ml-cvnets makes of an exported model, in a process of its own: its options and registries cannot be built twice."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mvt_nas.errors import ExportError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MINUTES = 10

# The model is registered under another name, since a copy of the file may lie in ml-cvnets already.
_SCRIPT = """
import sys, types
from cvnets.models import MODEL_REGISTRY, get_model
import numpy, torch
name, model_file, settings, weights, images, logits = sys.argv[1:]
text = open(model_file, encoding="utf-8").read().replace(f'name="{name}"', f'name="{name}_read_back"')
module = sys.modules[name + "_read_back"] = types.ModuleType(name + "_read_back")
exec(compile(text, model_file, "exec"), vars(module))
from options.opts import get_training_arguments
opts = get_training_arguments(args=["--common.config-file", settings])
model = get_model(opts, category="classification", model_name=name + "_read_back")
model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
with torch.inference_mode():
    found = model.eval()(torch.from_numpy(numpy.load(images)))
numpy.save(logits, found.numpy())
print("parameters:", sum(weight.numel() for weight in model.parameters()))
"""


class CvnetsRoundtrip:
    """An exported model in the ml-cvnets that is installed.

    Args:
        name: of the model in ml-cvnets.
        files: model file, settings, weights.
    """

    def __init__(self, name: str, files: tuple[Path, Path, Path]) -> None:
        self._arguments = [name, *(str(file) for file in files)]
        self.params = 0

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits (B, classes) of images (B, 3, H, W), and keep the number of parameters.

        Raises:
            ExportError: ml-cvnets ends with an error.
        """
        with tempfile.TemporaryDirectory() as folder:
            given, found = Path(folder) / "images.npy", Path(folder) / "logits.npy"
            np.save(given, images)
            command = [sys.executable, "-c", _SCRIPT, *self._arguments, str(given), str(found)]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=60 * _MINUTES, check=False
            )
            if done.returncode or not found.exists():
                raise ExportError(
                    f"the installed ml-cvnets does not build {self._arguments[0]}:"
                    f" {_last_line(done.stderr or done.stdout)}"
                )
            self.params = int(done.stdout.rpartition("parameters:")[2])
            logits: NDArray[np.float32] = np.load(found)
        return logits


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
