"""Reproducing a run from its folder, and reporting differences with their likely causes.

The result of a search follows from ``run.yaml`` and the copies next to it. The search is repeated
in a temporary folder, without the cache, and its candidates are compared with the stored ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mvt_nas.errors import MvtNasError, SpaceError
from mvt_nas.metrics.names import ESTIMATED
from mvt_nas.nas.execution import start_run
from mvt_nas.nas.options import ExecutionOptions
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.environment import IMAGENET_ESTIMATE, environment, versions
from mvt_nas.nas.problem.inputs import read_inputs
from mvt_nas.nas.problem.stopping_rule import NEVER
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.folder import read_config
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.runs.store import StoreContent, read
from mvt_nas.space.search_space import SearchSpace, load_space

_MAX_LINES = 5
"""Number of differences of one kind that are listed."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The result of reproducing a run.

    Attributes:
        candidates: Number of compared candidates.
        differences: Descriptions of the differences, causes before effects; none if the run is
            identical.
        notes: Descriptions of what has changed without an effect.
    """

    candidates: int
    differences: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether the run was reproduced exactly."""
        return not self.differences


def reproduce(folder: Path, options: ExecutionOptions) -> Reproduction:
    """Repeat the run in a folder, and return how the results compare.

    Args:
        folder: Folder of the run.
        options: How to execute the run; the cache and the time limit are not used.

    Raises:
        RunError: There is no run, or its configuration cannot be read.
    """
    config = read_config(folder)
    obstacles = list(_changed_inputs(folder, config))
    if obstacles:
        return Reproduction(0, tuple(obstacles), ())
    stored_run = Run.load(folder)
    stored = read(folder)
    no_limit = ExecutionOptions().until_s
    repeated_run, repeated = _repeat(
        stored_run, stored, config, replace(options, cache=False, until_s=no_limit)
    )
    ignored = _newly_estimated(config)
    effects = [
        *_changed_candidates(stored, repeated, ignored),
        *_changed_results(stored, repeated),
    ]
    if effects and stored_run.promotion_begun == repeated_run.promotion_begun:
        effects += _changed_front(stored_run, repeated_run)
    causes = list(_changed_space(folder, config))
    possible_causes = [*_missing_space(folder, config), *_changed_environment(config)]
    if effects:
        return Reproduction(len(stored.candidates), (*causes, *possible_causes, *effects), notes=())
    return Reproduction(len(stored.candidates), tuple(causes), tuple(possible_causes))


def _repeat(
    stored_run: Run, stored: StoreContent, config: RunConfig, options: ExecutionOptions
) -> tuple[Run, StoreContent]:
    """Return the repeated run, as far as the stored one got, and the content of its store.

    Its folder is deleted before this returns.
    """
    config = replace(config, trials=max(stored.candidates, default=0) + 1, stop_when=NEVER)
    with TemporaryDirectory(prefix="mvt-nas-") as temporary:
        folder = Path(temporary) / "run"
        result = start_run(config, stored_run.inputs, stored_run.space, folder, options)
        if result.interrupted:
            raise KeyboardInterrupt
        return result.run, read(folder)


def _changed_inputs(folder: Path, config: RunConfig) -> Iterator[str]:
    """Yield reasons why the run cannot be repeated."""
    space = SearchSpace(config.space, config.name)
    if space.hash != config.space_hash:
        yield (
            f"space: the copy in run.yaml was changed (hash {space.hash}, not {config.space_hash})"
        )
        yield from _changed_space(folder, config)
    checks: list[Callable[[], object]] = [
        lambda: read_inputs(folder, config),
        lambda: read(folder),
    ]
    if config.training is not None:
        checks.append(config.training.check)
    for check in checks:
        try:
            check()
        except MvtNasError as error:
            yield str(error)


def _changed_space(folder: Path, config: RunConfig) -> Iterator[str]:
    """Yield differences between the run's copy of the space and its file."""
    if not config.source or any(_missing_space(folder, config)):
        return
    path = folder / config.source
    try:
        now = load_space(path if path.is_file() else config.source)
    except SpaceError as error:
        yield f"space: {config.source} cannot be read any more ({error})"
        return
    stored_values = _flatten(config.space)
    values_now = _flatten(now.document)
    changed = [
        name
        for name in {**stored_values, **values_now}
        if stored_values.get(name) != values_now.get(name)
    ]
    for name in changed[:_MAX_LINES]:
        yield (
            f"space: {name} is {_format(stored_values.get(name))} in the run,"
            f" {_format(values_now.get(name))} in {config.source} now"
        )


def _missing_space(folder: Path, config: RunConfig) -> Iterator[str]:
    """Yield a note if the file of the space is not there: run or file were moved."""
    source = config.source
    if Path(source).suffix and not (folder / source).is_file() and not Path(source).is_file():
        yield f"space: {source} is not there any more"


def _flatten(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a document by their paths.

    Dimensions that were fixed for the run, and what only describes the space, are left out.
    """
    leaves: dict[str, Any] = {}
    for name, value in document.items():
        if not prefix and name in ("fix", "description", "name"):
            continue
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            leaves |= _flatten(value, f"{path}.")
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            numbered = {str(number): item for number, item in enumerate(value, 1)}
            leaves |= _flatten(numbered, f"{path}.")
        else:
            leaves[path] = value
    return leaves


def _format(value: object) -> str:
    return "missing" if value is None else str(value)


def _changed_environment(config: RunConfig) -> Iterator[str]:
    """Yield differences between the software and processor of the run and those of today."""
    here = environment()
    for name in {**config.versions, **here}:
        stored = config.versions.get(name)
        if here.get(name) != stored:
            what = name if name == "processor" else f"version: {name}"
            yield f"{what} was {_format(stored)}, is {_format(here.get(name))} here"


def _newly_estimated(config: RunConfig) -> frozenset[str]:
    """Return the metrics that another version has estimated and the search did not depend on."""
    stored = config.versions.get(IMAGENET_ESTIMATE)
    used = any(metric.from_imagenet for metric in config.metrics)
    if used or stored == versions()[IMAGENET_ESTIMATE]:
        return frozenset()
    return frozenset(ESTIMATED)


def _changed_candidates(
    stored: StoreContent, repeated: StoreContent, ignored: frozenset[str]
) -> list[str]:
    """Return descriptions of the differences between the candidates of two stores."""
    lines = []
    for number in sorted(stored.candidates):
        differences = list(
            _changed_candidate(stored.candidates[number], repeated.candidates.get(number), ignored)
        )
        if differences:
            lines.append(f"candidate {number}: {'; '.join(differences)}")
    if len(lines) > _MAX_LINES:
        total = f"... {len(lines)} of {len(stored.candidates)} candidates differ"
        return [*lines[:_MAX_LINES], total]
    return lines


def _changed_results(stored: StoreContent, repeated: StoreContent) -> list[str]:
    """Return descriptions of promoted trainings that reached another accuracy."""
    lines = []
    for (finished, epochs), rung in sorted(stored.rungs.items()):
        if finished != stored.finished:
            continue
        for number in rung.numbers:
            old = stored.results.get((number, epochs))
            new = repeated.results.get((number, epochs))
            if old is None or (new is not None and new.accuracy == old.accuracy):
                continue
            if new is None:
                reached = "is not trained so far"
            else:
                reached = f"reaches {_format(new.accuracy)} here"
            lines.append(
                f"candidate {number}, after {epochs} epochs {_format(old.accuracy)} there,"
                f" {reached}"
            )
    return lines[:_MAX_LINES]


def _changed_front(stored: Run, repeated: Run) -> list[str]:
    old = {candidate.number for candidate in stored.front()}
    new = {candidate.number for candidate in repeated.front()}
    if old == new:
        return []
    return [f"front: {len(old)} candidates there, {len(new)} here, {len(old & new)} the same"]


def _changed_candidate(
    stored: Candidate, repeated: Candidate | None, ignored: frozenset[str]
) -> Iterator[str]:
    if repeated is None:
        yield "is not proposed again"
        return
    if repeated.key != stored.key:
        yield f"is another architecture ({stored.key} there, {repeated.key} here)"
        return
    for name in {**stored.scores, **repeated.scores}:
        if name in ignored:
            continue
        old, new = stored.scores.get(name), repeated.scores.get(name)
        if old != new:
            yield f"{name} {_format(old)} there, {_format(new)} here"
    if repeated.status != stored.status:
        yield f"{stored.status} there, {repeated.status} here"
