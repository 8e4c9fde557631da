"""Fixtures of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.export_command import NETWORK


@pytest.fixture
def network_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new working folder with a network in ``net.json``."""
    monkeypatch.chdir(tmp_path)
    Path("net.json").write_text(NETWORK.to_json())
    return tmp_path
