"""Starting and resuming searches: from arguments to a checked run folder, and from there to the loop.

All that can be wrong is found out before the folder is touched; whatever happens later, what is finished stays.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mvt_nas.cost.names import COST_NAMES
from mvt_nas.cost.table import CostTable
from mvt_nas.engine.candidates import Candidate
from mvt_nas.engine.config import RunConfig, Scoring, differences, versions
from mvt_nas.engine.feasible import Feasibility
from mvt_nas.engine.folder import exists, locked, make_folder, read_config, write_config
from mvt_nas.engine.loop import Loop, warm_start
from mvt_nas.engine.objectives import Budget, parse_objectives
from mvt_nas.engine.reference import reference_point
from mvt_nas.engine.run import Run
from mvt_nas.engine.runners.contract import RUNNERS
from mvt_nas.engine.samplers.contract import SAMPLERS, SamplerContext
from mvt_nas.engine.store import Store
from mvt_nas.errors import MetricError, RunError, SpaceError
from mvt_nas.space.search_space import SearchSpace, load_space

DEFAULT_OBJECTIVES = ("channel_entropy:max", "macs:min", "params:min")

Listener = Callable[[Run, Candidate], None]


@dataclass(frozen=True, slots=True)
class Result:
    """How a search ended.

    Attributes:
        run: with all its candidates.
        exhausted: whether the space had nothing left before the trials were done.
        interrupted: whether Ctrl-C ended it.
    """

    run: Run
    exhausted: bool
    interrupted: bool


def search(
    space: SearchSpace | str | Path,
    *,
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    budgets: Sequence[str] = (),
    trials: int = 200,
    sampler: str = "nsga2",
    seed: int = 0,
    workers: int = 1,
    out: str | Path | None = None,
    resume: bool = False,
    fix: Mapping[str, Any] | None = None,
    warm_start: bool = True,
    batch: int = 16,
    num_classes: int = 1000,
    scoring: Scoring = Scoring(),
    listener: Listener | None = None,
) -> Result:
    """Search a space and return the run, which also lies in the folder ``out``.

    Args:
        space: the space, its file, or the name of one that ships.
        objectives: ``NAME``, ``NAME:min`` or ``NAME:max``.
        budgets: ``NAME<=VALUE`` or ``NAME>=VALUE``.
        trials: candidates to evaluate, warm start included.
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
        listener: is told the run and each new candidate.

    Raises:
        MvtNasError: anything that a user can mend; nothing that was finished is lost.
    """
    loaded = space if isinstance(space, SearchSpace) else load_space(space)
    loaded = loaded.fix(fix) if fix else loaded
    config = RunConfig(
        space=loaded.document,
        space_hash=loaded.hash,
        objectives=tuple(parse_objectives(objectives)),
        budgets=tuple(Budget.parse(text) for text in budgets),
        trials=trials,
        sampler=sampler,
        seed=seed,
        batch=batch,
        warm_start=warm_start,
        num_classes=num_classes,
        scoring=scoring,
        versions=versions(),
    )
    folder = Path(out) if out is not None else _default_folder(loaded.name)
    return run_config(config, folder, resume=resume, workers=workers, listener=listener, space=loaded)


def run_config(
    config: RunConfig, folder: Path, *, resume: bool, workers: int, listener: Listener | None = None, space: SearchSpace | None = None
) -> Result:
    """Carry out a configuration in a folder (see :func:`search`)."""
    _check_numbers(config, workers)
    if exists(folder):
        config = _continued(config, folder, resume)
    space = space or config.search_space()
    table = CostTable(space, num_classes=config.num_classes)
    if not exists(folder):
        config = _prepared(config, table)
        make_folder(folder)
    with locked(folder):
        if not exists(folder):
            write_config(folder, config)
        return _run_locked(config, folder, table, workers, listener)


def resume_folder(folder: Path, *, trials: int | None, workers: int, listener: Listener | None = None) -> Result:
    """Go on with the run in a folder, with its own configuration; ``trials`` may raise their number."""
    config = read_config(folder)
    return run_config(config if trials is None else replace(config, trials=trials), folder, resume=True, workers=workers, listener=listener)


def _run_locked(config: RunConfig, folder: Path, table: CostTable, workers: int, listener: Listener | None) -> Result:
    store = Store(folder)
    run = Run(folder, config, table.space, store.content.candidates)
    interrupted = exhausted = False
    with contextlib.closing(store):
        if store.content.exhausted or len(store.content.candidates) >= config.trials and _whole(store, config):
            return Result(run, store.content.exhausted, False)
        with _runner(config, workers) as runner:
            loop = Loop(config, table, store, runner, lambda candidate: listener(run, candidate) if listener else None)
            try:
                exhausted = loop.run()
            except KeyboardInterrupt:
                interrupted = True
    return Result(run, exhausted, interrupted)


def _whole(store: Store, config: RunConfig) -> bool:
    return sum(size for size, _ in store.content.batches) >= config.trials


@contextlib.contextmanager
def _runner(config: RunConfig, workers: int) -> Iterator[Any]:
    """Hold the runner; none is needed where all metrics are costs."""
    if not config.costly:
        yield None
        return
    with contextlib.closing(RUNNERS.get("local")(workers)) as runner:
        yield runner


def _check_numbers(config: RunConfig, workers: int) -> None:
    limits = {"trials": (config.trials, 1), "workers": (workers, 1), "batch": (config.batch, 1), "seed": (config.seed, 0), "num-classes": (config.num_classes, 1)}
    for name, (value, low) in limits.items():
        if value < low:
            raise MetricError(f"--{name} {value} is not allowed; an integer from {low}")
    SAMPLERS.get(config.sampler)


def _continued(config: RunConfig, folder: Path, resume: bool) -> RunConfig:
    """Return the configuration of the run that is there, once it is known to be the same search."""
    if not resume:
        raise RunError(f"{folder}: there is a run already; --resume goes on with it, another --out starts a new one")
    old = read_config(folder)
    different = differences(old, config)
    if old.space_hash != config.space_hash:
        raise RunError(f"{folder}: belongs to another space ({old.name}, hash {old.space_hash}; asked for {config.name}, hash {config.space_hash})")
    if different:
        raise RunError(f"{folder}: was started with other settings ({'; '.join(different)}); leave them out to go on, or choose another --out")
    return replace(old, trials=config.trials)


def _prepared(config: RunConfig, table: CostTable) -> RunConfig:
    """Return the configuration with its reference point, once its budgets are known to be satisfiable."""
    cheap = [budget for budget in config.budgets if budget.metric in COST_NAMES]
    feasibility = Feasibility(table, cheap)
    if not feasibility.satisfiable(config.seed):
        raise SpaceError(unsatisfiable(feasibility))
    SAMPLERS.get(config.sampler)(SamplerContext(0, config.seed, 0, feasibility))
    published = [row for _, row in warm_start(feasibility)]
    rows = np.asarray(published, dtype=np.int32).reshape(-1, len(table.space.dimensions))
    return replace(config, reference=reference_point(config.objectives, cheap, feasibility, rows, config.seed))


def unsatisfiable(feasibility: Feasibility) -> str:
    """Return one line that says which bounds could be met."""
    parts = []
    for tight in feasibility.tightest():
        sign = "<=" if tight.budget.at_most else ">="
        together = "not with the others" if tight.together is None else f"with the others {sign}{tight.together:.12g}"
        parts.append(f"{tight.budget}: tightest {sign}{tight.alone:.12g} alone, {together}")
    return f"no architecture of {feasibility.space.name} meets all budgets ({'; '.join(parts)})"


def _default_folder(name: str) -> Path:
    return Path("results") / f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
