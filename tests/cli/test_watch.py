"""``mvt-nas watch``: one frame, frames that fit the terminal, a real terminal with keys."""

from __future__ import annotations

import dataclasses
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from mvt_nas import Run, search
from mvt_nas.cli.watch_frame import frame
from mvt_nas.nas.runs.folder import locked, write_config
from mvt_nas.nas.runs.store import NAME, BatchRecord, Store
from mvt_nas.report.formatting import format_duration
from mvt_nas.report.watch.view import RungView, RunView, RunWatcher
from tests.support.cli import run
from tests.support.searches import small_space


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "finished"
    objectives = ["accuracy", "latency_ms", "params"]
    return search(
        small_space(), objectives=objectives, sampler="random", trials=40, batch=8, out=out
    ).run


@pytest.fixture(scope="module")
def view(finished: Run) -> RunView:
    return RunWatcher(finished.folder).look()


def drawn(view: RunView, width: int, height: int | None = None, *, live: bool = False) -> list[str]:
    """Return the lines of a picture."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(frame(view, width, height, live=live))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_one_frame_of_a_finished_run(finished: Run) -> None:
    code, out, err = run("watch", str(finished.folder), "--once")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert "40 of 40 candidates" in out
    assert re.search(r"accuracy % ↑ +predicted ms ↓ +params ↓ +origin", out)
    assert re.search(r"Hypervolume \d", out)
    assert "All 40 trials are done. See it with:" in " ".join(out.split())
    for candidate in finished.front()[:1]:
        assert re.search(
            rf"^ *{candidate.number} +{candidate.scores['accuracy']:.1f} ±", out, re.MULTILINE
        )
    assert run("watch", str(finished.folder))[1] == out  # the output is no terminal


def test_one_frame_of_a_run_that_is_locked_torn_and_has_failures(
    finished: Run, tmp_path: Path
) -> None:
    write_config(tmp_path, finished.config)
    with locked(tmp_path), closing(Store(tmp_path)) as store:
        for number in range(10):
            candidate = finished.candidates[number]
            failed = dataclasses.replace(
                candidate, status="failed", scores={}, error="RuntimeError: [bold]no[/bold] memory"
            )
            store.add(failed if number in (3, 4) else candidate)
        with open(tmp_path / NAME, "ab") as file:
            file.write(b"0123abcd {torn")
        code, out, _ = run("watch", str(tmp_path), "--once")
    assert code == 0
    assert "10 of 40 candidates" in out
    assert "8 complete, 2 failed" in out
    assert "2 × RuntimeError: [bold]no[/bold] memory" in out  # no mark-up of ours
    assert "running" in out
    assert "q ends the view" not in out
    code, out, _ = run("watch", str(tmp_path), "--once")
    assert f"everything is kept. Resume with: mvt-nas search --resume --out {tmp_path}" in " ".join(
        out.split()
    )


def test_a_run_without_candidates_has_a_frame(finished: Run, tmp_path: Path) -> None:
    write_config(tmp_path, finished.config)
    with locked(tmp_path):
        out = run("watch", str(tmp_path), "--once")[1]
    assert "0 complete; nothing on the front yet" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["watch"], r"Missing argument 'RUN'"),
        (["watch", "."], r"no run here \(run\.yaml is missing\)"),
        (["watch", ".", "--every", "0"], r"0\.0 is not in the range 0\.1<=x<=3600"),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    os.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(message, err), err


@pytest.mark.parametrize("height", [16, 24, 30, 45])
@pytest.mark.parametrize("width", [60, 80, 140])
def test_frames_fit_the_terminal(view: RunView, width: int, height: int) -> None:
    reasons = tuple((f"RuntimeError: {'long ' * 40}{n}", 9 - n) for n in range(9))
    views = [
        view,
        dataclasses.replace(view, state="running", reason=None, per_second=3.2),
        dataclasses.replace(
            view,
            state="running",
            reason=None,
            reasons=reasons,
            rungs=(RungView(3, 2, 5), RungView(9, 0, 2)),
        ),
        dataclasses.replace(view, state="left", reason=None, front=(), curve=()),
    ]
    for one in views:
        lines = drawn(one, width, height, live=one.state == "running")
        assert max(map(len, lines)) <= width
        if height >= 24 or not one.reasons:
            assert len(lines) <= max(height, 20), "\n".join(lines)


def test_at_most_a_dozen_of_the_front_are_shown_and_the_knee_is_among_them(
    finished: Run, view: RunView
) -> None:
    many = tuple(finished.candidates[n] for n in range(40))
    lines = drawn(dataclasses.replace(view, front=many, knee=17), 100)
    start = next(
        index
        for index, line in enumerate(lines)
        if line.startswith("Front: 40, 12 of them evenly spread")
    )
    rows = (
        lines[start + 2 : lines.index("", start)] if "" in lines else lines[start + 2 : start + 14]
    )
    numbers = [int(line.split()[0]) for line in rows if line.strip()]
    assert len(numbers) == 12
    assert {0, 39, 17} <= set(numbers)
    assert sum("(knee)" in line for line in rows) == 1


def test_rates_and_times_are_in_words(view: RunView) -> None:
    running = dataclasses.replace(view, state="running", reason=None, done=10)
    for per_second, words in (
        (4.0, "4.0 a second, 7.5 s left"),
        (0.05, "3.0 a minute, 10 min left"),
        (0.001, "3.6 an hour, 8 h 20 min left"),
    ):
        text = " ".join(drawn(dataclasses.replace(running, per_second=per_second), 120))
        assert f"10 of 40 candidates, {words}" in text
    seconds = (0.0213, 4.0, 119.4, 119.6, 7140.0, 3 * 3600.0, 90 * 3600.0)
    assert [format_duration(s) for s in seconds] == [
        "21 ms",
        "4.0 s",
        "119 s",
        "2 min",
        "119 min",
        "3 h 0 min",
        "3 days 18 h",
    ]


class Terminal:
    """``mvt-nas watch`` in a terminal of 80 by 30."""

    def __init__(self, *arguments: str) -> None:
        self.file, theirs = pty.openpty()
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "30"}
        command = [sys.executable, "-m", "mvt_nas", "watch", *arguments]
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""

    def read_until(self, words: str) -> None:
        self._read(lambda: words in self.text)

    def end(self) -> int:
        """Return the exit code, once it has ended."""
        self._read(lambda: self.process.poll() is not None)
        os.close(self.file)
        return self.process.returncode

    def _read(self, enough: Callable[[], bool]) -> None:
        end = time.monotonic() + 60.0
        while not enough():
            assert time.monotonic() < end, self.text
            if select.select([self.file], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.file, 65536).decode(errors="replace")
                except OSError:  # the other side is closed
                    self.process.wait(10.0)


@pytest.fixture
def half(finished: Run, tmp_path: Path) -> Path:
    """A run that is half done."""
    write_config(tmp_path, finished.config)
    with closing(Store(tmp_path)) as store:
        for number in range(20):
            store.add(finished.candidates[number])
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("way", ["q", "ctrl-c"])
def test_it_is_watched_until_somebody_has_had_enough(half: Path, way: str) -> None:
    with locked(half):
        terminal = Terminal(str(half), "--every", "0.2")
        terminal.read_until("20 of 40 candidates")
        terminal.read_until("q ends the view")
        os.write(terminal.file, b"x")
        if way == "q":
            os.write(terminal.file, b"q")
        else:
            os.kill(terminal.process.pid, signal.SIGINT)
        assert terminal.end() == 0
    assert "\x1b[?1049h" in terminal.text  # the other screen
    assert "\x1b[?1049l" in terminal.text
    assert "Traceback" not in terminal.text
    assert "20 of 40 candidates" in terminal.text.rpartition("\x1b[?1049l")[2]


@pytest.mark.slow
def test_it_ends_with_the_search(finished: Run, half: Path) -> None:
    with locked(half), closing(Store(half)) as store:
        terminal = Terminal(str(half), "--every", "0.2")
        terminal.read_until("20 of 40 candidates")
        for number in range(20, 30):
            store.add(finished.candidates[number])
        terminal.read_until("30 of 40 candidates")
        for number in range(30, 40):
            store.add(finished.candidates[number])
        for start in range(0, 40, 8):
            store.finish_batch(BatchRecord(start, 8, {}))
        assert terminal.end() == 0
    assert "All 40 trials are done." in terminal.text


@pytest.mark.slow
def test_a_finished_run_is_shown_once_on_a_terminal_too(finished: Run) -> None:
    terminal = Terminal(str(finished.folder))
    assert terminal.end() == 0
    assert "\x1b[?1049h" not in terminal.text
    assert "40 of 40 candidates" in terminal.text
