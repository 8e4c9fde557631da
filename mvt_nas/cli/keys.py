"""Single keys from a terminal, without Return and without an echo."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Wait = Callable[[float], str]
"""Waits for a key, at most so many seconds, and returns it; an empty text where none came."""


@contextmanager
def keys() -> Iterator[Wait]:
    """Yield what waits for keys; where standard input is no terminal, it only waits."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield _no_key
    elif sys.platform == "win32":
        yield _windows_key
    else:
        yield from _posix_keys()


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""


if sys.platform == "win32":
    import msvcrt

    def _windows_key(seconds: float) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if msvcrt.kbhit():
                return msvcrt.getwch()
            time.sleep(0.05)
        return ""

else:
    import os
    import select
    import termios
    import tty

    def _posix_keys() -> Iterator[Wait]:
        file = sys.stdin.fileno()
        before = termios.tcgetattr(file)

        def wait(seconds: float) -> str:
            ready, _, _ = select.select([file], [], [], seconds)
            return os.read(file, 1).decode("latin-1") if ready else ""

        try:
            tty.setcbreak(file)
            yield wait
        finally:
            termios.tcsetattr(file, termios.TCSADRAIN, before)
