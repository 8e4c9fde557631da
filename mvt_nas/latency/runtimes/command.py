"""Shell commands that run an ONNX file and print milliseconds, such as a phone behind adb or ssh.

``{model}`` in the command is replaced by the path of the file, ``{threads}`` by the number of
threads. The last line that is not blank has to be one positive number, or several separated by
blanks: the milliseconds of single inferences. Of several, the 10th percentile is taken.
"""

from __future__ import annotations

import math
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mvt_nas._optional import missing
from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session
from mvt_nas.latency.statistics import low_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NUMBER = re.compile(r"[0-9]*\.?[0-9]+(e[+-]?[0-9]+)?", re.IGNORECASE)


class CommandSession:
    """A command that is ready to run."""

    def __init__(self, command: str, timeout_s: float) -> None:
        self._command = command
        self._timeout_s = timeout_s

    def __call__(self) -> float:
        """Return the milliseconds that the command prints.

        Raises:
            LatencyError: it fails, takes too long, or prints something else.
        """
        return parse_milliseconds(_output(self._command, self._timeout_s), self._command)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return ``None``: the command returns times only."""
        return None


def parse_milliseconds(output: str, command: str) -> float:
    """Return the number in the last line that is not blank, or the 10th percentile of several.

    Raises:
        LatencyError: there is no such line, or it holds anything else.
    """
    line = _last_line(output)
    if not line:
        raise LatencyError(
            f"command {command!r} printed nothing; milliseconds, such as 12.5, are expected in its"
            " last line"
        )
    numbers = [float(word) if _NUMBER.fullmatch(word) else math.nan for word in line.split()]
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        raise LatencyError(
            f"command {command!r} printed {line!r}; milliseconds above 0, such as 12.5 or 12.5"
            " 12.9, are expected"
        )
    return low_quantile(numbers)


def _output(command: str, timeout_s: float) -> str:
    # In a process group of its own, so that the children of the shell can be killed with it. A
    # hanging child would keep the pipe open.
    process = subprocess.Popen(
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            out, err = process.communicate()
            raise LatencyError(
                f"command {command!r} took more than {timeout_s:g} s{_last_output(out, err)}"
            ) from None
        except BaseException:
            _kill(process)
            raise
    if process.returncode != 0:
        raise LatencyError(
            f"command {command!r} failed with exit code {process.returncode}"
            f"{_last_output(out, err)}"
        )
    return out


def _kill(process: subprocess.Popen[str]) -> None:
    # It may have just ended by itself.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _last_output(out: str, err: str) -> str:
    line = _last_line(err) or _last_line(out)
    return f"; it printed last: {line}" if line else "; it printed nothing"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Yield a session of a job; the command first runs when the session is called.

    Raises:
        LatencyError: there is no command, or it lacks ``{model}``.
    """
    if not job.command or "{model}" not in job.command:
        raise LatencyError(
            f"--command {job.command or ''!r} is not allowed; write {{model}} where the path of the"
            " ONNX file belongs"
        )
    command = job.command.replace("{threads}", str(job.threads))
    command = command.replace("{model}", shlex.quote(str(job.model)))
    yield CommandSession(command, job.timeout_s)


def trouble() -> str | None:
    """Return the reason why commands cannot run here, or ``None``."""
    if not hasattr(os, "killpg"):
        return "commands that hang can only be ended on Linux and macOS"
    return missing(("onnx",), "onnx")


RUNTIMES.register("command")(
    Runtime(
        name="command",
        summary="a shell command that prints milliseconds (--command)",
        takes="onnx",
        package=None,
        trouble=trouble,
        session=open_session,
        own_clock=True,
    )
)
