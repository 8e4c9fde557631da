"""Ray clusters of several local nodes, which can be killed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RayNodes:
    """A Ray cluster that tests share.

    Attributes:
        address: Its address.
        throwaway: Folder of the throw-away proxies on the path of its workers.
    """

    address: str
    throwaway: Path

    def workers(self, name: str) -> list[int]:
        """Return the ids of the processes of the cluster whose command begins with the name."""
        own = str(self.throwaway).encode()  # in the PYTHONPATH of its processes alone
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "cmdline").read_text().startswith(name) and own in (
                    entry / "environ"
                ).read_bytes():
                    found.append(int(entry.name))
        return found


@contextlib.contextmanager
def connected(nodes: RayNodes) -> Iterator[None]:
    """Connect this process, whose searches then use the cluster instead of starting Ray."""
    import ray

    ray.init(address=nodes.address, logging_level="ERROR", log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def cluster(nodes: int = 2) -> Iterator[Any]:
    """Start a cluster of nodes with one CPU each, and stop it at the end of the block."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # else they wait for all other tests
    ray_cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        for _ in range(nodes - 1):
            ray_cluster.add_node(num_cpus=1)
        yield ray_cluster
    finally:
        ray_cluster.shutdown()
