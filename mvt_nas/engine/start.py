"""Starting and resuming searches: from arguments to a checked run folder, and from there to the loop.

All that can be wrong is found out before the folder is touched; whatever happens later, what is finished stays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mvt_nas.engine.asked import Pictures, understood
from mvt_nas.engine.candidates import Candidate
from mvt_nas.engine.config import RunConfig, Scoring, versions
from mvt_nas.engine.feasible import Feasibility
from mvt_nas.engine.folder import check_rows, exists, locked, make_folder, read_config, write_config
from mvt_nas.engine.inputs import Inputs, read_inputs, write_inputs
from mvt_nas.engine.loop import Loop
from mvt_nas.engine.measured import read_measured
from mvt_nas.engine.objectives import Budget, Objective
from mvt_nas.engine.prepare import check_numbers, continued, default_folder, prepared, there_already
from mvt_nas.engine.repair import Replaced
from mvt_nas.engine.run import Run
from mvt_nas.engine.runners.contract import RUNNERS, Runner
from mvt_nas.engine.runners.processes import check_import
from mvt_nas.engine.store import Store
from mvt_nas.space.search_space import SearchSpace, load_space

DEFAULT_OBJECTIVES = ("accuracy:max", "latency_ms:min", "params:min")
DEFAULT_TRIALS = 200
_DEFAULT_SCORING = Scoring()
_NO_PICTURES = Pictures()

Listener = Callable[[Run, Candidate], None]


@dataclass(frozen=True, slots=True)
class Result:
    """How a search ended.

    Attributes:
        run: with all its candidates.
        exhausted: whether the space had nothing left before the trials were done.
        interrupted: whether Ctrl-C ended it.
        replaced: how many of this process's proposals were infeasible or known, and gave way to others.
    """

    run: Run
    exhausted: bool
    interrupted: bool
    replaced: Replaced = field(default_factory=Replaced)


def search(
    space: SearchSpace | str | Path,
    *,
    objectives: Sequence[str | Objective] = DEFAULT_OBJECTIVES,
    budgets: Sequence[str | Budget] = (),
    trials: int | None = None,
    sampler: str = "nsga2",
    seed: int = 0,
    workers: int = 1,
    out: str | Path | None = None,
    resume: bool = False,
    fix: Mapping[str, Any] | None = None,
    warm_start: bool = True,
    batch: int = 16,
    num_classes: int = 1000,
    scoring: Scoring = _DEFAULT_SCORING,
    accuracy_table: str | Path | None = None,
    pictures: Pictures = _NO_PICTURES,
    listener: Listener | None = None,
) -> Result:
    """Search a space and return the run, which also lies in the folder ``out``.

    Args:
        space: the space, its file, or the name of one that ships.
        objectives: ``NAME``, ``NAME:min`` or ``NAME:max``; the latency on a device is ``latency_ms@DEVICE``. By default predicted
            accuracy, latency on the default device, and parameters.
        budgets: ``NAME<=VALUE`` or ``NAME>=VALUE``.
        trials: candidates to evaluate, warm start included; by default 200, or what the run was started with where it is resumed.
        sampler: name of the sampler.
        seed: of everything random.
        workers: processes that evaluate; the result does not depend on it.
        out: folder of the run; by default one below ``results`` named after the space and the time.
        resume: go on with the run that is there.
        fix: dimensions with one value each (see :meth:`SearchSpace.fix`).
        warm_start: evaluate the published models that are in the space first.
        batch: proposals between two looks at their results.
        num_classes: of the networks whose costs are counted.
        scoring: how proxies are evaluated.
        accuracy_table: file of trained networks (``mvt-nas bench train``) by which accuracy is predicted; by default the one that ships.
        pictures: with which candidates are trained where ``trained_accuracy`` is asked for; by default the digits.
        listener: is told the run and each new candidate.

    Raises:
        MvtNasError: anything that a user can mend; nothing that was finished is lost.
    """
    loaded = space if isinstance(space, SearchSpace) else load_space(space)
    loaded = loaded.fix(fix) if fix else loaded
    folder = Path(out) if out is not None else default_folder(loaded.name)
    old = read_config(folder) if resume and exists(folder) else None
    asked = understood(objectives, budgets, accuracy_table=accuracy_table, pictures=pictures, old=(folder, old) if old else None)
    config = RunConfig(
        space=loaded.document,
        space_hash=loaded.hash,
        objectives=(),
        budgets=(),
        trials=trials if trials is not None else old.trials if old else DEFAULT_TRIALS,
        sampler=sampler,
        seed=seed,
        batch=batch,
        warm_start=warm_start,
        num_classes=num_classes,
        scoring=scoring,
        versions=versions(),
    )
    return run_config(asked.into(config), folder, resume=resume, workers=workers, listener=listener, space=loaded, inputs=asked.inputs)


def run_config(
    config: RunConfig,
    folder: Path,
    *,
    resume: bool,
    workers: int,
    listener: Listener | None = None,
    space: SearchSpace | None = None,
    inputs: Inputs | None = None,
) -> Result:
    """Carry out a configuration in a folder (see :func:`search`); ``inputs`` are those of a new run."""
    check_import()
    check_numbers(config, workers)
    if exists(folder):
        config = continued(config, folder, resume)
        with locked(folder):
            kept = read_inputs(folder, config)
            if config.training is not None:
                config.training.check()
            old = read_config(folder)
            if config.trials > old.trials or config.training != old.training:
                write_config(folder, replace(config, trials=max(config.trials, old.trials)))
            return _run_locked(config, folder, None, space or config.search_space(), kept, workers, listener)
    inputs, space = inputs or Inputs(), space or config.search_space()
    feasibility = _feasibility(config, space, inputs)
    config = prepared(config, feasibility)
    make_folder(folder)
    with locked(folder):
        if exists(folder):  # another process was faster
            raise there_already(folder)
        write_inputs(folder, inputs)
        write_config(folder, config)
        return _run_locked(config, folder, feasibility, space, inputs, workers, listener)


def resume_folder(folder: Path, *, trials: int | None, workers: int, listener: Listener | None = None) -> Result:
    """Go on with the run in a folder, with its own configuration; ``trials`` may raise their number."""
    config = read_config(folder)
    return run_config(config if trials is None else replace(config, trials=trials), folder, resume=True, workers=workers, listener=listener)


def _run_locked(
    config: RunConfig,
    folder: Path,
    feasibility: Feasibility | None,
    space: SearchSpace,
    inputs: Inputs,
    workers: int,
    listener: Listener | None,
) -> Result:
    replaced, interrupted = Replaced(), False
    with contextlib.closing(Store(folder)) as store:
        check_rows(folder, space, store.content)
        run = Run(folder, config, space, store.content.candidates, inputs, read_measured(folder))
        if not store.content.exhausted and store.content.finished < config.trials:
            try:
                with _runner(config, workers) as runner:
                    tell = (lambda candidate: listener(run, candidate)) if listener else (lambda candidate: None)
                    loop = Loop(config, feasibility or _feasibility(config, space, inputs), store, runner, tell)
                    replaced = loop.replaced
                    loop.run()
            except KeyboardInterrupt:
                interrupted = True
        return Result(run, store.content.exhausted and len(run.candidates) < config.trials, interrupted, replaced)


def _feasibility(config: RunConfig, space: SearchSpace, inputs: Inputs) -> Feasibility:
    return Feasibility(inputs.known(space, config.num_classes), config.known_budgets)


@contextlib.contextmanager
def _runner(config: RunConfig, workers: int) -> Iterator[Runner | None]:
    """Hold the runner; none is needed where all metrics are known."""
    if not config.costly:
        yield None
        return
    with contextlib.closing(RUNNERS.get("local")(min(workers, config.batch))) as runner:
        yield runner
