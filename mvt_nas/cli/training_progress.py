"""Progress of a training: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
from types import TracebackType

import click
from tqdm import tqdm

from mvt_nas.cli.progress_bar import ProgressBar
from mvt_nas.training.callbacks import Callbacks
from mvt_nas.training.history import METRIC_TITLES, EpochRecord, format_share
from mvt_nas.training.state import TrainingState


class TrainingProgress(ProgressBar):
    """Shows the progress of a training; a context manager."""

    def __init__(self) -> None:
        super().__init__()
        self._epochs, self._title = 0, ""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        if kind is KeyboardInterrupt:
            click.echo("Interrupted; the same command resumes from the last checkpoint.", err=True)

    def callbacks(self, epochs: int, kind: str) -> Callbacks:
        """Return the callbacks for a training of a number of epochs for a task."""
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
        self._close_bar()
        losses = f"loss {record.train_loss:.3f}, validation {record.plain.loss:.3f}"
        shares = (
            f"{self._title} {format_share(record.plain.main, record.plain, ' %')}, averaged weights"
            f" {format_share(record.average.main, record.average, ' %')}"
        )
        click.echo(
            f"epoch {record.epoch}/{self._epochs}: {losses}, {shares}, {record.seconds:.0f} s",
            err=True,
        )
