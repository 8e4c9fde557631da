"""How a running search looks: a bar on a terminal, a line every so often in a log."""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.accuracy.names import TRAINED, TRAINED_EPOCHS
from mvt_nas.cli.tables import short

if TYPE_CHECKING:
    from mvt_nas.engine.candidates import Candidate
    from mvt_nas.engine.growing import GrowingFront
    from mvt_nas.engine.run import Run

_EVERY = 25


class Progress:
    """Counts candidates as they come; to be used in a ``with`` block and called with the run and each candidate."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._counts: Counter[str] = Counter()
        self._front: GrowingFront | None = None
        self._volume = 0.0
        self._seen = 0
        self._start = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, run: Run, candidate: Candidate) -> None:
        """Take note of a new candidate, or of one that was trained further."""
        if run.climbed:
            self._say_how_far(candidate)
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

    def _first(self, run: Run) -> GrowingFront:
        """Take note of the candidates that were there before, all but the one that is new."""
        from mvt_nas.engine.growing import GrowingFront

        *before, _ = run.candidates.values()
        self._counts = Counter(other.status for other in before)
        self._front = GrowingFront()
        for candidate in before:
            self._front.add(candidate)
        return self._front

    def _say_how_far(self, candidate: Candidate) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if candidate.error:
            click.echo(f"candidate {candidate.number} failed: {candidate.error}", err=True)
        else:
            accuracy, epochs = candidate.scores[TRAINED], candidate.scores[TRAINED_EPOCHS]
            click.echo(f"candidate {candidate.number}: {accuracy:.2f} % after {epochs:.0f} epochs", err=True)

    def _draw(self, run: Run, done: int) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=run.config.trials, initial=done - 1, unit="cand", dynamic_ncols=True, file=sys.stderr)
        self._bar.set_postfix_str(self._state(), refresh=False)
        self._bar.update(1)

    def _log(self, run: Run, done: int) -> None:
        rate = self._seen / max(time.monotonic() - self._start, 1e-9)
        left = (run.config.trials - done) / rate
        click.echo(f"{done}/{run.config.trials} candidates, {rate:.1f}/s, {left:.0f} s left, {self._state()}", err=True)

    def _state(self) -> str:
        return f"feasible {self._counts['complete']}, failed {self._counts['failed']}, hypervolume {short(self._volume)}"
