"""Adds files from outside ``docs`` to the site: some pages, and linked files such as plots.

On a Git host ``../results/x.png`` leads out of ``docs``. The site gets a copy of the file under the
same path, and the link is changed to it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "overview.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Paths of pages outside ``docs`` in the repository, and their paths in the site."""

_LINK = re.compile(r"(?<=\]\()[^)\s#:]+(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and all files outside ``docs`` that a page links to."""
    for path, uri in PAGES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    for page in list(files.documentation_pages()):
        for target in _LINK.findall(page.content_string):
            path = _path(target, page.src_uri)
            if (ROOT / path).is_file() and _uri(path) not in files.src_uris:
                files.append(File.generated(config, _uri(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the Markdown of a page with links to the paths in the site."""
    here = posixpath.dirname(page.file.src_uri)

    def within(link: re.Match[str]) -> str:
        path = _path(link[0], page.file.src_uri)
        return (
            posixpath.relpath(_uri(path), here or ".") if _uri(path) in files.src_uris else link[0]
        )

    return _LINK.sub(within, markdown)


def _path(target: str, uri: str) -> str:
    """Return the path in the repository of the target of a link."""
    source = next((path for path, place in PAGES.items() if place == uri), f"docs/{uri}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))


def _uri(path: str) -> str:
    """Return the path in the site of a file of the repository."""
    return PAGES.get(path, path.removeprefix("docs/"))
