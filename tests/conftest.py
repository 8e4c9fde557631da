"""Settings of all tests: threads, caches, hypothesis profiles, and the limit on quick tests."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
import torch

from mvt_nas._threads_and_malloc import keep_freed_memory
from tests.support.compiled_once import compile_once
from tests.support.forked_workers import fork_workers
from tests.support.ray_nodes import RayNodes, cluster
from tests.support.searches import write_throwaway_proxies

# In the background of a shell, Ctrl-C is ignored: what tests start would ignore it as well.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two pytest workers share two cores: more threads in each would only compete.
torch.set_num_threads(1)
# Else most of the time of small networks goes into page faults.
keep_freed_memory()

# The user who runs the tests may have device profiles, images and tables of their own.
os.environ["MVT_NAS_DEVICES"] = tempfile.mkdtemp(prefix="mvt-nas-devices-")
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="mvt-nas-cache-")
# A second run that evaluates nothing says nothing about the first.
os.environ["MVT_NAS_NO_CACHE"] = "1"

# ``make soak`` chooses the profile soak: --hypothesis-profile=soak.
hypothesis.settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True)
hypothesis.settings.register_profile("soak", max_examples=500, deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci")

MOST_SECONDS = 12.0
"""Processor time of a test without the mark slow.

Most of it is for what the first test of a process imports (transformers and torch.export take
seconds) and for machines slower than ours: a test that nears it on a quiet machine is slow.
"""


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Compile each search space once."""
    with pytest.MonkeyPatch.context() as patch:
        compile_once(patch)
        yield


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let worker processes be forked from one that has imported what they need."""
    fork_workers(monkeypatch)


@pytest.fixture(scope="session")
def ray_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayNodes]:
    """A Ray cluster of two nodes for all tests, whose workers know the throw-away proxies."""
    folder = tmp_path_factory.mktemp("ray")
    write_throwaway_proxies(folder)
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # Ray's processes inherit it when they start
            patch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).parents[1]}")
            patch.setenv("THROWAWAY_SECONDS", "0.1")
            address = stack.enter_context(cluster()).address
        yield RayNodes(address, folder)


_SECONDS = pytest.StashKey[float]()


def _add_seconds(item: pytest.Item, began: float) -> None:
    item.stash[_SECONDS] = item.stash.get(_SECONDS, 0.0) + time.process_time() - began


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Count the fixtures that are made for one test; what several share counts for none."""
    began = time.process_time()
    try:
        return (yield)
    finally:
        if fixturedef.scope == "function":
            _add_seconds(request.node, began)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that takes long and is not marked slow."""
    began = time.process_time()
    result = yield
    _add_seconds(item, began)
    took = item.stash[_SECONDS]
    quick = not any(item.get_closest_marker(name) for name in ("slow", "soak"))
    if quick and took > MOST_SECONDS:
        pytest.fail(
            f"the test takes {took:.1f} s of CPU time, more than {MOST_SECONDS:g} s;"
            " make it quicker, or mark it slow",
            pytrace=False,
        )
    return result
