"""The documentation site: it builds offline without warnings, complete and self-contained."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
import yaml

import mvt_nas
from mvt_nas.cli.main import cli
from tests.support.browser import chromium

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
_BUILD = """
import socket, sys

def refused(*arguments, **named):
    print("a build asked for the network", file=sys.stderr)
    raise OSError("no network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refused
from mkdocs.__main__ import cli
cli(["build", "--strict", "--config-file", sys.argv[1], "--site-dir", sys.argv[2]])
"""
_LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "link": "href",
}


@dataclass(frozen=True, slots=True)
class Site:
    """A site that was built: where, and what was said of it."""

    folder: Path
    returncode: int
    said: str

    def pages(self) -> dict[str, str]:
        """Return all pages by their paths."""
        return {
            str(path.relative_to(self.folder)): path.read_text()
            for path in sorted(self.folder.rglob("*.html"))
        }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    environment = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    command = [sys.executable, "-c", _BUILD, str(ROOT / "mkdocs.yml"), str(folder)]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return Site(folder, result.returncode, result.stdout + result.stderr)


class _References(HTMLParser):
    """What a page loads, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get(_LOADS.get(tag, "")):
            self.loads.append(str(found[_LOADS[tag]]))
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))


def _in_nav(entry: object) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    for below in (
        entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
    ):
        yield from _in_nav(below)


def _commands(context: click.Context) -> Iterator[click.Context]:
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            assert command is not None
            yield from _commands(click.Context(command, info_name=name, parent=context))


def _sections(html: str) -> dict[str, str]:
    """Return the sections of a page as text without tags, by the identifiers of their headings."""
    parts = re.split(r'<h[23] id="([^"]+)">', html)
    return {
        name: unescape(re.sub(r"<[^>]+>", "", text))
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_it_builds_without_a_warning_and_without_a_network(site: Site) -> None:
    assert site.returncode == 0, site.said
    for word in ("WARNING", "ERROR", "asked for the network"):
        assert word not in site.said


def test_every_page_is_in_the_navigation_and_in_the_site(site: Site) -> None:
    nav = list(_in_nav(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(nav) == sorted({*written, "overview.md", "changelog.md", "contributing.md"})
    assert {name for name in site.pages() if name != "404.html"} == {
        page.replace(".md", ".html") for page in nav
    }


def test_pages_load_what_is_there_and_nothing_from_elsewhere(site: Site) -> None:
    for name, html in site.pages().items():
        base = site.folder if name == "404.html" else (site.folder / name).parent
        loads = _References(html).loads
        assert any("iframe-worker.js" in target for target in loads), name
        for target in loads:
            assert not re.match(r"(\w+:)?//", target), f"{name}: {target}"
            if not target.startswith("data:"):
                assert (base / unquote(target).split("?")[0].lstrip("/")).is_file(), (
                    f"{name}: {target}"
                )
        assert 'class="mermaid"' not in html, (
            f"{name}: the theme would load a script from elsewhere"
        )
    for sheet in site.folder.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text()), sheet.name


def test_links_within_the_site_lead_to_what_is_there(site: Site) -> None:
    pages = site.pages()
    for name, html in pages.items():
        for target in _References(html).links if name != "404.html" else ():
            path, _, anchor = unquote(target).partition("#")
            if re.match(r"\w+:", path):
                continue
            place = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            assert (site.folder / place).is_file(), f"{name}: {target}"
            assert (
                not anchor or f'id="{anchor}"' in pages[place] or anchor.startswith("__codelineno")
            ), f"{name}: {target}"


def test_the_command_line_reference_has_every_command_and_option(site: Site) -> None:
    sections = _sections(site.pages()["cli.html"])
    found = list(_commands(click.Context(cli, info_name="mvt-nas")))
    assert len(found) > 30
    for context in found:
        text = sections[context.command_path.replace(" ", "-")]
        assert " ".join((context.command.help or "").split())[:40] in " ".join(text.split())
        for option in context.command.get_params(context):
            if isinstance(option, click.Option) and "--help" not in option.opts:
                for name in (*option.opts, *option.secondary_opts):
                    assert re.search(rf"^{name}\b", text, re.MULTILINE) or f"/ {name}" in text, (
                        f"{context.command_path} {name}"
                    )


def test_the_command_line_reference_has_types_and_defaults(site: Site) -> None:
    sections = {
        name: " ".join(text.split()) for name, text in _sections(site.pages()["cli.html"]).items()
    }
    rows = {
        "mvt-nas-search": [
            r"--trials N integer from 1 [^-]*\. 200 ",
            r"--stop-when stalled:N text \w+",
            r"--resume flag \w+",
        ],
        "mvt-nas-bench-train": [
            r"--out TABLE\.csv file [^-]*\. required",
            r"--draw \[choices\|architectures\] one of these",
        ],
        "mvt-nas-latency-profile": [r"--minutes M number [^-]*\. 8\.0 "],
    }
    for command, patterns in rows.items():
        for pattern in patterns:
            assert re.search(pattern, sections[command]), f"{command}: {pattern}"
    assert "mvt-nas show [OPTIONS] NAME|FILE|RUN:ID|FOLDER" in sections["mvt-nas-show"]


def test_the_python_reference_has_every_public_name(site: Site) -> None:
    pages = {name: html for name, html in site.pages().items() if name.startswith("api/")}
    for name in mvt_nas.__all__:
        assert any(re.search(rf'id="mvt_nas\.(\w+\.)*{name}"', html) for html in pages.values()), (
            name
        )
    assert not any(re.search(r":(func|class|meth|mod|data|attr):", html) for html in pages.values())
    docstring = (mvt_nas.count.__doc__ or "").splitlines()[0]
    assert docstring.startswith("Return")
    assert unescape(docstring) in unescape(pages["api/networks.html"])


def test_search_works_from_a_disk(site: Site) -> None:
    with chromium() as browser:
        page = browser.new_context(offline=True).new_page()
        page.goto((site.folder / "api" / "errors.html").as_uri())
        page.click("input.md-search__input")
        page.keyboard.type("roofline")
        page.wait_for_selector(".md-search-result__link")
        found = [
            str(link.get_attribute("href"))
            for link in page.query_selector_all(".md-search-result__link")
        ]
    assert any("/latency-model.html" in link for link in found), found
