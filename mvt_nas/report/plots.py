"""Plot of a run in files, by matplotlib, which is loaded only then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mvt_nas.errors import RunError, listing
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.front_plot import front_plot

SUFFIXES = (".png", ".svg", ".pdf")


def draw_plot(run: Run, path: Path) -> Path:
    """Draw a run into a file and return its path.

    Raises:
        RunError: Nothing is complete, the format is unknown, or the file cannot be written.
    """
    draw_formats(run, [path])
    return path


def draw_formats(run: Run, paths: Sequence[Path]) -> None:
    """Draw a run once, and save the figure in several files.

    Raises:
        RunError: As for :func:`draw_plot`.
    """
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise RunError(f"{path}: the suffix of a plot is {listing(SUFFIXES)}")
    from mvt_nas.report.front_figure import save_figure

    save_figure(front_plot(run), paths)
