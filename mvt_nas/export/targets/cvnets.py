"""apple/ml-cvnets: a YAML with the recipe of the nearest published model, a Python file with the model, and its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas._optional import installed
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget

if TYPE_CHECKING:
    from mvt_nas.export.base import Run
    from mvt_nas.tasks.base import Task

_WITH_A_HEAD = (
    "ml-cvnets trains a new head: weights are the backbone's, and the network has not been compared"
    " with its head"
)
_NOT_BUILT = (
    "ml-cvnets is not installed here: read back are the architecture and the weights, the model"
    " file has not been run"
)
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
_README_OF_TASK = """\
# {name}

The backbone of a network for {task}, for [apple/ml-cvnets](https://github.com/apple/ml-cvnets), tag `cvnets-v0.4`, and the recipe to train
it by: {head} as released with MobileViT, values as for {nearest}. Set `root_train` and `root_val` in `{name}.yaml`, and `dataset.name` for
other pictures than {pictures}; then, with `ML_CVNETS` the folder of ml-cvnets:

```sh
cp {name}.py "$ML_CVNETS/cvnets/models/classification/"
cvnets-train --common.config-file {name}.yaml --common.results-loc results/{name}
```

Add `--model.classification.pretrained {name}.pt` to begin with the backbone in `{name}.pt` ({weights}). The head begins with ml-cvnets' own
initial weights.
"""
_PICTURES = {"detection": "COCO's", "segmentation": "those of Pascal VOC"}


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``mvt_NAME.yaml``, ``mvt_NAME.py``, ``mvt_NAME.pt`` and ``README.md``.

    Raises:
        ExportError: a block that the target cannot express, or an installed ml-cvnets that does not
            build the model.
    """
    import torch

    from mvt_nas.export.cvnets.encoder import encoder
    from mvt_nas.export.cvnets.model_file import model_file
    from mvt_nas.export.cvnets.yaml_file import settings_file
    from mvt_nas.export.weight_names import registered_name, renamed_state_dict

    name = registered_name(subject.name)
    settings, model, weights, readme = (
        folder / file for file in (f"{name}.yaml", f"{name}.py", f"{name}.pt", "README.md")
    )
    own = subject if subject.task is None else encoder(subject)
    model.write_text(model_file(own, name), encoding="utf-8")
    settings.write_text(settings_file(subject, name), encoding="utf-8")
    torch.save(renamed_state_dict(own.module, "cvnets"), weights)
    readme.write_text(_readme(subject, name), encoding="utf-8")
    _read_back(own, settings, model, weights)
    if subject.task is not None:
        return ExportedFiles((settings, model, weights, readme), None, None, notes=(_WITH_A_HEAD,))
    params, run, notes = _built(subject, name, (model, settings, weights))
    return ExportedFiles((settings, model, weights, readme), params, run, notes=notes)


def _readme(subject: ExportModel, name: str) -> str:
    words = {
        "name": name,
        "nearest": subject.nearest,
        "weights": subject.weights,
        "num_classes": subject.num_classes,
    }
    if subject.task is None:
        return _README.format(**words)
    return _README_OF_TASK.format(
        **words,
        task=subject.task.kind,
        head=subject.task.head,
        pictures=_PICTURES[subject.task.kind],
    )


def _read_back(subject: ExportModel, settings: Path, model: Path, weights: Path) -> None:
    """Check the architecture in settings and model file, and the names and shapes of the weights."""
    from mvt_nas.checkpoints.load import load_checkpoint
    from mvt_nas.export.reading import read_architecture
    from mvt_nas.models.network import build_model

    for path in (settings, model):
        if read_architecture(path).architecture != subject.architecture:
            raise ExportError(f"{path}: reads back as another architecture")
    dialect = load_checkpoint(
        build_model(subject.architecture, num_classes=subject.num_classes), weights
    )
    if dialect != "cvnets":
        raise ExportError(f"{weights}: reads back in the names of {dialect}, not cvnets")


def _built(
    subject: ExportModel, name: str, files: tuple[Path, Path, Path]
) -> tuple[int | None, Run | None, tuple[str, ...]]:
    """Return parameters and logits of the model in ml-cvnets, where that is installed."""
    import numpy as np

    from mvt_nas.export.cvnets.roundtrip import CvnetsRoundtrip

    if not installed("cvnets") or not installed("options"):
        return None, None, (_NOT_BUILT,)
    roundtrip = CvnetsRoundtrip(name, files)
    roundtrip.run(np.zeros(subject.input_shape, dtype=np.float32))
    return roundtrip.params, roundtrip.run, ()


def _refusal(task: Task) -> str | None:
    from mvt_nas.export.cvnets.task_yaml import KINDS

    return None if task.kind in KINDS else f"ml-cvnets has models for {' and '.join(KINDS)} only"


TARGETS.register("cvnets")(
    ExportTarget(
        name="cvnets",
        summary="settings (.yaml), model (.py) and weights to train it in apple/ml-cvnets",
        write=write,
        refusal=_refusal,
    )
)
