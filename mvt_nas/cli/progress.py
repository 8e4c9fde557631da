"""Progress of searches and trainings: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.metrics.names import TRAINED, TRAINED_EPOCHS
from mvt_nas.report.formatting import format_number
from mvt_nas.training.history import METRIC_TITLES

if TYPE_CHECKING:
    from mvt_nas.nas.runs.candidate import Candidate
    from mvt_nas.nas.runs.incremental_hypervolume import IncrementalHypervolume
    from mvt_nas.nas.runs.run import Run
if TYPE_CHECKING:
    from mvt_nas.training.callbacks import Callbacks
    from mvt_nas.training.history import EpochRecord
    from mvt_nas.training.state import TrainingState

# Candidates between two lines in a log.
_EVERY = 25


class SearchProgress:
    """Shows the progress of a search; a context manager that is called with each new candidate."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._counts: Counter[str] = Counter()
        self._front: IncrementalHypervolume | None = None
        self._volume = 0.0
        self._seen = 0
        self._start = time.monotonic()

    def __enter__(self) -> SearchProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, run: Run, candidate: Candidate) -> None:
        """Show a new candidate, or one that was trained further."""
        if run.promotion_begun:
            self._print_training(candidate)
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
        from mvt_nas.nas.runs.incremental_hypervolume import IncrementalHypervolume

        *before, _ = run.candidates.values()
        self._counts = Counter(other.status for other in before)
        self._front = IncrementalHypervolume()
        for candidate in before:
            self._front.add(candidate)
        return self._front

    def _print_training(self, candidate: Candidate) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if candidate.error:
            click.echo(f"candidate {candidate.number} failed: {candidate.error}", err=True)
        else:
            accuracy, epochs = candidate.scores[TRAINED], candidate.scores[TRAINED_EPOCHS]
            click.echo(
                f"candidate {candidate.number}: {accuracy:.2f} % after {epochs:.0f} epochs",
                err=True,
            )

    def _draw(self, run: Run, done: int) -> None:
        if self._bar is None:
            from tqdm import tqdm

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


class TrainingProgress:
    """Shows the progress of a training; a context manager."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._epochs, self._title = 0, ""

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
        if kind is KeyboardInterrupt:
            click.echo("Interrupted; the same command resumes from the last checkpoint.", err=True)

    def callbacks(self, epochs: int, kind: str) -> Callbacks:
        """Return the callbacks for a training of a number of epochs for a task."""
        from mvt_nas.training.callbacks import Callbacks

        self._epochs = epochs
        self._title = next(iter(METRIC_TITLES[kind].values()))
        return Callbacks(
            on_start=lambda description: click.echo(f"Training: {description}", err=True),
            on_step=self._step,
            on_epoch_end=self._epoch,
        )

    def _step(
        self, state: TrainingState[EpochRecord], steps: int, loss: float, rate: float
    ) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from tqdm import tqdm

            title = f"epoch {state.epoch + 1}/{self._epochs}"
            self._bar = tqdm(
                total=steps,
                initial=state.step - 1,
                desc=title,
                unit="step",
                dynamic_ncols=True,
                leave=False,
                file=sys.stderr,
            )
        self._bar.set_postfix_str(f"loss {loss:.3f}, rate {rate:.2g}", refresh=False)
        self._bar.update(1)

    def _epoch(self, record: EpochRecord) -> None:
        self._close()
        losses = f"loss {record.train_loss:.3f}, validation {record.plain.loss:.3f}"
        shares = (
            f"{self._title} {100 * record.plain.main:.2f} %, averaged weights"
            f" {100 * record.average.main:.2f} %"
        )
        click.echo(
            f"epoch {record.epoch}/{self._epochs}: {losses}, {shares}, {record.seconds:.0f} s",
            err=True,
        )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
