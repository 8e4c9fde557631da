"""What is checked before a run folder is touched: numbers, budgets, and whether a run that is there is the same search."""

from __future__ import annotations

import datetime
import os
from dataclasses import replace
from pathlib import Path

from mvt_nas.errors import MetricError, RunError, SpaceError
from mvt_nas.nas.problem.config import RunConfig, differences
from mvt_nas.nas.problem.constraints import Feasibility, unsatisfiable_budgets
from mvt_nas.nas.problem.reference_point import reference_point
from mvt_nas.nas.runs.folder import read_config
from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext
from mvt_nas.space.search_space import SearchSpace


def check_numbers(config: RunConfig) -> None:
    """Check the numbers that a search was given, and the sampler's name.

    Raises:
        MetricError: one is not allowed.
        PluginError: there is no such sampler.
    """
    limits = {"trials": 1, "batch": 1, "seed": 0, "num_classes": 1}
    for name, low in limits.items():
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise MetricError(
                f"--{name.replace('_', '-')} {value} is not allowed; an integer from {low}"
            )
    SAMPLERS.get(config.sampler)


def check_resumable(config: RunConfig, folder: Path, resume: bool) -> RunConfig:
    """Return the configuration of the run that is in a folder, with the trials that are asked for.

    Raises:
        RunError: going on was not asked for, or the run there is another search.
    """
    if not resume:
        raise existing_run(folder)
    old = read_config(folder)
    if old.space_hash != config.space_hash:
        spaces = (
            f"{old.name}, hash {old.space_hash}; asked for {config.name}, hash {config.space_hash}"
        )
        raise RunError(f"{folder}: belongs to another space ({spaces})")
    different = "; ".join(differences(old, config))
    if different:
        raise RunError(
            f"{folder}: was started with other settings ({different}); leave them out to go on, or"
            " choose another --out"
        )
    return replace(
        old, trials=config.trials, training=config.training
    )  # the same pictures may lie elsewhere now


def existing_run(folder: Path) -> RunError:
    """Return the error for a folder that holds a run."""
    return RunError(
        f"{folder}: there is a run already; --resume goes on with it, another --out starts a"
        " new one"
    )


def prepare_search(config: RunConfig, feasibility: Feasibility) -> RunConfig:
    """Return the configuration of a new run with its reference point.

    Raises:
        SpaceError: no architecture meets the budgets on what is known; the message says which
            bounds could be met.
        MetricError: the sampler does not work on this space.
    """
    if not feasibility.satisfiable(config.seed):
        raise SpaceError(unsatisfiable_budgets(feasibility))
    budgets = tuple(config.costly_budgets)
    SAMPLERS.get(config.sampler)(
        SamplerContext(0, config.seed, 0, feasibility, config.objectives, budgets, config.batch)
    )
    return replace(
        config,
        reference=reference_point(config.objectives, feasibility, config.seed, config.training),
    )


def default_folder(name: str) -> Path:
    """Return the folder for a new run of a space."""
    return Path("results") / f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def source_of(space: SearchSpace | str | Path, folder: Path) -> str:
    """Return where a space comes from, for the run in a folder: a name, the path of a file from there, or nothing."""
    if isinstance(space, SearchSpace):
        return ""
    path = Path(space)
    return os.path.relpath(path.resolve(), folder.resolve()) if path.is_file() else str(space)
