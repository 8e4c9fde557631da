"""apple/ml-cvnets: a YAML with the recipe, a Python file with the model, and its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mvt_nas._io import atomic_write, write_text
from mvt_nas._optional import installed
from mvt_nas.checkpoints.key_mapping import renamed_state_dict
from mvt_nas.checkpoints.load import load_checkpoint
from mvt_nas.errors import ExportError
from mvt_nas.export.base import (
    TARGETS,
    ExportedFiles,
    ExportModel,
    ExportTarget,
    read_architecture,
)
from mvt_nas.export.cvnets.model_file import encoder, model_file
from mvt_nas.export.cvnets.roundtrip import CvnetsRoundtrip
from mvt_nas.export.cvnets.task_yaml import TASK_KINDS
from mvt_nas.export.cvnets.yaml_file import settings_file
from mvt_nas.export.model import registered_name
from mvt_nas.models.network import build_model

if TYPE_CHECKING:
    from mvt_nas.export.base import Run
    from mvt_nas.tasks.base import Task

_NEW_HEAD = (
    "ml-cvnets trains a new head: weights are the backbone's, and the network has not been compared"
    " with its head"
)
_NOT_BUILT = (
    "ml-cvnets is not installed here: read back are the architecture and the weights, the model"
    " file has not been run"
)
_README = """\
# {name}

A network of mvt-nas for [apple/ml-cvnets](https://github.com/apple/ml-cvnets), tag `cvnets-v0.4`,
and the recipe of {nearest} to train it.
Set `root_train` and `root_val` in `{name}.yaml`, then, with `ML_CVNETS` the folder of ml-cvnets:

```sh
cp {name}.py "$ML_CVNETS/cvnets/models/classification/"
cvnets-train --common.config-file {name}.yaml --common.results-loc results/{name}
```

Add `--model.classification.pretrained {name}.pt` to start from the weights in `{name}.pt`
({weights}); for another number of classes than {num_classes}, also
`--model.resume-exclude-scopes classifier`. Without them ml-cvnets starts from PyTorch's own initial
weights: its settings `conv_init` and `linear_init` have no effect since its version 0.2.

Images are RGB with pixels in [0, 1].
"""
_README_OF_TASK = """\
# {name}

The backbone of a network for {task}, for
[apple/ml-cvnets](https://github.com/apple/ml-cvnets), tag `cvnets-v0.4`, and the recipe to train
it: {head} as released with MobileViT, values as for {nearest}.
Set `root_train` and `root_val` in `{name}.yaml`, and `dataset.name` for other images than
{dataset}; then, with `ML_CVNETS` the folder of ml-cvnets:

```sh
cp {name}.py "$ML_CVNETS/cvnets/models/classification/"
cvnets-train --common.config-file {name}.yaml --common.results-loc results/{name}
```

Add `--model.classification.pretrained {name}.pt` to start from the backbone in `{name}.pt`
({weights}). The head starts from ml-cvnets' own initial weights.
"""
_DATASETS = {"detection": "COCO's", "segmentation": "those of Pascal VOC"}


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``mvt_NAME.yaml``, ``mvt_NAME.py``, ``mvt_NAME.pt`` and ``README.md``.

    Raises:
        ExportError: The target cannot express a block, or the installed ml-cvnets does not build
            the model.
    """
    name = registered_name(model.name)
    settings = folder / f"{name}.yaml"
    path = folder / f"{name}.py"
    weights = folder / f"{name}.pt"
    readme = folder / "README.md"
    classifier = model if model.task is None else encoder(model)
    write_text(path, model_file(classifier, name), error=ExportError)
    write_text(settings, settings_file(model, name), error=ExportError)
    with atomic_write(weights, error=ExportError) as file:
        torch.save(renamed_state_dict(classifier.module, "cvnets"), file)
    write_text(readme, _readme(model, name), error=ExportError)
    _check_files(classifier, settings, path, weights)
    files = (settings, path, weights, readme)
    if model.task is not None:
        return ExportedFiles(files, None, None, notes=(_NEW_HEAD,))
    if not installed("cvnets") or not installed("options"):
        return ExportedFiles(files, None, None, notes=(_NOT_BUILT,))
    params, run = _built(model, CvnetsRoundtrip(name, (path, settings, weights)))
    return ExportedFiles(files, params, run)


def _readme(model: ExportModel, name: str) -> str:
    values = {
        "name": name,
        "nearest": model.nearest,
        "weights": model.weights,
        "num_classes": model.num_classes,
    }
    if model.task is None:
        return _README.format(**values)
    return _README_OF_TASK.format(
        **values,
        task=model.task.kind,
        head=model.task.head,
        dataset=_DATASETS[model.task.kind],
    )


def _check_files(model: ExportModel, settings: Path, model_path: Path, weights: Path) -> None:
    """Check the architecture in settings and model file, and names and shapes of the weights."""
    for path in (settings, model_path):
        if read_architecture(path).architecture != model.architecture:
            raise ExportError(f"{path}: reads back as another architecture")
    network = build_model(model.architecture, num_classes=model.num_classes)
    mapping = load_checkpoint(network, weights)
    if mapping != "cvnets":
        raise ExportError(f"{weights}: reads back in the names of {mapping}, not cvnets")


def _built(model: ExportModel, roundtrip: CvnetsRoundtrip) -> tuple[int, Run]:
    """Return number of parameters and run function of the model in the installed ml-cvnets."""
    # The number of parameters is known after the first run.
    roundtrip.run(np.zeros(model.input_shape, dtype=np.float32))
    return roundtrip.params, roundtrip.run


def _refusal(task: Task) -> str | None:
    if task.kind in TASK_KINDS:
        return None
    return f"ml-cvnets has models for {' and '.join(TASK_KINDS)} only"


TARGETS.register("cvnets")(
    ExportTarget(
        name="cvnets",
        summary="settings (.yaml), model (.py) and weights to train it in apple/ml-cvnets",
        write=write,
        refusal=_refusal,
    )
)
