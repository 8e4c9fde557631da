"""Time to write and to open a report page, and its size, with 20,000 candidates and with 200."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._figures import Figure, figure
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.html.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The browser and the runs without evaluations are those of the tests.
sys.path.append(str(Path(__file__).resolve().parents[1]))
from tests.support.browser import chromium
from tests.support.report_runs import large_run

MANY, FEW = 20_000, 200
REPEATS = 5

_REDRAWN = """async () => {
    const box = document.getElementById('log-x');
    const chart = document.getElementById('front-chart');
    const start = performance.now();
    const drawn = new Promise((done) => chart.once('plotly_afterplot', done));
    box.click();
    await drawn;
    return (performance.now() - start) / 1000;
}"""


def run() -> list[Figure]:
    """Return the seconds to write, open and redraw pages, and their sizes in megabytes.

    Pages are rendered in software, without a GPU.
    """
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        pages: dict[int, Path] = {}
        for count in (MANY, FEW):
            searched = large_run(Path(folder) / str(count), count)
            path, seconds = _written(searched, Path(folder) / f"{count}.html")
            pages[count] = path
            figures += [
                figure(f"write, {count} candidates", [seconds], "s"),
                figure(f"size, {count} candidates", [path.stat().st_size / 1e6], "MB"),
            ]
        opened: dict[int, list[float]] = {MANY: [], FEW: []}
        redrawn: dict[int, list[float]] = {MANY: [], FEW: []}
        for _ in range(REPEATS):
            for count, path in pages.items():
                open_s, redraw_s = _opened(browser, path)
                opened[count].append(open_s)
                redrawn[count].append(redraw_s)
        for count in (MANY, FEW):
            figures.append(
                figure(
                    f"open until it can be used, {count} candidates",
                    opened[count],
                    "s",
                    "Chromium without a GPU",
                )
            )
            figures.append(figure(f"another axis, {count} candidates", redrawn[count], "s"))
        ratios = [many / few for many, few in zip(opened[MANY], opened[FEW], strict=True)]
        figures.append(figure(f"open {MANY} candidates, times as long as {FEW}", ratios, ""))
    return figures


def _written(run: Run, path: Path) -> tuple[Path, float]:
    """Write the page of a run, and return its path and the seconds that it took."""
    start = time.perf_counter()
    return write_page([run], path), time.perf_counter() - start


def _opened(browser: Browser, path: Path) -> tuple[float, float]:
    """Return the seconds until a page is ready, and until it is redrawn with another axis."""
    with browser.new_context(viewport={"width": 1400, "height": 1000}) as context:
        page = context.new_page()
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        return time.perf_counter() - start, float(page.evaluate(_REDRAWN))
