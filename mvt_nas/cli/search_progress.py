"""Progress of a search: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from collections import Counter

import click
from tqdm import tqdm

from mvt_nas.cli.progress_bar import ProgressBar
from mvt_nas.metrics.binomial import format_accuracy
from mvt_nas.metrics.names import TRAINED, TRAINED_EPOCHS
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.incremental_hypervolume import IncrementalHypervolume
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.formatting import format_number

# Candidates between two lines in a log.
_EVERY = 25


class SearchProgress(ProgressBar):
    """Shows the progress of a search; a context manager that is called with each new candidate."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[str] = Counter()
        self._front: IncrementalHypervolume | None = None
        self._volume = 0.0
        self._seen = 0
        self._start = time.monotonic()

    def __call__(self, run: Run, candidate: Candidate) -> None:
        """Show a new candidate, or one that was trained further."""
        if run.promotion_begun:
            self._print_training(run, candidate)
            return
        done = len(run.candidates)
        front = self._front or self._first(run)
        front.add(candidate)
        self._counts[candidate.status] += 1
        self._seen += 1
        if self._seen == 1 or done % run.config.batch == 0 or done == run.config.trials:
            self._volume = front.hypervolume(run, exact=done == run.config.trials)
        if sys.stderr.isatty():
            self._draw(run, done)
        elif done % _EVERY == 0 or done == run.config.trials:
            self._log(run, done)

    def _first(self, run: Run) -> IncrementalHypervolume:
        """Count the candidates of a resumed run, all but the new one."""
        *before, _ = run.candidates.values()
        self._counts = Counter(other.status for other in before)
        self._front = IncrementalHypervolume()
        for candidate in before:
            self._front.add(candidate)
        return self._front

    def _print_training(self, run: Run, candidate: Candidate) -> None:
        self._close_bar()
        if candidate.error:
            click.echo(f"candidate {candidate.number} failed: {candidate.error}", err=True)
        else:
            training = run.config.training
            assert training is not None, "candidates are trained further"
            images = training.protocol.validation_images
            accuracy = format_accuracy(candidate.scores[TRAINED], images, 2, " %")
            epochs = candidate.scores[TRAINED_EPOCHS]
            click.echo(
                f"candidate {candidate.number}: {accuracy} after {epochs:.0f} epochs", err=True
            )

    def _draw(self, run: Run, done: int) -> None:
        if self._bar is None:
            self._bar = tqdm(
                total=run.config.trials,
                initial=done - 1,
                unit="cand",
                dynamic_ncols=True,
                file=sys.stderr,
            )
        self._bar.set_postfix_str(self._state(), refresh=False)
        self._bar.update(1)

    def _log(self, run: Run, done: int) -> None:
        rate = self._seen / max(time.monotonic() - self._start, 1e-9)
        left = (run.config.trials - done) / rate
        click.echo(
            f"{done}/{run.config.trials} candidates, {rate:.1f}/s, {left:.0f} s left,"
            f" {self._state()}",
            err=True,
        )

    def _state(self) -> str:
        return (
            f"feasible {self._counts['complete']}, failed {self._counts['failed']}, hypervolume"
            f" {format_number(self._volume)}"
        )
