"""The Python file that registers a network with timm, and the README with its training command.

The file needs only torch and timm. Its end is the text of ``model.txt``.

Source: the conventions of the models in huggingface/pytorch-image-models 1.0.
"""

from __future__ import annotations

import math
from pathlib import Path

from mvt_nas._version import __version__
from mvt_nas.export.base import ExportModel
from mvt_nas.export.metadata import python_constants
from mvt_nas.export.paper_recipe import device_count, family_name, recipe_for
from mvt_nas.export.python_source.network import classes
from mvt_nas.export.python_source.templates import class_name, filled
from mvt_nas.space.architecture import Architecture
from mvt_nas.training.recipe import Recipe

_HEAD = '''\
"""{name}: a network for timm, written by mvt-nas {version} from ARCHITECTURE.

    python {name}.py TIMM/train.py --model {name} ...  # or any other script of timm

or, after an import of this file, timm.create_model("{name}", pretrained=True).
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
_COLUMNS = 110


def model_file(model: ExportModel, name: str) -> str:
    """Return the text of the Python file.

    Args:
        model: The network.
        name: Name of the model in timm.

    Raises:
        ExportError: The network has a block without a template.
    """
    parts = (
        python_constants(model),
        classes(model),
        _model_class(model, name),
    )
    head = _HEAD.format(name=name, version=__version__)
    return f"{head}\n" + "\n\n\n".join(parts)


def _model_class(model: ExportModel, name: str) -> str:
    """Return the class with timm's conventions, its default configuration, and its registration."""
    architecture = model.architecture
    images = recipe_for(model).images
    final_side = math.ceil(architecture.resolution_px / _reductions(architecture)[-1])
    values = {
        "@NAME@": name,
        "@CLASS@": class_name(name),
        "@STEM@": str(architecture.stem_width),
        "@FEATURES@": str(architecture.head_width or architecture.stages[-1].width),
        "@FEATURE_INFO@": _feature_info(architecture),
        "@HEAD@": "x" if architecture.head_width is None else "self.head_conv(x)",
        "@SIDE@": str(architecture.resolution_px),
        "@POOL@": str(final_side),
        "@CROP@": str(round(images.px / images.validation_resize_px, 3)),
        "@INTERPOLATION@": images.interpolation,
        "@STAGES@": str(len(architecture.stages)),
    }
    text = Path(__file__).with_name("model.txt").read_text(encoding="utf-8")
    return filled(text, values)


def _reductions(architecture: Architecture) -> list[int]:
    """Return the ratio of the image's side to that of the output, for each stage."""
    reduction = 2  # of the stem
    reductions = []
    for stage in architecture.stages:
        reduction *= stage.stride
        reductions.append(reduction)
    return reductions


def _feature_info(architecture: Architecture) -> str:
    """Return the lines of ``feature_info``, one dictionary per stage."""
    lines = []
    for index, reduction in enumerate(_reductions(architecture)):
        width = architecture.stages[index].width
        lines.append(
            f'            {{"num_chs": {width}, "reduction": {reduction}, "module":'
            f' "stages.{index}"}},'
        )
    return "\n".join(lines)


def readme(model: ExportModel, name: str) -> str:
    """Return the text of ``README.md``, with the command that trains the model.

    Args:
        model: The network.
        name: Name of the model in timm.
    """
    recipe = recipe_for(model)
    varied_resolution = ""
    if recipe.batches.sampler != "fixed":
        varied_resolution = (
            f" {family_name(model)} varied the resolution between batches, which timm's script does"
            " not."
        )
    return f"""\
# {name}

A network of mvt-nas for [timm](https://github.com/huggingface/pytorch-image-models). With `TIMM`
the folder of timm's repository, this trains it with the recipe of {model.nearest} on
{device_count(recipe)} devices:

```sh
{_training_command(recipe, model.num_classes, name)}
```

`{name}.py` registers the model and then runs the given script; in a program of your own,
`import {name}` before `timm.create_model("{name}")`. `--pretrained` starts from the weights in
`{name}.pth` ({model.weights}); another number of classes gets a new classifier.

Images are RGB with pixels in [0, 1], neither shifted nor scaled.{varied_resolution}
"""


def _training_command(recipe: Recipe, num_classes: int, name: str) -> str:
    """Return the command, wrapped with backslashes."""
    options = [
        f"torchrun --nproc-per-node={device_count(recipe)} {name}.py",
        '"$TIMM/train.py"',
        f"--model {name}",
        "--data-dir DATA",
        f"--num-classes {num_classes}",
        *_image_options(recipe),
        *_optimisation_options(recipe),
    ]
    lines = [""]
    for option in options:
        if len(lines[-1]) + len(option) > _COLUMNS:
            lines[-1] += " \\"
            lines.append("   ")  # with the space before the option, an indentation of four
        lines[-1] = f"{lines[-1]} {option}" if lines[-1] else option
    return "\n".join(lines)


def _image_options(recipe: Recipe) -> list[str]:
    augmentation = recipe.augmentation
    side = recipe.images.px
    options = [
        f"--input-size 3 {side} {side}",
        f"--train-interpolation {recipe.images.interpolation}",
        f"--batch-size {recipe.batches.images_per_device}",
    ]
    if augmentation.rand_augment_operations:
        magnitude = augmentation.rand_augment_magnitude
        options.append(f"--aa rand-m{magnitude}-n{augmentation.rand_augment_operations}")
    if augmentation.erase_probability:
        options.append(f"--reprob {augmentation.erase_probability}")
    if augmentation.mixup_alpha:
        options.append(f"--mixup {augmentation.mixup_alpha}")
    if augmentation.cutmix_alpha:
        options.append(f"--cutmix {augmentation.cutmix_alpha}")
    return options


def _optimisation_options(recipe: Recipe) -> list[str]:
    optimisation = recipe.optimisation
    regularisation = recipe.regularisation
    options = [
        f"--epochs {optimisation.epochs}",
        "--opt adamw",
        f"--opt-betas {optimisation.beta1} {optimisation.beta2}",
        f"--weight-decay {optimisation.weight_decay}",
        "--sched cosine",
        f"--lr {optimisation.largest_learning_rate:g}",
        f"--min-lr {optimisation.last_learning_rate:g}",
        f"--warmup-lr {optimisation.first_learning_rate:g}",
        f"--warmup-epochs {max(1, round(optimisation.warmup_epochs))}",
        f"--smoothing {regularisation.label_smoothing}",
        "--model-ema",
        f"--model-ema-decay {1 - regularisation.ema_momentum}",
        "--amp",
    ]
    if optimisation.clip_norm:
        options.append(f"--clip-grad {optimisation.clip_norm:g}")
    if regularisation.classifier_dropout:
        options.append(f"--drop {regularisation.classifier_dropout}")
    return options
