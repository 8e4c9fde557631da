"""Starting and resuming searches: from arguments to a checked run folder, and from there to the loop.

All that can be wrong is found out before the folder is touched; whatever happens later, what is
finished stays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.cache.runner import CachedRunner
from mvt_nas.nas.cache.store import EvaluationCache, cache_path, wanted
from mvt_nas.nas.loop import Loop
from mvt_nas.nas.multi_fidelity.successive_halving import (
    SuccessiveHalving,
    candidates_to_promote,
    forget,
)
from mvt_nas.nas.options import ExecutionOptions, Listener, SearchResult, deadline_s
from mvt_nas.nas.problem.config import RunConfig, Scoring, surroundings
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.inputs import SearchInputs, read_inputs, write_inputs
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.nas.problem.repair import RepairStats
from mvt_nas.nas.problem.stopping_rule import NEVER, StoppingRule
from mvt_nas.nas.request import TrainingImages, resolve_request
from mvt_nas.nas.runners.base import Resources, Runner
from mvt_nas.nas.runners.process_pool import check_import
from mvt_nas.nas.runs.baseline import read_baselines
from mvt_nas.nas.runs.folder import (
    check_rows,
    exists,
    locked,
    make_folder,
    read_config,
    write_config,
)
from mvt_nas.nas.runs.latency_records import read_measured
from mvt_nas.nas.runs.random_baseline import sample_random_baseline, write_random_baseline
from mvt_nas.nas.runs.run import Run, candidates_with_rungs
from mvt_nas.nas.runs.store import Store
from mvt_nas.nas.stopping import stopping_reason
from mvt_nas.nas.validation import (
    check_numbers,
    check_resumable,
    default_folder,
    existing_run,
    prepare_search,
    source_of,
)
from mvt_nas.space.search_space import SearchSpace, load_space
from mvt_nas.tasks.base import task_from_text

DEFAULT_OBJECTIVES = ("accuracy:max", "latency_ms:min", "params:min")
DEFAULT_TRIALS = 200
DEFAULT_SAMPLER = "mvt"
_DEFAULT_SCORING = Scoring()
_NO_PICTURES = TrainingImages()


def search(
    space: SearchSpace | str | Path,
    *,
    objectives: Sequence[str | Objective] | None = None,
    budgets: Sequence[str | Budget] = (),
    tasks: Sequence[str] = (),
    trials: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    workers: int | None = None,
    runner: str | None = None,
    ray_address: str | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float = 0.0,
    out: str | Path | None = None,
    resume: bool = False,
    fix: Mapping[str, Any] | None = None,
    warm_start: bool = True,
    batch: int = 16,
    num_classes: int = 1000,
    scoring: Scoring = _DEFAULT_SCORING,
    accuracy_table: str | Path | None = None,
    pictures: TrainingImages = _NO_PICTURES,
    stop_when: str | None = None,
    minutes: float | None = None,
    cache: bool = True,
    listener: Listener | None = None,
) -> SearchResult:
    """Search a space and return the run, which also lies in the folder ``out``.

    Args:
        space: the space, its file, or the name of one that ships.
        objectives: ``NAME``, ``NAME:min`` or ``NAME:max``; the latency on a device is
            ``latency_ms@DEVICE``. By default predicted accuracy, latency on the default device, and
            parameters; where there are tasks, the latter are theirs.
        budgets: ``NAME<=VALUE`` or ``NAME>=VALUE``.
        tasks: heads with which the costs of backbones are known too, ``detection`` or
            ``segmentation,num_classes=4``; their metrics bear the name of the task,
            ``segmentation.macs``.
        trials: candidates to evaluate, warm start included; by default 200, or what the run was
            started with where it is resumed.
        sampler: name of the sampler; by default ``mvt``, or what the run was started with where it
            is resumed.
        seed: of everything random.
        workers: evaluations at a time, by default one, or all that a cluster has room for; the
            result does not depend on it.
        runner: what evaluates, ``local`` or ``ray``; by default ``ray`` where there is an address,
            else ``local``.
        ray_address: of a Ray cluster, ``auto`` or ``HOST:PORT``; without one, ``ray`` is started on
            this machine.
        cpus_per_trial: that Ray reserves for each evaluation.
        gpus_per_trial: that Ray reserves for each evaluation; may be a fraction.
        out: folder of the run; by default one below ``results`` named after the space and the time.
        resume: go on with the run that is there.
        fix: dimensions with one value each (see :meth:`SearchSpace.fix`).
        warm_start: evaluate the published models that are in the space first.
        batch: proposals between two looks at their results.
        num_classes: of the networks whose costs are counted.
        scoring: how proxies are evaluated.
        accuracy_table: file of trained networks (``mvt-nas bench train``) by which accuracy is
            predicted; by default the one that ships.
        pictures: with which candidates are trained where ``trained_accuracy`` is asked for; by
            default the digits.
        stop_when: ``stalled:N`` ends the search when the front's hypervolume has grown by no more
            than 0.1 % over the last N candidates; ``never`` lifts that. By default what the run was
            started with where it is resumed.
        minutes: no batch is begun after them; a batch that is under way is finished, and the first
            is always made.
        cache: whether evaluations that any search has made before are taken from the cache, and new
            ones kept there.
        listener: is told the run and each new candidate.

    Raises:
        MvtNasError: anything that a user can mend; nothing that was finished is lost.
    """
    loaded = space if isinstance(space, SearchSpace) else load_space(space)
    loaded = loaded.fix(fix) if fix else loaded
    folder = Path(out) if out is not None else default_folder(loaded.name)
    old = read_config(folder) if resume and exists(folder) else None
    aims = default_objectives(tasks) if objectives is None else objectives
    kept = (folder, old) if old else None
    asked = resolve_request(
        aims, budgets, tasks=tasks, accuracy_table=accuracy_table, pictures=pictures, old=kept
    )
    config = RunConfig(
        space=loaded.document,
        space_hash=loaded.hash,
        objectives=(),
        budgets=(),
        trials=trials if trials is not None else old.trials if old else DEFAULT_TRIALS,
        sampler=sampler if sampler is not None else old.sampler if old else DEFAULT_SAMPLER,
        seed=seed,
        batch=batch,
        warm_start=warm_start,
        num_classes=num_classes,
        scoring=scoring,
        stop_when=(
            StoppingRule.parse(stop_when)
            if stop_when is not None
            else old.stop_when
            if old
            else NEVER
        ),
        versions=surroundings(),
        source=source_of(space, folder),
    )
    resources = Resources(workers, ray_address, cpus_per_trial, gpus_per_trial)
    how = ExecutionOptions(resources, runner, cache, deadline_s(minutes), listener)
    return run_config(
        asked.into(config), folder, how, resume=resume, space=loaded, inputs=asked.inputs
    )


def default_objectives(tasks: Sequence[str]) -> tuple[str, ...]:
    """Return what is optimised where nobody says: accuracy, latency and parameters; of several tasks the latency of each."""
    kinds = [task.kind for task in map(task_from_text, tasks) if task is not None]
    if not kinds:
        return DEFAULT_OBJECTIVES
    costs = ("latency_ms", "params") if len(kinds) == 1 else ("latency_ms",)
    return (
        DEFAULT_OBJECTIVES[0],
        *(f"{Metric.parse(cost).for_task(kind)}:min" for kind in kinds for cost in costs),
    )


def run_config(
    config: RunConfig,
    folder: Path,
    how: ExecutionOptions,
    *,
    resume: bool,
    space: SearchSpace | None = None,
    inputs: SearchInputs | None = None,
) -> SearchResult:
    """Carry out a configuration in a folder (see :func:`search`); ``inputs`` are those of a new run."""
    check_import()
    check_numbers(config)
    how.check()
    if exists(folder):
        config = replace(check_resumable(config, folder, resume), stop_when=config.stop_when)
        with locked(folder):
            kept = read_inputs(folder, config)
            if config.training is not None:
                config.training.check()
            old = read_config(folder)
            now = replace(config, trials=max(config.trials, old.trials))
            if now != old:
                write_config(folder, now)
            return _run_locked(config, folder, None, space or config.search_space(), kept, how)
    inputs, space = inputs or SearchInputs(), space or config.search_space()
    feasibility = _feasibility(config, space, inputs)
    config = prepare_search(config, feasibility)
    make_folder(folder)
    with locked(folder):
        if exists(folder):  # another process was faster
            raise existing_run(folder)
        write_inputs(folder, inputs)
        write_config(folder, config)
        return _run_locked(config, folder, feasibility, space, inputs, how)


def resume_folder(
    folder: Path,
    *,
    trials: int | None,
    workers: int | None = None,
    listener: Listener | None = None,
) -> SearchResult:
    """Go on with the run in a folder, with its own configuration; ``trials`` may raise their number."""
    config = read_config(folder)
    config = config if trials is None else replace(config, trials=trials)
    return run_config(
        config, folder, ExecutionOptions(Resources(workers), listener=listener), resume=True
    )


def _run_locked(
    config: RunConfig,
    folder: Path,
    feasibility: Feasibility | None,
    space: SearchSpace,
    inputs: SearchInputs,
    how: ExecutionOptions,
) -> SearchResult:
    with contextlib.closing(Store(folder)) as store:
        check_rows(folder, space, store.content)
        measured, baselines = read_measured(folder), read_baselines(folder)

        def now() -> Run:
            return Run(
                folder,
                config,
                space,
                candidates_with_rungs(config, store.content),
                inputs,
                measured,
                baselines,
            )

        def tell_climbed(number: int) -> None:
            run = now()
            how.tell(run, run.candidates[number])

        reason, replaced, runner, about = (
            stopping_reason(config, store.content),
            RepairStats(),
            None,
            "",
        )
        if reason is not None and not candidates_to_promote(config, store.content):
            return SearchResult(now(), reason)
        try:
            with _runner(config, how) as runner:
                known = feasibility or _feasibility(config, space, inputs)
                if reason is None:
                    growing = replace(now(), candidates=store.content.candidates)
                    loop = Loop(config, known, store, runner, partial(how.tell, growing))
                    replaced = loop.replaced
                    reason = loop.run(how.until_s)
                    about = loop.about()
                    _keep_chance(config, folder, known, len(store.content.candidates))
                if reason != "minutes" and candidates_to_promote(config, store.content):
                    assert runner is not None
                    climb = SuccessiveHalving(config, known, store, runner, tell_climbed)
                    reason = reason if climb.run(how.until_s) else "minutes"
            forget(config, store)
        except KeyboardInterrupt:
            reason = "interrupted"
        return SearchResult(
            now(), reason, replaced, runner.found if isinstance(runner, CachedRunner) else 0, about
        )


def _keep_chance(config: RunConfig, folder: Path, known: Feasibility, trials: int) -> None:
    """Leave behind what a report compares the search with, where chance costs nothing to evaluate."""
    if trials and not config.costly:
        write_random_baseline(
            folder, config, sample_random_baseline(known, config.objectives, trials), trials
        )


def _feasibility(config: RunConfig, space: SearchSpace, inputs: SearchInputs) -> Feasibility:
    return Feasibility(inputs.known(space, config.num_classes), config.known_budgets)


@contextlib.contextmanager
def _runner(config: RunConfig, how: ExecutionOptions) -> Iterator[Runner | None]:
    """Hold the runner; none is needed where all metrics are known."""
    if not config.costly:
        yield None
        return

    def make() -> Runner:
        return how.make_runner(config.batch)

    with contextlib.closing(
        CachedRunner(EvaluationCache(cache_path()), make) if how.cache and wanted() else make()
    ) as runner:
        yield runner
