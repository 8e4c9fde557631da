"""Look of the page: themes, small screens, print, screen readers, text that looks like markup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from mvt_nas.nas.runs.run import Run
from mvt_nas.report.html.page import write_page
from tests.support.browser import chromium
from tests.support.report_runs import EVIL, evil_run, large_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return large_run(tmp_path_factory.mktemp("run") / "large", 400)


@pytest.fixture(scope="module")
def path(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page([run], tmp_path_factory.mktemp("page") / "report.html")


def opened(browser: Browser, path: Path, **how: Any) -> Page:
    page = browser.new_page(**how)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    return page


def drawn_whole(page: Page) -> Page:
    """Scroll through the page, so that every chart is drawn."""
    for top in range(0, page.evaluate("document.documentElement.scrollHeight"), 500):
        page.evaluate("top => scrollTo(0, top)", top)
        page.wait_for_timeout(50)
    page.wait_for_selector("#parallel .axis-brush")
    page.wait_for_selector("#growth .scatterlayer")
    return page


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 1400),
        ("dark", 390),
        pytest.param("light", 390, marks=pytest.mark.soak),
        pytest.param("dark", 1400, marks=pytest.mark.soak),
    ],
)
def test_an_accessibility_checker_finds_nothing(
    browser: Browser, path: Path, scheme: str, width: int
) -> None:
    page = drawn_whole(
        opened(browser, path, viewport={"width": width, "height": 900}, color_scheme=scheme)
    )
    page.get_by_text("The front as a table").click()
    page.locator("#choose").get_by_role("button", name="Pin candidate").first.click()
    found = Axe().run(page).response["violations"]
    page.close()
    assert [
        (one["id"], one["impact"], [node["html"][:120] for node in one["nodes"]][:3])
        for one in found
    ] == []


def test_the_checker_would_find_something(browser: Browser, path: Path) -> None:
    page = opened(browser, path)
    page.evaluate(
        "document.querySelector('#axis-x').closest('label').replaceWith(document.querySelector('#axis-x'))"
    )
    assert "select-name" in {one["id"] for one in Axe().run(page).response["violations"]}
    page.close()


def test_the_theme_follows_the_system_and_the_reader(browser: Browser, path: Path) -> None:
    page = opened(browser, path, color_scheme="dark")
    shade = "getComputedStyle(document.body).backgroundColor"
    ink = "document.getElementById('front-chart').layout.font.color"
    dark, dark_ink = page.evaluate(shade), page.evaluate(ink)
    button = page.get_by_role("button", name="Theme")
    button.click()
    expect(button).to_have_text("Theme: light")
    assert page.evaluate(shade) != dark
    assert page.evaluate(ink) != dark_ink
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    expect(button).to_have_text("Theme: light")
    button.click()
    assert page.evaluate(shade) == dark
    page.close()


@pytest.mark.parametrize(
    "width",
    [
        320,
        pytest.param(390, marks=pytest.mark.soak),
        pytest.param(768, marks=pytest.mark.soak),
    ],
)
def test_nothing_runs_out_of_a_small_screen(browser: Browser, path: Path, width: int) -> None:
    page = drawn_whole(opened(browser, path, viewport={"width": width, "height": 800}))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_it_prints_with_its_charts_and_without_its_controls(browser: Browser, path: Path) -> None:
    page = opened(browser, path)
    page.emulate_media(media="print")
    assert not page.locator("#axis-x").is_visible()
    assert not page.locator("#theme").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#front-table tbody tr").count() > 10
    assert set(page.evaluate("document.getElementById('front-chart').data.map(t => t.type)")) == {
        "scatter"
    }
    assert len(page.pdf()) > 50_000
    page.close()


def test_names_and_errors_stay_text(browser: Browser, run: Run, tmp_path: Path) -> None:
    page = browser.new_page()
    spoken: list[str] = []
    page.on("dialog", lambda dialog: (spoken.append(dialog.message), dialog.dismiss()))
    page.goto(write_page([evil_run(run)], tmp_path / "evil.html").as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    drawn_whole(page)
    page.get_by_text("The front as a table").click()
    expect(page.locator("#failures")).to_contain_text(EVIL)
    expect(page.locator("#published")).to_contain_text(EVIL)
    expect(page.locator("#baseline h3")).to_have_text(EVIL)
    expect(page.locator("#baseline")).to_contain_text("predicted accuracy (%)75given")
    trace = "document.getElementById('front-chart').data.find(t => t.name === 'your baseline')"
    assert page.evaluate(f"[{trace}.x[0], {trace}.y[0]]") == [9.0, 75.0]
    assert page.evaluate("document.querySelectorAll('main b, main img, main script').length") == 0
    assert spoken == []
    page.close()


def test_several_runs_stand_in_one_page(browser: Browser, run: Run, tmp_path: Path) -> None:
    other = large_run(tmp_path / "other", 200, seed=1)
    page = drawn_whole(opened(browser, write_page([run, other], tmp_path / "two.html")))
    names = page.evaluate("document.getElementById('front-chart').data.map(t => t.name)")
    assert [f"front of {one.folder}" in names for one in (run, other)] == [True, True]
    expect(
        page.locator("table", has_text="share of the joint hypervolume").locator("tbody tr")
    ).to_have_count(2)
    assert Axe().run(page).response["violations"] == []
    page.close()


def test_an_old_browser_is_told(browser: Browser, path: Path) -> None:
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(path.as_uri())
    expect(page.locator("#trouble")).to_contain_text("This browser is too old for the page")
    page.close()
