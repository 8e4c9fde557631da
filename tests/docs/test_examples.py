"""Every command and every Python example in the README and the documentation runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mvt_nas import load_space

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_ELSEWHERE = [ROOT / "docs" / "loop.md"]
"""Run by a test of its own, which looks at what comes out (``test_loop.py``)."""
_BLOCK = re.compile(r"^```(csv|python|sh|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+\.(?:csv|py|yaml))\n")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    return [
        (language, block)
        for language, block in _BLOCK.findall(page.read_text())
        if language in languages
    ]


def _commands(block: str) -> list[str]:
    return [line for line in block.replace("\\\n", " ").splitlines() if line.startswith("mvt-nas ")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if _blocks(page, "sh", "python") and page not in _ELSEWHERE],
    ids=_name,
)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    """From top to bottom in one folder, as a reader would; a block that begins with the name of a file is that file."""
    for language, block in _blocks(page, "csv", "python", "sh", "yaml"):
        named = _FILE.match(block)
        if language == "sh":
            for command in _commands(block):
                _run(
                    command.replace("mvt-nas ", f"{shlex.quote(sys.executable)} -m mvt_nas ", 1),
                    tmp_path,
                    command,
                )
        elif language == "python" and not named:
            (tmp_path / "example.py").write_text(block)
            _run(f"{shlex.quote(sys.executable)} example.py", tmp_path, block)
        elif named:
            (tmp_path / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / named[1]).write_text(block)


def _run(shell: str, folder: Path, example: str) -> None:
    result = subprocess.run(
        shell, shell=True, cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{example}\n{result.stderr}"


def test_example_space_in_the_documentation_loads(tmp_path: Path) -> None:
    ((_, block),) = _blocks(ROOT / "docs" / "search-spaces.md", "yaml")
    (tmp_path / "example.yaml").write_text(block)
    assert load_space(tmp_path / "example.yaml").size > 1000
    assert yaml.safe_load(block)["name"] == "example"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), (
                f"{_name(page)}: {target}"
            )


def test_make_is_named_with_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in [*PAGES, ROOT / "CONTRIBUTING.md"]
        for name in re.findall(r"`make ([a-z]+)`", page.read_text())
    }
    assert named
    assert named <= targets
