"""Execution of a search in its run folder: a new run, or one that is resumed.

Everything that can be wrong is found before the folder is touched. What is finished stays on disk,
whatever happens later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from mvt_nas.nas.cache.runner import CachedRunner
from mvt_nas.nas.cache.store import EvaluationCache, cache_path, wanted
from mvt_nas.nas.loop import Loop
from mvt_nas.nas.multi_fidelity.successive_halving import (
    SuccessiveHalving,
    candidates_to_promote,
    forget,
)
from mvt_nas.nas.options import ExecutionOptions, SearchResult
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.inputs import SearchInputs, write_inputs
from mvt_nas.nas.problem.repair import RepairStats
from mvt_nas.nas.problem.stopping_rule import Reason
from mvt_nas.nas.runners.base import Runner
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
from mvt_nas.nas.validation import existing_run, prepare_search
from mvt_nas.space.search_space import SearchSpace


def start_run(
    config: RunConfig,
    inputs: SearchInputs,
    space: SearchSpace,
    folder: Path,
    options: ExecutionOptions,
) -> SearchResult:
    """Run a new search.

    Args:
        config: Configuration of the search; its reference point is computed here.
        inputs: Inputs of the search, of which the folder gets copies.
        space: The space of the configuration.
        folder: Folder of the run, which must not contain one yet.
        options: How the search is executed.

    Raises:
        MvtNasError: The search cannot be started, or the folder contains a run.
    """
    check_import()
    options.check()
    feasibility = _compile(config, inputs, space)
    config = prepare_search(config, feasibility)
    make_folder(folder)
    with locked(folder):
        if exists(folder):  # another process was faster
            raise existing_run(folder)
        write_inputs(folder, inputs)
        write_config(folder, config)
        return _execute(config, inputs, space, folder, options, feasibility)


def resume_run(
    config: RunConfig,
    inputs: SearchInputs,
    space: SearchSpace,
    folder: Path,
    options: ExecutionOptions,
) -> SearchResult:
    """Resume the run in a folder.

    Args:
        config: Configuration of the run, with the number of trials to reach.
        inputs: Inputs of the run, read from the folder.
        space: The space of the configuration.
        folder: Folder of the run.
        options: How the search is executed.

    Raises:
        MvtNasError: The run cannot be resumed.
    """
    check_import()
    options.check()
    with locked(folder):
        if config.training is not None:
            config.training.check()
        _update_config(config, folder)
        return _execute(config, inputs, space, folder, options)


def _update_config(config: RunConfig, folder: Path) -> None:
    """Write what has changed; a run that is resumed with fewer trials keeps its larger number."""
    old = read_config(folder)
    new = replace(config, trials=max(config.trials, old.trials))
    if new != old:
        write_config(folder, new)


def _compile(config: RunConfig, inputs: SearchInputs, space: SearchSpace) -> Feasibility:
    """Return the feasible part of the space; compiling a large space takes seconds."""
    predictors = inputs.predictors(space, config.num_classes)
    return Feasibility(predictors, config.known_budgets)


def _execute(
    config: RunConfig,
    inputs: SearchInputs,
    space: SearchSpace,
    folder: Path,
    options: ExecutionOptions,
    feasibility: Feasibility | None = None,
) -> SearchResult:
    """Run a search in its locked folder; ``feasibility`` spares compiling the space again."""
    with contextlib.closing(Store(folder)) as store:
        check_rows(folder, space, store.content)
        execution = _Execution(config, inputs, space, folder, options, store)
        return execution.run(feasibility)


class _Execution:
    """One execution of a search, from the opened store to the result.

    Args:
        config: Configuration of the run.
        inputs: Inputs of the run.
        space: The space.
        folder: Folder of the run.
        options: How the search is executed.
        store: The opened store.
    """

    def __init__(
        self,
        config: RunConfig,
        inputs: SearchInputs,
        space: SearchSpace,
        folder: Path,
        options: ExecutionOptions,
        store: Store,
    ) -> None:
        self._config = config
        self._inputs = inputs
        self._space = space
        self._folder = folder
        self._options = options
        self._store = store
        self._measured = read_measured(folder)
        self._baselines = read_baselines(folder)
        self._repaired = RepairStats()
        self._cached = 0
        self._about = ""

    def run(self, feasibility: Feasibility | None) -> SearchResult:
        """Search until a reason to stop, and return the result; Ctrl-C is one of the reasons."""
        reason = stopping_reason(self._config, self._store.content)
        if reason is not None and not self._has_promotions():
            return SearchResult(self._snapshot(), reason)
        try:
            feasibility = feasibility or _compile(self._config, self._inputs, self._space)
            with _open_runner(self._config, self._options) as runner:
                try:
                    reason = self._evaluate(reason, feasibility, runner)
                finally:
                    self._cached = runner.found if isinstance(runner, CachedRunner) else 0
            forget(self._config, self._store)
        except KeyboardInterrupt:
            reason = "interrupted"
        return SearchResult(self._snapshot(), reason, self._repaired, self._cached, self._about)

    def _evaluate(
        self, reason: Reason | None, feasibility: Feasibility, runner: Runner | None
    ) -> Reason:
        """Evaluate candidates, then promote the best to longer trainings."""
        if reason is None:
            reason = self._propose(feasibility, runner)
        if reason == "minutes" or not self._has_promotions():
            return reason
        assert runner is not None, "only runs that train candidates promote them"
        halving = SuccessiveHalving(
            self._config, feasibility, self._store, runner, self._notify_promoted
        )
        return reason if halving.run(self._options.until_s) else "minutes"

    def _propose(self, feasibility: Feasibility, runner: Runner | None) -> Reason:
        """Run the sampler's loop, and return why it ended."""
        # The loop's candidates appear in this run as they are added to the store.
        run = replace(self._snapshot(), candidates=self._store.content.candidates)
        loop = Loop(
            self._config, feasibility, self._store, runner, partial(self._options.notify, run)
        )
        self._repaired = loop.replaced
        reason = loop.run(self._options.until_s)
        self._about = loop.about()
        self._write_random_baseline(feasibility)
        return reason

    def _write_random_baseline(self, feasibility: Feasibility) -> None:
        """Write what random sampling finds, for reports, if it costs no evaluations."""
        trials = len(self._store.content.candidates)
        if trials and not self._config.costly:
            baseline = sample_random_baseline(feasibility, self._config.objectives, trials)
            write_random_baseline(self._folder, self._config, baseline, trials)

    def _has_promotions(self) -> bool:
        return candidates_to_promote(self._config, self._store.content)

    def _notify_promoted(self, number: int) -> None:
        run = self._snapshot()
        self._options.notify(run, run.candidates[number])

    def _snapshot(self) -> Run:
        """Return the run as it is now."""
        candidates = candidates_with_rungs(self._config, self._store.content)
        return Run(
            self._folder,
            self._config,
            self._space,
            candidates,
            self._inputs,
            self._measured,
            self._baselines,
        )


@contextlib.contextmanager
def _open_runner(config: RunConfig, options: ExecutionOptions) -> Iterator[Runner | None]:
    """Hold the runner; none is needed if all metrics are known in advance."""
    if not config.costly:
        yield None
        return
    make = partial(options.make_runner, config.batch)
    use_cache = options.cache and wanted()
    opened = CachedRunner(EvaluationCache(cache_path()), make) if use_cache else make()
    with contextlib.closing(opened) as runner:
        yield runner
