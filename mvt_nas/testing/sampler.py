"""Contract of a sampler."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mvt_nas.nas.api import search
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.samplers.base import SAMPLERS

TRIALS = 12


class SamplerContract:
    """Checks of a sampler by searches of the space ``tiny`` for few parameters and MACs.

    Attributes:
        name: Name of the sampler.
    """

    name: ClassVar[str]

    def run(
        self, folder: Path, *, trials: int = TRIALS, seed: int = 0, resume: bool = False
    ) -> Run:
        """Return a search of the space ``tiny`` within a budget."""
        result = search(
            "tiny",
            objectives=["macs", "params"],
            budgets=["params<=400K"],
            trials=trials,
            sampler=self.name,
            seed=seed,
            batch=4,
            warm_start=False,
            out=folder,
            resume=resume,
        )
        return result.run

    def test_it_is_registered(self) -> None:
        """The registry knows the name."""
        assert self.name in SAMPLERS

    def test_the_same_seed_gives_the_same_candidates(self, tmp_path: Path) -> None:
        """Nothing but the seed and finished trials decides a proposal."""
        assert _rows(self.run(tmp_path / "one")) == _rows(self.run(tmp_path / "two"))

    def test_candidates_are_feasible_and_different(self, tmp_path: Path) -> None:
        """No candidate breaks a budget, and none is evaluated twice."""
        run = self.run(tmp_path / "run")
        rows = _rows(run)
        assert len({tuple(row) for row in rows}) == len(rows) == TRIALS
        assert all(run.space.contains(run.architecture(number)) for number in run.candidates)
        assert all(candidate.scores["params"] <= 400e3 for candidate in run.candidates.values())

    def test_an_interruption_changes_nothing(self, tmp_path: Path) -> None:
        """A search that is ended early and resumed is that of one go."""
        whole = self.run(tmp_path / "whole")
        self.run(tmp_path / "parts", trials=TRIALS // 2)
        resumed = self.run(tmp_path / "parts", resume=True)
        assert _rows(resumed) == _rows(whole)


def _rows(run: Run) -> list[list[int]]:
    return [list(map(int, run.candidates[number].row)) for number in sorted(run.candidates)]
