"""Any shell command that runs an ONNX file and prints milliseconds: a phone behind adb or ssh is one line.

``{model}`` in the command stands for the path of the file, ``{threads}`` for the number of threads.
The last line that is not empty has to be one positive number or several of them with blanks
between: the milliseconds of single inferences. Of several, the 10th percentile is taken.
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

from mvt_nas.errors import LatencyError
from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session, missing
from mvt_nas.latency.statistics import low_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NUMBER = re.compile(r"[0-9]*\.?[0-9]+(e[+-]?[0-9]+)?", re.IGNORECASE)


class CommandSession:
    """A command that is ready to be run."""

    def __init__(self, command: str, timeout_s: float) -> None:
        self._command = command
        self._timeout_s = timeout_s

    def __call__(self) -> float:
        """Return the milliseconds that the command prints.

        Raises:
            LatencyError: it fails, takes too long, or prints something else.
        """
        return milliseconds(_output(self._command, self._timeout_s), self._command)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return ``None``: only the time comes back."""
        return None


def milliseconds(output: str, command: str) -> float:
    """Return the number in the last line that is not empty, or the 10th percentile of the numbers in it.

    Raises:
        LatencyError: there is no such line, or something else is in it.
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
    # A session of its own, so that what the shell has started ends with it; else a child that hangs
    # would hold the pipe open.
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
            _end(process)
            out, err = process.communicate()
            raise LatencyError(
                f"command {command!r} took more than {timeout_s:g} s{_said(out, err)}"
            ) from None
        except BaseException:
            _end(process)
            raise
    if process.returncode != 0:
        raise LatencyError(
            f"command {command!r} failed with exit code {process.returncode}{_said(out, err)}"
        )
    return out


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):  # it has just ended by itself
        os.killpg(process.pid, signal.SIGKILL)


def _said(out: str, err: str) -> str:
    line = _last_line(err) or _last_line(out)
    return f"; it printed last: {line}" if line else "; it printed nothing"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


@contextmanager
def open_session(job: RuntimeJob) -> Iterator[Session]:
    """Yield a session of a job; the command is first run when it is called.

    Raises:
        LatencyError: there is no command, or the model does not occur in it.
    """
    if not job.command or "{model}" not in job.command:
        raise LatencyError(
            f"--command {job.command or ''!r} is not allowed; write {{model}} where the path of the"
            " ONNX file belongs"
        )
    filled = job.command.replace("{threads}", str(job.threads)).replace(
        "{model}", shlex.quote(str(job.model))
    )
    yield CommandSession(filled, job.timeout_s)


def trouble() -> str | None:
    """Return why commands cannot be run here, or ``None``."""
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
