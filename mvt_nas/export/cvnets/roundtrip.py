"""Check of an exported model in an installed ml-cvnets.

It runs in a subprocess, since ml-cvnets cannot build its options and registries twice.
"""

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

_TIMEOUT_S = 600

# The model gets another name, since ml-cvnets may already have a copy of the file.
_SCRIPT = """
import sys, types
from cvnets.models import MODEL_REGISTRY, get_model
import numpy, torch
name, model_file, settings, weights, images_file, logits_file = sys.argv[1:]
copy_name = f"{name}_read_back"
text = open(model_file, encoding="utf-8").read().replace(f'name="{name}"', f'name="{copy_name}"')
module = sys.modules[copy_name] = types.ModuleType(copy_name)
exec(compile(text, model_file, "exec"), vars(module))
from options.opts import get_training_arguments
opts = get_training_arguments(args=["--common.config-file", settings])
model = get_model(opts, category="classification", model_name=copy_name)
model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
with torch.inference_mode():
    logits = model.eval()(torch.from_numpy(numpy.load(images_file)))
numpy.save(logits_file, logits.numpy())
print("parameters:", sum(weight.numel() for weight in model.parameters()))
"""


class CvnetsRoundtrip:
    """An exported model in the installed ml-cvnets.

    Args:
        name: Name of the model in ml-cvnets.
        files: Paths of the model file, the settings and the weights.

    Attributes:
        params: Number of parameters, known after the first run.
    """

    def __init__(self, name: str, files: tuple[Path, Path, Path]) -> None:
        self._name = name
        self._files = files
        self.params = 0

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits, (B, classes), of images, (B, 3, H, W).

        Raises:
            ExportError: ml-cvnets ends with an error.
        """
        with tempfile.TemporaryDirectory() as folder:
            images_path = Path(folder) / "images.npy"
            logits_path = Path(folder) / "logits.npy"
            np.save(images_path, images)
            arguments = [self._name, *map(str, (*self._files, images_path, logits_path))]
            process = subprocess.run(
                [sys.executable, "-c", _SCRIPT, *arguments],
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
            if process.returncode or not logits_path.exists():
                raise ExportError(
                    f"the installed ml-cvnets does not build {self._name}:"
                    f" {_last_line(process.stderr or process.stdout)}"
                )
            self.params = int(process.stdout.rpartition("parameters:")[2])
            logits: NDArray[np.float32] = np.load(logits_path)
        return logits


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
