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

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def _commands(page: Path) -> list[str]:
    lines = [line for block in _blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("mvt-nas ")]


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if _commands(page)], ids=lambda page: page.name)
def test_commands_run(page: Path, tmp_path: Path) -> None:
    for block in _blocks(page, "yaml"):
        named = re.match(r"# (\S+\.yaml)\n", block)
        if named:
            (tmp_path / named[1]).write_text(block)
    for command in _commands(page):
        shell = command.replace("mvt-nas ", f"{shlex.quote(sys.executable)} -m mvt_nas ", 1)
        result = subprocess.run(shell, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{command}\n{result.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page, "python")], ids=lambda page: page.name)
def test_python_examples_run(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(_blocks(page, "python")):
        script = tmp_path / f"example{number}.py"
        script.write_text(block)
        result = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{block}\n{result.stderr}"


def test_example_space_in_the_documentation_loads(tmp_path: Path) -> None:
    (block,) = _blocks(ROOT / "docs" / "search-spaces.md", "yaml")
    (tmp_path / "example.yaml").write_text(block)
    assert load_space(tmp_path / "example.yaml").size > 1000
    assert yaml.safe_load(block)["name"] == "example"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_make_is_named_with_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in [*PAGES, ROOT / "CONTRIBUTING.md"] for name in re.findall(r"`make ([a-z]+)`", page.read_text())}
    assert named
    assert named <= targets
