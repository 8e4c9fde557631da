"""The runtime ``command``: what a shell command prints is a time, or one line says why not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RUNTIMES, RuntimeJob
from mvt_nas.latency.runtimes.command import parse_milliseconds


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("12.5", 12.5),
        ("warming up\n 3e1 \n\n", 30.0),
        (".5", 0.5),
        (" ".join(str(10 + i) for i in range(20)), 11.0),
        ("3 1 2", 1.0),
    ],
)
def test_the_last_line_is_the_time(output: str, expected: float) -> None:
    assert parse_milliseconds(output, "x") == expected


@pytest.mark.parametrize(
    "output",
    [
        "12.5 ms",
        "nan",
        "inf",
        "1e999",
        "0",
        "-3",
        "1_000",
        "12,5",
        "0x10",
        "12.5\ndone",
        "5 -1",
        "١٢",
    ],
)
def test_rubbish_is_no_time(output: str) -> None:
    with pytest.raises(LatencyError, match=r"milliseconds above 0, such as .* are expected"):
        parse_milliseconds(output, "x")


def session_of(command: str, timeout_s: float = 20.0) -> float | None:
    job = RuntimeJob((1, 3, 8, 8), 2, model=Path("a b.onnx"), command=command, timeout_s=timeout_s)
    with RUNTIMES.get("command").session(job) as session:
        return session()


def test_a_command_gets_path_and_threads() -> None:
    assert session_of("test {model} = 'a b.onnx' && echo {threads}") == 2.0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "echo {model} >/dev/null",
            "printed nothing; milliseconds, such as 12.5, are expected in its last line",
        ),
        (
            "echo no device; echo lost >&2; exit 3; {model}",
            "failed with exit code 3; it printed last: lost",
        ),
        ("echo no device; exit 1; {model}", "failed with exit code 1; it printed last: no device"),
        ("exit 1; {model}", "failed with exit code 1; it printed nothing"),
        (
            "echo 5",
            (
                r"--command 'echo 5' is not allowed; write \{model\} where the path of the ONNX"
                r" file belongs"
            ),
        ),
        ("", r"--command '' is not allowed; write \{model\}"),
    ],
)
def test_commands_that_fail_say_so_in_one_line(command: str, message: str) -> None:
    with pytest.raises(LatencyError, match=message) as caught:
        session_of(command)
    assert "\n" not in str(caught.value)


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    command = f"echo waiting for device; (sleep 2; touch '{alive}') | cat; echo {{model}}"
    start = time.monotonic()
    with pytest.raises(
        LatencyError, match=r"took more than 0\.5 s; it printed last: waiting for device"
    ):
        session_of(command, timeout_s=0.5)
    assert time.monotonic() - start < 2
    time.sleep(2)
    assert not alive.exists()
