"""How to train a network with timm's script: the recipe of the nearest published model in its options."""

from __future__ import annotations

from mvt_nas.export.base import ExportModel
from mvt_nas.export.paper_recipe import devices, paper_of, recipe_for
from mvt_nas.training.recipe import Recipe

_COLUMNS = 110


def readme(subject: ExportModel, name: str) -> str:
    """Return the text of the ``README.md`` beside the model; ``name`` is that in timm."""
    recipe = recipe_for(subject)
    several = (
        f" {paper_of(subject)} varied the resolution between batches, which timm's script does not."
    )
    return f"""\
# {name}

A network of mvt-nas for [timm](https://github.com/huggingface/pytorch-image-models). With `TIMM` the folder of timm's repository, this
trains it by the recipe of {subject.nearest} on {devices(recipe)} devices:

```sh
{_command(recipe, subject.num_classes, name)}
```

`{name}.py` registers the model and then runs the script that it is given; in a program of your own, `import {name}` before
`timm.create_model("{name}")`. `--pretrained` begins with the weights in `{name}.pth` ({subject.weights}); another number of classes
gets a new classifier.

Images are RGB with pixels in [0, 1], neither shifted nor scaled.{several if recipe.batches.sampler != "fixed" else ""}
"""


def _command(recipe: Recipe, num_classes: int, name: str) -> str:
    words = [
        f"torchrun --nproc-per-node={devices(recipe)} {name}.py",
        '"$TIMM/train.py"',
        f"--model {name}",
        "--data-dir DATA",
    ]
    lines = [""]
    for word in (*words, f"--num-classes {num_classes}", *_pictures(recipe), *_steps(recipe)):
        if len(lines[-1]) + len(word) > _COLUMNS:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return "\n".join(lines)


def _pictures(recipe: Recipe) -> list[str]:
    given, side = recipe.augmentation, recipe.images.px
    optional = {
        f"--aa rand-m{given.rand_augment_magnitude}-n{given.rand_augment_operations}": (
            given.rand_augment_operations
        ),
        f"--reprob {given.erase_probability}": given.erase_probability,
        f"--mixup {given.mixup_alpha}": given.mixup_alpha,
        f"--cutmix {given.cutmix_alpha}": given.cutmix_alpha,
    }
    sizes = [
        f"--input-size 3 {side} {side}",
        f"--train-interpolation {recipe.images.interpolation}",
    ]
    return [
        *sizes,
        f"--batch-size {recipe.batches.images_per_device}",
        *(option for option, value in optional.items() if value),
    ]


def _steps(recipe: Recipe) -> list[str]:
    given, regularisation = recipe.optimisation, recipe.regularisation
    return [
        f"--epochs {given.epochs}",
        "--opt adamw",
        f"--opt-betas {given.beta1} {given.beta2}",
        f"--weight-decay {given.weight_decay}",
        "--sched cosine",
        f"--lr {given.largest_learning_rate:g}",
        f"--min-lr {given.last_learning_rate:g}",
        f"--warmup-lr {given.first_learning_rate:g}",
        f"--warmup-epochs {max(1, round(given.warmup_epochs))}",
        f"--smoothing {regularisation.label_smoothing}",
        "--model-ema",
        f"--model-ema-decay {1 - regularisation.ema_momentum}",
        "--amp",
        *([f"--clip-grad {given.clip_norm:g}"] if given.clip_norm else []),
        *(
            [f"--drop {regularisation.classifier_dropout}"]
            if regularisation.classifier_dropout
            else []
        ),
    ]
