"""Searches in separate processes, to be interrupted and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from mvt_nas.nas.runs.store import NAME
from tests.support.searches import SCORING

SETTINGS: dict[str, Any] = {
    "objectives": ["slow", "macs"],
    "trials": 24,
    "batch": 4,
    "scoring": SCORING,
}

_TOKENS: dict[int, str] = {}
"""Token in the environments of a process and its descendants, by process id."""

SCRIPT = """
import sys

from tests.support.search_processes import SETTINGS
from mvt_nas import search

if __name__ == "__main__":
    result = search("tiny", **SETTINGS, workers=2, runner=sys.argv[2], out=sys.argv[1], resume=True)
    print(f"interrupted {result.interrupted}")
"""


def start(
    script: str, folder: Path, throwaway: Path, seconds: float, runner: str = "local"
) -> subprocess.Popen[str]:
    """Start a script as the leader of a new session, with the throw-away proxies on its path."""
    path = throwaway / "script.py"
    path.write_text(script)
    token = uuid.uuid4().hex
    environment = os.environ | {
        "ENGINE_PROCESS": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "PYTHONPATH": os.pathsep.join([str(throwaway), *sys.path]),
        "OMP_NUM_THREADS": "1",
        "LIGHT_WORK_MARKER": str(throwaway / "started"),
        "THROWAWAY_SECONDS": str(seconds),
    }
    process = subprocess.Popen(
        [sys.executable, str(path), str(folder), runner],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _TOKENS[process.pid] = token
    return process


def wait_for_lines(folder: Path, lines: int, process: subprocess.Popen[str]) -> None:
    """Wait until the store has that many lines, or the process has ended."""
    path = folder / NAME
    while process.poll() is None and (not path.exists() or path.read_bytes().count(b"\n") < lines):
        time.sleep(0.001)


def members(session: int) -> list[int]:
    """Return the live processes of a session, and those that inherited its environment (Ray's)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, own_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            inherited = (
                f"ENGINE_PROCESS={_TOKENS[session]}\0".encode() in (entry / "environ").read_bytes()
            )
        except OSError:
            continue
        if (int(own_session) == session or inherited) and state != "Z":
            found.append(int(entry.name))
    return found


def command(pid: int) -> str:
    """Return the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def kill(process: subprocess.Popen[str], within_s: float = 5) -> bool:
    """Kill a process; return True if all its descendants end by themselves within some seconds."""
    process.kill()
    process.wait()
    ended = wait_until_none_is_left(process.pid, within_s)
    for member in members(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    process.communicate()
    return ended


def wait_until_none_is_left(session: int, seconds: float) -> bool:
    """Return True if all processes of a session end within some seconds.

    Ray's agents do not count: they take a minute to notice.
    """
    end = time.monotonic() + seconds
    while any(
        not command(member).startswith(("ray::DashboardAgent", "ray::RuntimeEnvAgent"))
        for member in members(session)
    ):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
