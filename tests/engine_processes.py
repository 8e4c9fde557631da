"""Searches in processes of their own, to be interrupted and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from engine_problems import SCORING

from mvt_nas.engine.store import NAME

SETTINGS: dict[str, Any] = {"objectives": ["slow", "macs"], "trials": 24, "batch": 4, "scoring": SCORING}

SCRIPT = """
import sys

from engine_processes import SETTINGS
from mvt_nas import search

if __name__ == "__main__":
    result = search("tiny", **SETTINGS, workers=2, out=sys.argv[1], resume=True)
    print(f"interrupted {result.interrupted}")
"""


def start(script: str, folder: Path, throwaway: Path, seconds: float) -> subprocess.Popen[str]:
    """Start a script as the head of a session of its own, with the throw-away proxies on its path."""
    path = throwaway / "script.py"
    path.write_text(script)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(throwaway), *sys.path]),
        "OMP_NUM_THREADS": "1",
        "LIGHT_WORK_MARKER": str(throwaway / "started"),
        "THROWAWAY_SECONDS": str(seconds),
    }
    return subprocess.Popen(
        [sys.executable, str(path), str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_lines(folder: Path, lines: int, process: subprocess.Popen[str]) -> None:
    """Return when the store has that many lines, or the process has ended."""
    path = folder / NAME
    while process.poll() is None and (not path.exists() or path.read_bytes().count(b"\n") < lines):
        time.sleep(0.001)


def members(session: int) -> list[int]:
    """Return the processes of a session that still live."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, own_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(own_session) == session and state != "Z":
            found.append(int(entry.name))
    return found


def kill(process: subprocess.Popen[str]) -> bool:
    """Kill a process at once; return whether the rest of its session ends by itself within five seconds."""
    process.kill()
    process.wait()
    alone = wait_until_none_is_left(process.pid, 5)
    if not alone:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return alone


def wait_until_none_is_left(session: int, seconds: float) -> bool:
    """Return whether all processes of a session have ended within some seconds."""
    end = time.monotonic() + seconds
    while members(session):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
