"""Ray clusters of several local nodes, which can be killed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def cluster(nodes: int = 2) -> Iterator[Any]:
    """Start a cluster of nodes with one CPU each, and stop it at the end of the block."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray_cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        for _ in range(nodes - 1):
            ray_cluster.add_node(num_cpus=1)
        yield ray_cluster
    finally:
        ray_cluster.shutdown()
