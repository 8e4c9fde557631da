"""A run as it is read: configuration, space, candidates, front, what was measured of it, what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import RunError
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.names import TRAINED_EPOCHS
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.device_profiles import Devices
from mvt_nas.nas.problem.inputs import SearchInputs, read_inputs
from mvt_nas.nas.runs.baseline import Baseline, read_baselines
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.folder import read_run
from mvt_nas.nas.runs.latency_records import Measurements, read_measured
from mvt_nas.nas.runs.rungs import apply_rungs
from mvt_nas.nas.runs.store import StoreContent
from mvt_nas.pareto import hypervolume, knee, pareto_front
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import SearchSpace


def candidates_with_measurements(
    config: RunConfig, content: StoreContent
) -> Mapping[int, Candidate]:
    """Return the candidates of a store: itself as it grows, or what they reached where trainings have rungs and some have climbed."""
    if not any(of == content.finished for of, _ in content.rungs):
        return content.candidates
    assert config.training is not None, "only trainings have rungs"
    return apply_rungs(
        content.settled(),
        content.rungs,
        content.results,
        config.costly_budgets,
        config.training.first,
    )


@dataclass(frozen=True, slots=True)
class Run:
    """The content of a run folder.

    Attributes:
        folder: where it lies.
        config: what it does.
        space: that it searches.
        candidates: what it has found so far, by number; grows while a search works on it.
        inputs: the devices and the trained networks that it goes by.
        measured: latencies that were measured, by metric and key of the architecture.
        baselines: networks from elsewhere that it is compared with.
    """

    folder: Path
    config: RunConfig
    space: SearchSpace
    candidates: Mapping[int, Candidate]
    inputs: SearchInputs = field(default_factory=SearchInputs)
    measured: Measurements = field(default_factory=dict)
    baselines: tuple[Baseline, ...] = ()

    @staticmethod
    def load(folder: str | Path) -> Run:
        """Return the run in a folder.

        Raises:
            RunError: no run there, or a damaged one.
        """
        path = Path(folder)
        config, space, content = read_run(path)
        candidates, inputs = (
            candidates_with_measurements(config, content),
            read_inputs(path, config),
        )
        return Run(
            path, config, space, candidates, inputs, read_measured(path), read_baselines(path)
        )

    @property
    def devices(self) -> Devices:
        """The devices on which it predicts latency, by metric."""
        return self.inputs.devices

    @property
    def climbed(self) -> bool:
        """Whether its trainings have rungs, and the search for candidates for them is over."""
        training = (
            self.config.training
        )  # asked for each candidate that is told, so only where it may be
        rungs = training is not None and bool(training.rungs)
        return rungs and any(
            TRAINED_EPOCHS in candidate.scores for candidate in self.candidates.values()
        )

    @property
    def directions(self) -> list[Direction]:
        """The direction of each objective."""
        return [objective.direction for objective in self.config.objectives]

    def complete(self) -> list[Candidate]:
        """Return the complete candidates in order of their numbers."""
        return [
            self.candidates[n]
            for n in sorted(self.candidates)
            if self.candidates[n].status == "complete"
        ]

    def scores(self, candidates: list[Candidate]) -> NDArray[np.float64]:
        """Return the objectives of candidates, (n, objectives)."""
        names = [objective.name for objective in self.config.objectives]
        return np.asarray(
            [[c.scores[name] for name in names] for c in candidates], dtype=np.float64
        ).reshape(-1, len(names))

    def front(self) -> list[Candidate]:
        """Return the non-dominated candidates, best in the first objective first; ties stay."""
        candidates = self.complete()
        scores = self.scores(candidates)
        front = [
            c
            for c, kept in zip(candidates, pareto_front(scores, self.directions), strict=True)
            if kept
        ]
        first = self.config.objectives[0]
        name = first.name
        return sorted(front, key=lambda c: (first.cost(c.scores[name]), c.number))

    def hypervolume(self) -> float:
        """Return the hypervolume of the front from the run's reference point."""
        reference = [self.config.reference[objective.name] for objective in self.config.objectives]
        return hypervolume(self.scores(self.complete()), self.directions, reference)

    def knee(self) -> int | None:
        """Return the number of the candidate at the knee of the front (see :func:`mvt_nas.knee`); ``None`` where nothing is complete."""
        candidates = self.complete()
        index = knee(self.scores(candidates), self.directions)
        return None if index is None else candidates[index].number

    def architecture(self, number: int) -> Architecture:
        """Return the architecture of a candidate.

        Raises:
            RunError: there is no candidate of this number.
        """
        if number not in self.candidates:
            raise RunError(
                f"{self.folder}: no candidate {number} (0 to {max(self.candidates, default=-1)})"
            )
        return self.space.decode(np.asarray(self.candidates[number].row, dtype=np.int32))
