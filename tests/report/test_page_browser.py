"""The page in a real Chromium: what can be pointed at, set, pinned, brushed and typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mvt_nas.metrics.binomial import accuracy_interval
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.accuracy_notes import accuracy_notes
from mvt_nas.report.html.page import write_page
from tests.report.test_trained_accuracy import VALIDATION, trained_run, with_accuracies
from tests.support.browser import chromium
from tests.support.report_runs import LATENCY, large_run

CANDIDATES = 4_000
MANY = 20_000
pytestmark = pytest.mark.slow


@dataclass
class Opened:
    """A page with everything that it complained of."""

    page: Page
    run: Run
    complaints: list[str] = field(default_factory=list)

    def front(self) -> list[int]:
        """The numbers on the front from left to right, as the chart has them."""
        order = {c.number: (c.scores[LATENCY], c.number) for c in self.run.front()}
        return sorted(order, key=order.__getitem__)

    def drawn(self, name: str) -> list[int]:
        """The numbers of the candidates in a trace of the chart."""
        script = """name => document.getElementById('front-chart').data
            .filter(t => t.name.startsWith(name)).flatMap(t => Array.from(t.customdata))"""
        return [int(place) for place in self.page.evaluate(script, name)]

    def place_of(self, number: int) -> tuple[float, float]:
        """Where a candidate is on the screen, by the chart's own axes."""
        script = """number => {
            const chart = document.getElementById('front-chart'), layout = chart._fullLayout;
            chart.scrollIntoView({block: 'center'});
            const box = chart.getBoundingClientRect();
            const trace = chart.data.find(t => t.name === 'Pareto front');
            const place = Array.from(trace.customdata).indexOf(number);
            const {xaxis, yaxis} = layout;
            const x = box.left + xaxis._offset + xaxis.d2p(trace.x[place]);
            return [x, box.top + yaxis._offset + yaxis.d2p(trace.y[place])];
        }"""
        x, y = self.page.evaluate(script, number)
        return float(x), float(y)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return large_run(tmp_path_factory.mktemp("run") / "large", CANDIDATES)


@pytest.fixture(scope="module")
def path(large: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page([large], tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture
def opened(browser: Browser, path: Path, large: Run) -> Iterator[Opened]:
    with opened_page(browser, path, large) as found:
        yield found


@contextmanager
def opened_page(browser: Browser, path: Path, large: Run) -> Iterator[Opened]:
    with browser.new_context(
        viewport={"width": 1400, "height": 1000}, color_scheme="light"
    ) as context:
        page = context.new_page()
        found = Opened(page, large)
        page.on(
            "console",
            lambda message: (
                found.complaints.append(message.text) if message.type == "error" else None
            ),
        )
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                found.complaints.append(request.url)
                if not request.url.startswith(("file:", "data:", "blob:"))
                else None
            ),
        )
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        yield found
        assert found.complaints == []


def test_twenty_thousand_are_one_file_of_less_than_eight_megabytes(
    browser: Browser, tmp_path: Path
) -> None:
    run = large_run(tmp_path / "large", MANY)
    path = write_page([run], tmp_path / "report.html")
    assert 2e6 < path.stat().st_size < 8e6
    with opened_page(browser, path, run) as opened:
        assert len(opened.drawn("Pareto front")) == len(run.front())
        assert len(opened.drawn("candidates")) == MANY - len(run.front())
        expect(opened.page.locator("#summary")).to_contain_text("20,000 complete")


def test_pointing_shows_the_stages_and_clicking_pins(opened: Opened) -> None:
    number = opened.front()[len(opened.front()) // 2]
    opened.page.mouse.move(*opened.place_of(number))
    tip = opened.page.locator("#tip")
    expect(tip).to_be_visible()
    shown = int(tip.locator("strong").inner_text().split(",")[0].removeprefix("candidate "))
    architecture = opened.run.architecture(shown)
    widths = [str(stage.width) for stage in architecture.stages]
    assert tip.locator("svg text").all_text_contents() == widths
    assert tip.locator("svg rect").count() == len(architecture.stages)
    opened.page.mouse.click(*opened.place_of(number))
    expect(opened.page.locator("#pins-table thead")).to_contain_text(f"A: candidate {shown}")
    assert opened.drawn("pinned") == [shown]


def test_four_are_compared_stage_by_stage_and_a_fifth_is_refused(opened: Opened) -> None:
    page, chart = opened.page, opened.page.locator("#front-chart")
    chart.focus()
    chosen = opened.front()[:4]
    for _ in chosen:
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
    assert opened.drawn("pinned") == chosen
    headers = page.locator("#pins-table thead th").all_inner_texts()
    origins = [opened.run.candidates[number].origin for number in chosen]
    names = ["" if origin == "sampler" else f", {origin}" for origin in origins]
    assert [header.split("\n")[0] for header in headers[1:]] == [
        f"{letter}: candidate {number}{name}"
        for letter, number, name in zip("ABCD", chosen, names, strict=True)
    ]
    for stage in range(1, 6):
        cells = (
            page.locator("#pins-table tbody")
            .nth(2 + stage)
            .locator("tr", has=page.locator("th", has_text="width"))
            .first.locator("td")
        )
        widths = [opened.run.architecture(number).stages[stage - 1].width for number in chosen]
        assert cells.all_inner_texts() == [f"{width:,}" for width in widths]
        assert (cells.first.get_attribute("class") or "").count("differs") == (len(set(widths)) > 1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text("Four candidates are pinned; remove one first.")
    page.get_by_role("button", name=re.compile(rf"^Unpin candidate {chosen[0]}\b")).click()
    assert opened.drawn("pinned") == chosen[1:]


def test_the_keyboard_walks_along_the_front(opened: Opened) -> None:
    page, front = opened.page, opened.front()
    page.locator("#front-chart").focus()
    for key, number in (
        ("ArrowRight", front[0]),
        ("ArrowRight", front[1]),
        ("End", front[-1]),
        ("ArrowRight", front[-1]),
        ("ArrowLeft", front[-2]),
        ("Home", front[0]),
    ):
        page.keyboard.press(key)
        expect(page.locator("#said")).to_contain_text(
            f"candidate {number}: predicted accuracy (%)".replace(":", "", 0)
        )
        assert opened.drawn("here") == [number]
    page.keyboard.press("Escape")
    assert opened.drawn("here") == []


def test_axes_scales_and_dimensions_can_be_chosen(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("Across").select_option("macs")
    axis = page.evaluate(
        "(({title, type}) => [title.text,"
        " type])(document.getElementById('front-chart').layout.xaxis)"
    )
    assert axis == ["MACs", "log"]
    page.locator("#log-x").uncheck()
    assert page.evaluate("document.getElementById('front-chart').layout.xaxis.type") == "linear"
    page.get_by_label("Colour").select_option("memory_mb")
    assert (
        page.evaluate("document.getElementById('front-chart').layout.coloraxis.colorbar.title.text")
        == "peak activation memory (MB)"
    )
    page.locator("#three").check()
    assert set(page.evaluate("document.getElementById('front-chart').data.map(t => t.type)")) == {
        "scatter3d"
    }
    assert (
        page.evaluate("document.getElementById('front-chart').layout.scene.xaxis.title.text")
        == "MACs"
    )
    page.locator("#three").uncheck()
    page.locator("#with-others").uncheck()
    assert opened.drawn("candidates") == []


def test_limits_leave_what_meets_them(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("parameters, at most").fill("3000000")
    small = {c.number for c in opened.run.complete() if c.scores["params"] <= 3e6}
    expect(page.locator("#within")).to_contain_text(
        f"{len(small)} of {CANDIDATES:,} candidates are left."
    )
    assert set(opened.drawn("Pareto front")) == {c.number for c in opened.run.front()} & small
    best = max(small, key=lambda number: opened.run.candidates[number].scores["accuracy"])
    card = page.locator("#within .card").first
    expect(card).to_contain_text(f"candidate {best}")
    expect(card.locator("code")).to_have_text(
        f"mvt-nas export {opened.run.folder}:{best} --to trainer"
    )
    page.get_by_label("parameters, at most").fill("1")
    expect(page.locator("#within")).to_have_text(f"0 of {CANDIDATES:,} candidates are left.")
    page.get_by_label("parameters, at most").fill("")
    expect(page.locator("#within")).to_contain_text(f"{CANDIDATES:,} of {CANDIDATES:,}")


def test_brushing_an_axis_narrows_the_chart(opened: Opened) -> None:
    page = opened.page
    page.locator("#parallel").scroll_into_view_if_needed()
    page.wait_for_selector("#parallel .axis-brush")
    before = len(opened.drawn("Pareto front"))
    box = page.locator("#parallel .axis-brush").first.bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(x, box["y"] + 0.3 * box["height"], steps=4)
    page.mouse.move(x, box["y"] + 0.45 * box["height"], steps=4)
    page.mouse.up()
    expect(page.locator("#brushed")).to_contain_text("pass the brushes")
    low, high = page.evaluate(
        "document.getElementById('parallel').data[0].dimensions[0].constraintrange"
    )
    kept = {c.number for c in opened.run.front() if low <= c.scores["accuracy"] <= high}
    assert 0 < len(kept) < before
    assert set(opened.drawn("Pareto front")) == kept
    page.get_by_role("button", name="Clear the brushes").click()
    assert len(opened.drawn("Pareto front")) == before


def test_the_table_sorts_grows_and_pins(opened: Opened) -> None:
    page = opened.page
    page.get_by_text("The front as a table").click()
    rows = page.locator("#front-table tbody tr")
    expect(rows).to_have_count(min(50, len(opened.run.front())))
    page.locator("#front-table").get_by_role("button", name="parameters").click()
    fewest = min(opened.run.front(), key=lambda c: c.scores["params"])
    expect(rows.first).to_contain_text(f"{fewest.scores['params']:,.0f}")
    page.locator("#more").click()
    assert rows.count() > 50
    rows.first.get_by_role("button").click()
    expect(rows.first.get_by_role("button")).to_have_text("Pinned")
    assert opened.drawn("pinned") == [fewest.number]


def test_a_command_is_copied(opened: Opened) -> None:
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    card = opened.page.locator("#choose .card").first
    card.get_by_role("button", name="Copy").click()
    expect(opened.page.locator("#said")).to_have_text("Copied.")
    assert (
        opened.page.evaluate("navigator.clipboard.readText()") == card.locator("code").inner_text()
    )


def test_trained_accuracies_have_their_interval_and_doubts(
    browser: Browser, tmp_path: Path
) -> None:
    run = with_accuracies(trained_run(tmp_path / "run"), [12.0, 14.0, 18.0])
    page_file = write_page([run], tmp_path / "report.html")
    with opened_page(browser, page_file, run) as found:
        notes = found.page.locator("#notes p")
        expect(notes).to_have_text(list(accuracy_notes(run)))
        expect(found.page.locator("#notes")).to_contain_text("2 of 3 trainings have not left")
        found.page.get_by_text("The front as a table").click()
        best = found.page.locator("#front-table tbody tr").first
        low, high = accuracy_interval(18.0, VALIDATION)
        expect(best).to_contain_text(f"18 ({low:.2f} to {high:.2f})")
