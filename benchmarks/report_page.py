"""How long the page of a report takes to be written and opened, and how large it is, with 20,000 candidates against 200."""

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

sys.path.append(
    str(Path(__file__).resolve().parents[1])
)  # its browser, and its runs that nobody evaluated
from tests.support.browser import chromium
from tests.support.report_runs import large_run

MANY, FEW = 20_000, 200
REPEATS = 5

_REDRAWN = """async () => {
    const box = document.getElementById('log-x'), chart = document.getElementById('front-chart'), start = performance.now();
    const drawn = new Promise((done) => chart.once('plotly_afterplot', done));
    box.click();
    await drawn;
    return (performance.now() - start) / 1000;
}"""


def run() -> list[Figure]:
    """Return seconds to write, to open and to redraw, and megabytes; drawn by the processor, without a graphics card."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        opened: dict[int, list[float]] = {}
        pages = {
            count: _written(
                large_run(Path(folder) / str(count), count), Path(folder) / f"{count}.html"
            )
            for count in (MANY, FEW)
        }
        for count, (path, seconds) in pages.items():
            found += [
                figure(f"write, {count} candidates", [seconds], "s"),
                figure(f"size, {count} candidates", [path.stat().st_size / 1e6], "MB"),
            ]
        for _ in range(REPEATS):
            for count, (path, _) in pages.items():
                seconds, redrawn = _opened(browser, path)
                opened.setdefault(count, []).append(seconds)
                opened.setdefault(-count, []).append(redrawn)
        for count in (MANY, FEW):
            found.append(
                figure(
                    f"open until it can be used, {count} candidates",
                    opened[count],
                    "s",
                    "Chromium without a graphics card",
                )
            )
            found.append(figure(f"another axis, {count} candidates", opened[-count], "s"))
        ratios = [many / few for many, few in zip(opened[MANY], opened[FEW], strict=True)]
        found.append(figure(f"open {MANY} candidates, times as long as {FEW}", ratios, ""))
    return found


def _written(run: Run, path: Path) -> tuple[Path, float]:
    start = time.perf_counter()
    return write_page([run], path), time.perf_counter() - start


def _opened(browser: Browser, path: Path) -> tuple[float, float]:
    with browser.new_context(viewport={"width": 1400, "height": 1000}) as context:
        page = context.new_page()
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        return time.perf_counter() - start, float(page.evaluate(_REDRAWN))
