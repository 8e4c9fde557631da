"""Worker processes that are forked from a server that has imported torch and mvt_nas.

Spawned, as those of a search and of ``bench train`` are, each imports them anew, for seconds.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import BaseContext
from typing import Any

import pytest

PROCESSES: Any = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "lightning_fabric",
        "mvt_nas.accuracy.table_builder",
        "mvt_nas.nas.runners.process_pool",
        "mvt_nas.proxies.suite",
        "mvt_nas.training.api",
        "mvt_nas.training.short_training",
        "tests.support.annotated_training_processes",
        "tests.support.training_processes",
    ]
)


def fork_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that would be spawned be forked from the server.

    They have the environment in which the server was started, not that of the test.
    """
    original = multiprocessing.get_context

    def get_context(method: str | None = None) -> BaseContext:
        context: BaseContext = PROCESSES if method == "spawn" else original(method)
        return context

    monkeypatch.setattr(multiprocessing, "get_context", get_context)
