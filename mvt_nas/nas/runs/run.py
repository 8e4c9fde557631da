"""A loaded run: configuration, space, candidates, front, measurements and baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mvt_nas._typing import FloatArray
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


def candidates_with_rungs(config: RunConfig, content: StoreContent) -> Mapping[int, Candidate]:
    """Return the candidates of a store, with the results of rungs once any was promoted.

    Before, this is the store's own mapping, which grows.
    """
    if not any(of == content.finished for of, _ in content.rungs):
        return content.candidates
    assert config.training is not None, "only trainings have rungs"
    return apply_rungs(
        content.finished_candidates(),
        content.rungs,
        content.results,
        config.costly_budgets,
        config.training.first,
    )


@dataclass(frozen=True, slots=True)
class Run:
    """The content of a run folder.

    Attributes:
        folder: Run folder.
        config: Configuration.
        space: Search space.
        candidates: Candidates by number; grows while a search is running.
        inputs: Device profiles and table of trained networks used by the run.
        measured: Measured latencies, by metric and key of the architecture.
        baselines: External networks for comparison.
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
            RunError: There is no run, or a damaged one.
        """
        path = Path(folder)
        config, space, content = read_run(path)
        return Run(
            folder=path,
            config=config,
            space=space,
            candidates=candidates_with_rungs(config, content),
            inputs=read_inputs(path, config),
            measured=read_measured(path),
            baselines=read_baselines(path),
        )

    @property
    def devices(self) -> Devices:
        """Device profiles of the predicted latencies, by metric."""
        return self.inputs.devices

    @property
    def promotion_begun(self) -> bool:
        """True if trainings have rungs and candidates are being promoted, or were."""
        training = self.config.training
        has_rungs = training is not None and bool(training.rungs)
        # Progress reads this for each candidate: scan them only where there are rungs.
        return has_rungs and any(
            TRAINED_EPOCHS in candidate.scores for candidate in self.candidates.values()
        )

    @property
    def directions(self) -> list[Direction]:
        """Direction of each objective."""
        return [objective.direction for objective in self.config.objectives]

    def complete(self) -> list[Candidate]:
        """Return the complete candidates, sorted by number."""
        return [
            self.candidates[n]
            for n in sorted(self.candidates)
            if self.candidates[n].status == "complete"
        ]

    def scores(self, candidates: list[Candidate]) -> FloatArray:
        """Return the objectives of candidates, (n, objectives)."""
        names = [objective.name for objective in self.config.objectives]
        return np.asarray(
            [[c.scores[name] for name in names] for c in candidates], dtype=np.float64
        ).reshape(-1, len(names))

    def front(self) -> list[Candidate]:
        """Return the non-dominated candidates, best in the first objective first; with ties."""
        candidates = self.complete()
        scores = self.scores(candidates)
        mask = pareto_front(scores, self.directions)
        front = [c for c, kept in zip(candidates, mask, strict=True) if kept]
        first = self.config.objectives[0]
        name = first.name
        return sorted(front, key=lambda c: (first.cost(c.scores[name]), c.number))

    def hypervolume(self) -> float:
        """Return the hypervolume of the front from the run's reference point."""
        reference = [self.config.reference[objective.name] for objective in self.config.objectives]
        return hypervolume(self.scores(self.complete()), self.directions, reference)

    def knee(self) -> int | None:
        """Return the number of the candidate at the knee of the front; None without a front.

        See :func:`mvt_nas.knee`.
        """
        candidates = self.complete()
        index = knee(self.scores(candidates), self.directions)
        return None if index is None else candidates[index].number

    def architecture(self, number: int) -> Architecture:
        """Return the architecture of a candidate.

        Raises:
            RunError: There is no candidate of this number.
        """
        if number not in self.candidates:
            raise RunError(
                f"{self.folder}: no candidate {number} (0 to {max(self.candidates, default=-1)})"
            )
        return self.space.decode(np.asarray(self.candidates[number].row, dtype=np.int32))
