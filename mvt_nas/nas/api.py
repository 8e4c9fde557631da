"""The Python interface of searches: starting and resuming them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mvt_nas.errors import MetricError
from mvt_nas.nas.execution import resume_run, start_run
from mvt_nas.nas.options import ExecutionOptions, Listener, SearchResult, deadline_s
from mvt_nas.nas.problem.config import Scoring
from mvt_nas.nas.problem.inputs import read_inputs
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.nas.request import PreviousRun, SearchRequest, TrainingImages, resolve_request
from mvt_nas.nas.runners.base import Resources
from mvt_nas.nas.runners.process_pool import check_import
from mvt_nas.nas.runs.folder import exists, read_config
from mvt_nas.nas.validation import existing_run
from mvt_nas.space.search_space import SearchSpace, load_space


def search(
    space: SearchSpace | str | Path | None = None,
    *,
    objectives: Sequence[str | Objective] | None = None,
    budgets: Sequence[str | Budget] | None = None,
    tasks: Sequence[str] | None = None,
    trials: int | None = None,
    sampler: str | None = None,
    seed: int | None = None,
    workers: int | None = None,
    runner: str | None = None,
    ray_address: str | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float = 0.0,
    out: str | Path | None = None,
    resume: bool = False,
    fix: Mapping[str, Any] | None = None,
    warm_start: bool | None = None,
    batch: int | None = None,
    num_classes: int | None = None,
    scoring: Scoring | Mapping[str, object] | None = None,
    accuracy_table: str | Path | None = None,
    pictures: TrainingImages | None = None,
    stop_when: str | None = None,
    minutes: float | None = None,
    cache: bool = True,
    listener: Listener | None = None,
) -> SearchResult:
    """Search a space and return the run, which is also stored in the folder ``out``.

    A setting that is ``None`` is not given: a resumed run keeps its own, and a new run has the
    default.

    Args:
        space: The space, its file, or the name of a shipped one; by default that of the resumed
            run.
        objectives: ``NAME``, ``NAME:min`` or ``NAME:max``; the latency on a device is
            ``latency_ms@DEVICE``. By default predicted accuracy, latency on the default device, and
            parameters; with tasks, the latter are those of the tasks.
        budgets: ``NAME<=VALUE`` or ``NAME>=VALUE``; by default none.
        tasks: Heads with which the costs of backbones are known too, ``detection`` or
            ``segmentation,num_classes=4``; their metrics are named after the task, such as
            ``segmentation.macs``.
        trials: Number of candidates to evaluate, warm start included; 200 by default.
        sampler: Name of the sampler; ``mvt`` by default.
        seed: Random seed; 0 by default.
        workers: Number of parallel evaluations, on which the result does not depend; by default
            one, or as many as a cluster has room for.
        runner: Where to evaluate, ``local`` or ``ray``; by default ``ray`` if there is an address,
            else ``local``.
        ray_address: Address of a Ray cluster, ``auto`` or ``HOST:PORT``; without one, ``ray`` is
            started on this machine.
        cpus_per_trial: Number of CPUs that Ray reserves for each evaluation.
        gpus_per_trial: Number of GPUs that Ray reserves for each evaluation; may be a fraction.
        out: Folder of the run; by default one below ``results`` named after the space and the time.
        resume: Whether to resume the run in ``out``, if there is one.
        fix: Dimensions with one value each (see :meth:`SearchSpace.fix`).
        warm_start: Whether to evaluate the published models in the space first; True by default.
        batch: Number of candidates to propose before the sampler sees their results; 16 by default.
        num_classes: Number of classes of the networks for which costs are counted; 1000 by default.
        scoring: How to evaluate proxies: all settings, or some by name.
        accuracy_table: File of trained networks (``mvt-nas bench train``) with which accuracy is
            predicted; by default the shipped one.
        pictures: How to train candidates for the objective ``trained_accuracy``; by default on
            scikit-learn's digits.
        stop_when: ``stalled:N`` ends the search when the front's hypervolume has grown by no more
            than 0.1 % over the last N candidates; ``never``, the default, disables that.
        minutes: Time limit: no batch is started after it, a running batch is finished, and the
            first batch is always evaluated.
        cache: Whether to take evaluations from the cache of earlier searches, and to keep new ones
            there.
        listener: Callback with the run and each new candidate.

    Raises:
        MvtNasError: Any error that a user can fix; nothing that was finished is lost.
    """
    # First of all: the worker of an unguarded script would report the existing folder instead.
    check_import()
    previous = _previous_run(space, out, resume)
    loaded = _load_space(space, fix, previous)
    folder = _default_folder(loaded.name) if out is None else Path(out)
    request = SearchRequest(
        space=loaded,
        source=_source_of(space, folder),
        objectives=objectives,
        budgets=budgets,
        tasks=tasks,
        accuracy_table=accuracy_table,
        images=pictures,
        scoring=scoring,
        settings={
            "trials": trials,
            "sampler": sampler,
            "seed": seed,
            "warm_start": warm_start,
            "batch": batch,
            "num_classes": num_classes,
            "stop_when": stop_when,
        },
    )
    config, inputs = resolve_request(request, previous)
    resources = Resources(workers, ray_address, cpus_per_trial, gpus_per_trial)
    options = ExecutionOptions(resources, runner, cache, deadline_s(minutes), listener)
    execute = start_run if previous is None else resume_run
    return execute(config, inputs, loaded, folder, options)


def resume_folder(
    folder: Path,
    *,
    trials: int | None,
    workers: int | None = None,
    listener: Listener | None = None,
) -> SearchResult:
    """Resume the run in a folder with its own settings; ``trials`` may raise their number.

    Raises:
        MvtNasError: There is no run in the folder, or it cannot be resumed.
    """
    return search(out=folder, resume=True, trials=trials, workers=workers, listener=listener)


def _previous_run(
    space: SearchSpace | str | Path | None, out: str | Path | None, resume: bool
) -> PreviousRun | None:
    """Return the run that a search resumes, or ``None`` for a new search.

    Raises:
        MetricError: There is neither a space nor a run to resume.
        RunError: There is no run to resume, it cannot be read, or it is not to be resumed.
    """
    if space is None and (out is None or not resume):
        raise MetricError("missing; a space, or a run to resume", parameter="space")
    if out is None:
        return None
    folder = Path(out)
    if space is not None and not exists(folder):
        return None
    if not resume:
        raise existing_run(folder)
    config = read_config(folder)
    return PreviousRun(folder, config, read_inputs(folder, config))


def _load_space(
    space: SearchSpace | str | Path | None,
    fix: Mapping[str, Any] | None,
    previous: PreviousRun | None,
) -> SearchSpace:
    """Return the space of a search, with some dimensions fixed."""
    if space is None:
        assert previous is not None, "a search without a space resumes a run"
        loaded = previous.config.search_space()
    else:
        loaded = space if isinstance(space, SearchSpace) else load_space(space)
    return loaded.fix(fix) if fix else loaded


def _default_folder(name: str) -> Path:
    """Return the folder for a new run of a space."""
    return Path("results") / f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def _source_of(space: SearchSpace | str | Path | None, folder: Path) -> str:
    """Return the name of a shipped space, or the path of its file from the run folder.

    The result is empty if the space has neither.
    """
    if space is None or isinstance(space, SearchSpace):
        return ""
    path = Path(space)
    return os.path.relpath(path.resolve(), folder.resolve()) if path.is_file() else str(space)
