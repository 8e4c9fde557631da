"""Doing a run again from what its folder says, and naming what came out otherwise, and what may be why.

What a search finds follows from ``run.yaml`` and the copies beside it. So it is done once more in a
folder that is thrown away, without the cache, and its candidates are compared with those that are
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mvt_nas.errors import MvtNasError, SpaceError
from mvt_nas.nas.api import run_config
from mvt_nas.nas.options import ExecutionOptions
from mvt_nas.nas.problem.config import RunConfig, surroundings
from mvt_nas.nas.problem.inputs import read_inputs
from mvt_nas.nas.problem.stopping_rule import NEVER
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.folder import read_config
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.runs.store import StoreContent, read
from mvt_nas.space.search_space import SearchSpace, load_space

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of doing a run again.

    Attributes:
        candidates: that were compared.
        differences: in words, the reasons before what they lead to; none where all is identical.
        notes: what is otherwise than it was, and made no difference.
    """

    candidates: int
    differences: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether the run is what it says that it is."""
        return not self.differences


def reproduce(folder: Path, how: ExecutionOptions) -> Reproduction:
    """Return what came of doing the run in a folder again.

    Args:
        folder: of the run.
        how: with which workers; its cache and its minutes are not used.

    Raises:
        RunError: there is no run, or its configuration cannot be read.
    """
    config = read_config(folder)
    changed = list(_inputs_changed(folder, config))
    if changed:
        return Reproduction(0, tuple(changed), tuple(_software_changed(config)))
    there = Run.load(folder)
    content = read(folder)
    found, here = _again(
        there, content, config, replace(how, cache=False, until_s=ExecutionOptions().until_s)
    )
    different = [*_candidates_changed(content, here), *_results_changed(content, here)]
    if different and there.promotion_begun == found.promotion_begun:
        different += _front_changed(there, found)
    space, unsaid = (
        list(_space_changed(folder, config)),
        [*_space_gone(folder, config), *_software_changed(config)],
    )
    reasons = [*space, *(unsaid if different else [])]
    return Reproduction(
        len(content.candidates), (*reasons, *different), tuple([] if different else unsaid)
    )


def _again(
    there: Run, content: StoreContent, config: RunConfig, how: ExecutionOptions
) -> tuple[Run, StoreContent]:
    """Return the run done again, as far as it went, in a folder that is gone when this returns, and what its store held."""
    settings = replace(config, trials=max(content.candidates, default=0) + 1, stop_when=NEVER)
    with TemporaryDirectory(prefix="mvt-nas-") as folder:
        result = run_config(
            settings,
            Path(folder) / "run",
            how,
            resume=False,
            space=there.space,
            inputs=there.inputs,
        )
        if result.interrupted:
            raise KeyboardInterrupt
        return result.run, read(Path(folder) / "run")


def _inputs_changed(folder: Path, config: RunConfig) -> Iterator[str]:
    """Yield why the run cannot be done again as it was."""
    space = SearchSpace(config.space, config.name)
    if space.hash != config.space_hash:
        yield (
            f"space: the copy in run.yaml was changed (hash {space.hash}, not {config.space_hash})"
        )
        yield from _space_changed(folder, config)
    checks: tuple[Callable[[], object], ...] = (
        lambda: read_inputs(folder, config),
        lambda: read(folder),
    )
    for check in (*checks, *([config.training.check] if config.training else [])):
        try:
            check()
        except MvtNasError as error:
            yield str(error)


def _space_changed(folder: Path, config: RunConfig) -> Iterator[str]:
    """Yield where the file of the space is otherwise now than the copy in the run."""
    if not config.source or any(_space_gone(folder, config)):
        return
    path = folder / config.source
    try:
        now = load_space(path if path.is_file() else config.source)
    except SpaceError as error:
        yield f"space: {config.source} cannot be read any more ({error})"
        return
    here, there = _flat(now.document), _flat(config.space)
    for name in [name for name in {**there, **here} if here.get(name) != there.get(name)][:_SHOWN]:
        yield (
            f"space: {name} is {_text(there.get(name))} in the run, {_text(here.get(name))} in"
            f" {config.source} now"
        )


def _space_gone(folder: Path, config: RunConfig) -> Iterator[str]:
    """Yield that the file of the space is not where it was: run or file were moved, which changes nothing of the run."""
    source = config.source
    if Path(source).suffix and not (folder / source).is_file() and not Path(source).is_file():
        yield f"space: {source} is not there any more"


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a document by their paths, without what was fixed for the run and what is said of it."""
    leaves: dict[str, Any] = {}
    for name, value in document.items():
        if not prefix and name in ("fix", "description", "name"):
            continue
        if isinstance(value, Mapping):
            leaves |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
            leaves |= _flat(
                {str(place): part for place, part in enumerate(value, 1)}, f"{prefix}{name}."
            )
        else:
            leaves[f"{prefix}{name}"] = value
    return leaves


def _text(value: object) -> str:
    return "missing" if value is None else str(value)


def _software_changed(config: RunConfig) -> Iterator[str]:
    here = surroundings()
    for name in [
        name for name in {**config.versions, **here} if here.get(name) != config.versions.get(name)
    ]:
        what = name if name == "processor" else f"version: {name}"
        yield f"{what} was {_text(config.versions.get(name))}, is {_text(here.get(name))} here"


def _candidates_changed(there: StoreContent, here: StoreContent) -> list[str]:
    """Return in words how the candidates of two stores differ."""
    parts = [
        (number, list(_candidate_changed(there.candidates[number], here.candidates.get(number))))
        for number in sorted(there.candidates)
    ]
    different = [(number, words) for number, words in parts if words]
    lines = [f"candidate {number}: {'; '.join(words)}" for number, words in different[:_SHOWN]]
    if len(different) > _SHOWN:
        lines.append(f"... {len(different)} of {len(there.candidates)} candidates differ")
    return lines


def _results_changed(there: StoreContent, here: StoreContent) -> list[str]:
    """Return in words where trainings that went on reached something else."""
    lines = []
    for (of, epochs), rung in sorted(there.rungs.items()):
        for number in rung.numbers if of == there.finished else ():
            one, other = there.results.get((number, epochs)), here.results.get((number, epochs))
            if one is not None and (other is None or other.accuracy != one.accuracy):
                reached = (
                    "is not trained so far"
                    if other is None
                    else f"reaches {_text(other.accuracy)} here"
                )
                lines.append(
                    f"candidate {number}, after {epochs} epochs {_text(one.accuracy)} there,"
                    f" {reached}"
                )
    return lines[:_SHOWN]


def _front_changed(there: Run, here: Run) -> list[str]:
    fronts = [{candidate.number for candidate in run.front()} for run in (there, here)]
    same = (
        f"front: {len(fronts[0])} candidates there, {len(fronts[1])} here,"
        f" {len(fronts[0] & fronts[1])} the same"
    )
    return [same] if fronts[0] != fronts[1] else []


def _candidate_changed(there: Candidate, here: Candidate | None) -> Iterator[str]:
    if here is None:
        yield "is not proposed again"
    elif here.key != there.key:
        yield f"is another architecture ({there.key} there, {here.key} here)"
    else:
        for name in [
            name
            for name in {**there.scores, **here.scores}
            if there.scores.get(name) != here.scores.get(name)
        ]:
            yield (
                f"{name} {_text(there.scores.get(name))} there, {_text(here.scores.get(name))} here"
            )
        if here.status != there.status:
            yield f"{there.status} there, {here.status} here"
