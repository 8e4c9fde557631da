"""A configuration for ``mvt-nas train``: architecture, all values of the nearest published model's recipe, and weights if there are any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.export.base import TARGETS, ExportedFiles, ExportModel, ExportTarget
from mvt_nas.export.paper_recipe import recipe_for
from mvt_nas.training.config import TrainingConfig

if TYPE_CHECKING:
    from mvt_nas.models.network import Network, TaskNetwork

_SEED = 0


def write(subject: ExportModel, folder: Path) -> ExportedFiles:
    """Write ``NAME.yaml``, and ``NAME.pt`` unless the weights are initial ones; return the network that both say."""
    import torch

    from mvt_nas.export.inference_module import inference_module, module_run

    path, weights = folder / f"{subject.name}.yaml", folder / f"{subject.name}.pt"
    begun = not _is_initial(subject)
    if begun:
        torch.save(subject.module.state_dict(), weights)
    config = TrainingConfig(
        name=subject.name,
        nearest=subject.nearest,
        num_classes=subject.num_classes,
        weights=weights if begun else None,
        recipe=recipe_for(subject),
        architecture=subject.architecture,
        task=subject.task,
    )
    path.write_text(config.to_yaml(path), encoding="utf-8")
    module = _network(TrainingConfig.load(path))
    run = module_run(inference_module(replace(subject, module=module)))
    note = (
        f"Train it with:  mvt-nas train {path} --data DIR  (the recipe is that of"
        f" {subject.nearest})"
    )
    return ExportedFiles(
        (path, weights) if begun else (path,),
        sum(p.numel() for p in module.parameters()),
        run,
        notes=(note,),
    )


def _is_initial(subject: ExportModel) -> bool:
    """Return whether the weights are those that networks are exported with by default: a training draws its own."""
    import torch

    from mvt_nas.models.network import build_model

    initial = build_model(
        subject.architecture, task=subject.task, num_classes=subject.num_classes, seed=_SEED
    ).state_dict()
    return all(
        torch.equal(value, initial[name]) for name, value in subject.module.state_dict().items()
    )


def _network(config: TrainingConfig) -> Network | TaskNetwork:
    from mvt_nas.checkpoints.load import load_checkpoint
    from mvt_nas.models.network import build_model

    module = build_model(
        config.architecture, task=config.task, num_classes=config.num_classes, seed=_SEED
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
