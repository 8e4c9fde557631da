"""Fixtures of searches."""

from __future__ import annotations

import pytest

from mvt_nas.nas.cache.store import OFF
from tests.support.searches import install_throwaway_proxies


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a cache of its own, and throw-away proxies."""
    install_throwaway_proxies(tmp_path_factory.mktemp("throwaway"), monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv(OFF)
