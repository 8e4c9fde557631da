"""apple/ml-cvnets: a YAML with the recipe of the nearest published model, a Python file with the model, and its weights."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.errors import ExportError
from mvt_nas.export.contract import TARGETS, Subject, Target, Written

if TYPE_CHECKING:
    from mvt_nas.export.contract import Run

_NOT_BUILT = "ml-cvnets is not installed here: read back are the architecture and the weights, the model file has not been run"
_README = """\
# {name}

A network of mvt-nas for [apple/ml-cvnets](https://github.com/apple/ml-cvnets), tag `cvnets-v0.4`, and the recipe of {nearest} to train
it by. Set `root_train` and `root_val` in `{name}.yaml`, then, with `ML_CVNETS` the folder of ml-cvnets:

```sh
cp {name}.py "$ML_CVNETS/cvnets/models/classification/"
cvnets-train --common.config-file {name}.yaml --common.results-loc results/{name}
```

Add `--model.classification.pretrained {name}.pt` to begin with the weights in `{name}.pt` ({weights}); for another number of classes
than {num_classes}, also `--model.resume-exclude-scopes classifier`. Without them ml-cvnets begins with PyTorch's own initial weights: its
settings `conv_init` and `linear_init` have no effect since its version 0.2.

Images are RGB with pixels in [0, 1].
"""


def write(subject: Subject, folder: Path) -> Written:
    """Write ``mvt_NAME.yaml``, ``mvt_NAME.py``, ``mvt_NAME.pt`` and ``README.md``.

    Raises:
        ExportError: a block that the target cannot express, or an installed ml-cvnets that does not build the model.
    """
    import torch

    from mvt_nas.export.cvnets.model_file import model_file
    from mvt_nas.export.cvnets.settings import settings_file
    from mvt_nas.export.model_names import registered_name
    from mvt_nas.export.renamed import renamed

    name = registered_name(subject.name)
    settings, model, weights, readme = (folder / file for file in (f"{name}.yaml", f"{name}.py", f"{name}.pt", "README.md"))
    model.write_text(model_file(subject, name), encoding="utf-8")
    settings.write_text(settings_file(subject, name), encoding="utf-8")
    torch.save(renamed(subject.module, "cvnets"), weights)
    words = {"name": name, "nearest": subject.nearest, "weights": subject.weights, "num_classes": subject.num_classes}
    readme.write_text(_README.format(**words), encoding="utf-8")
    _read_back(subject, settings, model, weights)
    params, run, notes = _built(subject, name, (model, settings, weights))
    return Written((settings, model, weights, readme), params, run, notes=notes)


def _read_back(subject: Subject, settings: Path, model: Path, weights: Path) -> None:
    """Check the architecture in settings and model file, and the names and shapes of the weights."""
    from mvt_nas.checkpoints.load import load_checkpoint
    from mvt_nas.export.reading import read_architecture
    from mvt_nas.network import build_model

    for path in (settings, model):
        if read_architecture(path).architecture != subject.architecture:
            raise ExportError(f"{path}: reads back as another architecture")
    dialect = load_checkpoint(build_model(subject.architecture, num_classes=subject.num_classes), weights)
    if dialect != "cvnets":
        raise ExportError(f"{weights}: reads back in the names of {dialect}, not cvnets")


def _built(subject: Subject, name: str, files: tuple[Path, Path, Path]) -> tuple[int | None, Run | None, tuple[str, ...]]:
    """Return parameters and logits of the model in ml-cvnets, where that is installed."""
    import numpy as np

    from mvt_nas.export.cvnets.installed import Installed

    if find_spec("cvnets") is None or find_spec("options") is None:
        return None, None, (_NOT_BUILT,)
    installed = Installed(name, files)
    installed.run(np.zeros(subject.input_shape, dtype=np.float32))
    return installed.params, installed.run, ()


TARGETS.register("cvnets")(
    Target(
        name="cvnets",
        summary="settings (.yaml), model (.py) and weights to train it in apple/ml-cvnets",
        write=write,
        refusal=lambda _: "only classifiers are written for ml-cvnets so far",
    )
)
