"""How a training looks while it runs: a bar on a terminal, a line per epoch anywhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mvt_nas.fitting.heard import Heard
    from mvt_nas.fitting.rows import Row
    from mvt_nas.fitting.state import State


class Progress:
    """Shows what a training tells; to be used in a ``with`` block."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._epochs, self._title = 0, ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()
        if kind is KeyboardInterrupt:
            click.echo("Interrupted; the same command goes on from the last checkpoint.", err=True)

    def heard(self, epochs: int, kind: str) -> Heard:
        """Return what a training of so many epochs for a task tells this."""
        from mvt_nas.fitting.heard import Heard
        from mvt_nas.fitting.shares import SHARES

        self._epochs, self._title = epochs, next(iter(SHARES[kind].values()))
        return Heard(begun=lambda words: click.echo(f"Training: {words}", err=True), step=self._step, epoch=self._epoch)

    def _step(self, now: State, steps: int, loss: float, rate: float) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from tqdm import tqdm

            title = f"epoch {now.epoch + 1}/{self._epochs}"
            self._bar = tqdm(total=steps, initial=now.step - 1, desc=title, unit="step", dynamic_ncols=True, leave=False, file=sys.stderr)
        self._bar.set_postfix_str(f"loss {loss:.3f}, rate {rate:.2g}", refresh=False)
        self._bar.update(1)

    def _epoch(self, row: Row) -> None:
        self._close()
        found = f"loss {row.train_loss:.3f}, validation {row.plain.loss:.3f}"
        shares = f"{self._title} {100 * row.plain.main:.2f} %, averaged weights {100 * row.average.main:.2f} %"
        click.echo(f"epoch {row.epoch}/{self._epochs}: {found}, {shares}, {row.seconds:.0f} s", err=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
