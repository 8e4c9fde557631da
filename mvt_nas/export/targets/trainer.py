"""A configuration for ``mvt-nas train``: architecture, recipe and, unless initial, weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mvt_nas._io import atomic_write, write_text
from mvt_nas.checkpoints.load import load_checkpoint
from mvt_nas.errors import ExportError
from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget
from mvt_nas.export.inference_module import inference_module, module_run
from mvt_nas.export.model import INITIAL_SEED
from mvt_nas.export.paper_recipe import recipe_for
from mvt_nas.models.network import build_model
from mvt_nas.training.config import TrainingConfig

if TYPE_CHECKING:
    from mvt_nas.models.network import Network, TaskNetwork


def write(model: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.yaml`` and, unless the weights are initial, ``NAME.pt``; read them back."""
    path = folder / f"{model.name}.yaml"
    weights = None if _has_initial_weights(model) else folder / f"{model.name}.pt"
    if weights is not None:
        with atomic_write(weights, error=ExportError) as file:
            torch.save(model.module.state_dict(), file)
    config = TrainingConfig(
        name=model.name,
        nearest=model.nearest,
        num_classes=model.num_classes,
        weights=weights,
        recipe=recipe_for(model),
        architecture=model.architecture,
        task=model.task,
    )
    write_text(path, config.to_yaml(path), error=ExportError)
    module = _network(TrainingConfig.load(path))
    note = (
        f"Train it with:  mvt-nas train {path} --data DIR  (the recipe is that of {model.nearest})"
    )
    return ExportedFiles(
        files=(path,) if weights is None else (path, weights),
        params=sum(weight.numel() for weight in module.parameters()),
        run=module_run(inference_module(replace(model, module=module))),
        notes=(note,),
    )


def _has_initial_weights(model: ExportModel) -> bool:
    """Return True if the weights are those of an export without checkpoint.

    They are not written, since a training initialises the network with its own seed.
    """
    initial = build_model(
        model.architecture, task=model.task, num_classes=model.num_classes, seed=INITIAL_SEED
    ).state_dict()
    state = model.module.state_dict()
    return all(torch.equal(value, initial[name]) for name, value in state.items())


def _network(config: TrainingConfig) -> Network | TaskNetwork:
    """Return the network of a configuration, in evaluation mode."""
    module = build_model(
        config.architecture, task=config.task, num_classes=config.num_classes, seed=INITIAL_SEED
    ).eval()
    if config.weights is not None:
        load_checkpoint(module, config.weights)
    return module


TARGETS.register("trainer")(
    ExportTarget(
        name="trainer",
        summary=(
            "a configuration for mvt-nas train (.yaml): the architecture and the nearest published"
            " model's recipe, value by value"
        ),
        write=write,
        tolerance=0.0,
    )
)
