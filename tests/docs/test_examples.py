"""Every command and every Python example in the README and the documentation runs."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mvt_nas import load_space
from mvt_nas.data.annotations import shapes
from mvt_nas.report.diagnostics import runtime_smoke_test
from tests.support.cli import modules_of, run_block, run_line
from tests.support.fake_trainer import install_fake_trainer
from tests.support.latency_devices import measure_less
from tests.support.ray_nodes import connected
from tests.support.searches import search_less
from tests.support.trained_networks import evaluate_less, train_in_this_process

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_ELSEWHERE = [ROOT / "docs" / "loop.md"]
"""Run by a test of its own, which checks the results (``test_loop_page.py``)."""
_IN_PROCESSES = ("docs/file-formats.md",)
"""Pages whose commands and scripts run as a reader's do, each in a process of its own.

Those of the other pages run in the test process: starting Python and torch takes longer than most
of them.
"""
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
@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if _blocks(page, "sh", "python") and page not in _ELSEWHERE],
    ids=_name,
)
def test_examples_run(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Run a page from top to bottom in one folder, as a reader would.

    What takes long and has tests of its own does less: the sampler, surrogates, trainings, timings
    and the smoke tests of the runtimes. A page that uses Ray finds it running.
    """
    search_less(monkeypatch)
    evaluate_less(monkeypatch)
    install_fake_trainer(monkeypatch)
    train_in_this_process(monkeypatch)
    measure_less(monkeypatch)
    monkeypatch.setattr(shapes, "TRAIN_IMAGES", 64)
    monkeypatch.setattr(shapes, "VALIDATION_IMAGES", 16)
    monkeypatch.setattr(runtime_smoke_test, "_run_process", lambda name, seconds: "opened")
    with contextlib.ExitStack() as stack:
        if any("--runner ray" in block for _, block in _blocks(page, "sh")):
            stack.enter_context(connected(request.getfixturevalue("ray_nodes")))
        _run_page(page, tmp_path, monkeypatch, in_processes=_name(page) in _IN_PROCESSES)


@pytest.mark.soak
def test_examples_of_the_front_page_run_as_those_of_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run_page(ROOT / "README.md", tmp_path, monkeypatch, in_processes=True)


def _run_page(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, in_processes: bool
) -> None:
    """Run the blocks of a page; one that begins with the name of a file is that file."""
    monkeypatch.chdir(tmp_path)
    with contextlib.nullcontext() if in_processes else modules_of(tmp_path):
        for language, block in _blocks(page, "csv", "python", "sh", "yaml"):
            named = _FILE.match(block)
            if named:
                (tmp_path / named[1]).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / named[1]).write_text(block)
            elif language == "sh":
                for command in _commands(block):
                    (_run_as_a_process if in_processes else run_line)(command)
            elif language == "python":
                (_run_script if in_processes else run_block)(block)


def _run_as_a_process(command: str) -> None:
    program = f"{shlex.quote(sys.executable)} -m mvt_nas "
    _shell(command.replace("mvt-nas ", program, 1), command)


def _run_script(block: str) -> None:
    Path("example.py").write_text(block)
    _shell(f"{shlex.quote(sys.executable)} example.py", block)


def _shell(line: str, example: str) -> None:
    result = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
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
