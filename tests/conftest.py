"""One torch thread for all tests: two pytest workers share two cores, and more threads only compete."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest
import torch

from mvt_nas._threads_and_malloc import keep_freed_memory

if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # as in the background of a shell: what tests start would ignore Ctrl-C as well
    signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)
keep_freed_memory()  # else most of the time of small networks goes into page faults
# Whoever runs the tests may have devices of their own, and pictures and tables that they used
# before.
os.environ["MVT_NAS_DEVICES"] = tempfile.mkdtemp(prefix="mvt-nas-devices-")
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="mvt-nas-cache-")
os.environ["MVT_NAS_NO_CACHE"] = (
    "1"  # a second run that evaluates nothing says nothing about the first
)

HERE = Path(__file__).parent
SLOW_MODULES = {
    "accuracy/test_dataset_builder",
    "accuracy/test_scoring",
    "accuracy/test_surrogate",
    "checkpoints/test_checkpoints",
    "cli/test_predicted_latency",
    "cost/test_latency_costs",
    "cost/test_cross_check",
    "nas/test_resume",
    "nas/test_search",
    "latency/test_calibration",
    "cli/test_latency",
    "cli/test_latency_profiles",
    "latency/test_runtimes",
    "report/test_report",
}
"""Files that take ten seconds and more in all: `make test` runs them, `make fast` does not."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the slow modules."""
    for item in items:
        if item.path.relative_to(HERE).with_suffix("").as_posix() in SLOW_MODULES:
            item.add_marker(pytest.mark.slow)
