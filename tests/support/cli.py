"""The command line in the process of the tests, and Python examples next to it."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mvt_nas.cli.main import main


def run(*arguments: object) -> tuple[int, str, str]:
    """Return the exit code, the standard output and the standard error of ``mvt-nas``."""
    output = io.StringIO()
    errors = io.StringIO()
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        pytest.raises(SystemExit) as stop,
    ):
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0), output.getvalue(), errors.getvalue()


def error_line(*arguments: object) -> str:
    """Return the one line with which ``mvt-nas`` refuses its input; it prints nothing else."""
    code, output, errors = run(*arguments)
    assert (code, output, errors.count("\n")) == (2, "", 1), errors
    assert errors.startswith("mvt-nas: error: ")
    return errors


def run_json(*arguments: object) -> Any:
    """Return the JSON document that ``mvt-nas ... --json`` prints."""
    code, output, errors = run(*arguments, "--json")
    assert code == 0, errors
    return json.loads(output)


def run_line(line: str) -> str:
    """Run a shell line that calls ``mvt-nas``, with ``> FILE`` or not, and return its output."""
    words = shlex.split(line)
    assert words[0] == "mvt-nas"
    target = words[-1] if words[-2] == ">" else None
    code, output, errors = run(*(words[1:-2] if target else words[1:]))
    assert code == 0, f"{line}\n{errors}"
    if target is not None:
        Path(target).write_text(output)
    return output


def run_block(block: str) -> None:
    """Run a Python example as a script, with a namespace of its own; what it prints is captured."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        exec(compile(block, "example.py", "exec"), {"__name__": "__main__"})


@contextlib.contextmanager
def modules_of(folder: Path) -> Iterator[None]:
    """Make the modules in a folder importable, and unload them at the end of the block."""
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]
