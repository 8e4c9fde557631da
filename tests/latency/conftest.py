"""Fixtures of latency."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hide the user's own profiles from the tests."""
    folder = tmp_path / "devices"
    monkeypatch.setenv("MVT_NAS_DEVICES", str(folder))
    return folder
