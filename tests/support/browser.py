"""Chromium for the tests of pages.

The tests use the installed one. ``python -m tests.support.browser`` installs one if there is none,
and prints its path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
)
# Drawn by the processor, so that pictures are the same everywhere; and nothing is asked of a
# network.
_FLAGS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
)


def path() -> str | None:
    """Return where a Chromium is; ``CHROMIUM`` says so before anything else."""
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    places = [os.environ.get("CHROMIUM"), *map(shutil.which, _NAMES), own]
    return next((place for place in places if place and Path(place).exists()), None)


def install() -> None:
    """Install Chromium: the system's package on Debian as root, else the one from Playwright."""
    if Path("/etc/debian_version").exists() and shutil.which("apt-get") and os.geteuid() == 0:
        commands = (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qqy", "--no-install-recommends", "install", "chromium"],
        )
        if not [subprocess.run(command, check=False, stdout=sys.stderr) for command in commands][
            -1
        ].returncode:
            return
    subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"], check=False, stdout=sys.stderr
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a headless Chromium."""
    found = path()
    assert found, (
        "these tests need Chromium: python -m tests.support.browser installs one, CHROMIUM=PATH"
        " names one"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield browser
        browser.close()


if __name__ == "__main__":
    if path() is None:
        install()
    print(path() or sys.exit("no Chromium, and none could be installed; CHROMIUM=PATH names one"))
