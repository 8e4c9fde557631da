"""Checks before a run folder is touched: sampler, budgets, and the settings of a resumed run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mvt_nas.errors import RunError, SpaceError
from mvt_nas.nas.problem.config import RunConfig, differences
from mvt_nas.nas.problem.constraints import Feasibility, unsatisfiable_budgets
from mvt_nas.nas.problem.reference_point import reference_point
from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext


def check_sampler(name: str) -> None:
    """Check that there is a sampler of a name.

    Raises:
        PluginError: There is none.
    """
    SAMPLERS.get(name)


def check_resumable(config: RunConfig, old: RunConfig, folder: Path) -> RunConfig:
    """Return the configuration of the run in a folder, with what may change when it is resumed.

    These are the trials, the stopping rule, and the place of the images.

    Raises:
        RunError: The run in the folder is another search.
    """
    if old.space_hash != config.space_hash:
        raise RunError(
            f"{folder}: belongs to another space ({old.name}, hash {old.space_hash}; asked for"
            f" {config.name}, hash {config.space_hash})"
        )
    different = "; ".join(differences(old, config))
    if different:
        raise RunError(
            f"{folder}: was started with other settings ({different}); leave them out to resume"
            " it, or choose another folder"
        )
    return replace(old, trials=config.trials, stop_when=config.stop_when, training=config.training)


def existing_run(folder: Path) -> RunError:
    """Return the error for a folder that contains a run."""
    return RunError(
        f"{folder}: there is a run already; resume it, or choose another folder",
        parameter="out",
    )


def prepare_search(config: RunConfig, feasibility: Feasibility) -> RunConfig:
    """Return the configuration of a new run with its reference point.

    Raises:
        SpaceError: No architecture meets the budgets on metrics that are known in advance; the
            message names bounds that can be met.
        MetricError: The sampler does not work on this space.
    """
    if not feasibility.satisfiable(config.seed):
        raise SpaceError(unsatisfiable_budgets(feasibility))
    _check_sampler_on_space(config, feasibility)
    reference = reference_point(config.objectives, feasibility, config.seed, config.training)
    return replace(config, reference=reference)


def _check_sampler_on_space(config: RunConfig, feasibility: Feasibility) -> None:
    """Check that the sampler works on the space, by making it.

    Raises:
        MetricError: It does not.
    """
    budgets = tuple(config.costly_budgets)
    context = SamplerContext(
        0, config.seed, 0, feasibility, config.objectives, budgets, config.batch
    )
    SAMPLERS.get(config.sampler)(context)
