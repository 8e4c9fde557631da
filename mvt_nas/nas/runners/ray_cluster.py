"""Connection to a Ray cluster, or to a local instance of Ray."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from mvt_nas._optional import installed
from mvt_nas.errors import RunError
from mvt_nas.nas.runners.base import Resources

_CONNECT_S = 5.0


class RayCluster:
    """A Ray cluster used by a search.

    An existing connection of the process is used, and stays open.

    Args:
        resources: Resources for evaluations; without an address, Ray is started on this machine
            with room for that many workers.

    Attributes:
        ray: The module ``ray``.

    Raises:
        RunError: Ray is not installed, the cluster cannot be reached, or no node has room for an
            evaluation.
    """

    def __init__(self, resources: Resources) -> None:
        check(resources)
        self.ray = _ray()
        self._resources = resources
        self._own = not self.ray.is_initialized()
        if self._own:
            self._connect()
        if not self.has_room():
            lacking = self.lacking()
            self.leave()
            raise RunError(f"{self}: {lacking}")

    def __str__(self) -> str:
        """Return a description of the cluster for messages."""
        if self._resources.address:
            return f"Ray at {self._resources.address}"
        return "Ray on this machine"

    def has_room(self) -> bool:
        """Return True if any node has room for an evaluation, busy or not."""
        return any(
            node["Resources"].get("CPU", 0) >= self._resources.cpus
            and node["Resources"].get("GPU", 0) >= self._resources.gpus
            for node in self._nodes()
        )

    def lacking(self) -> str:
        """Return a message about the resources that no node has."""
        wanted = f"{self._resources.cpus:g} CPUs" + (
            f" and {self._resources.gpus:g} GPUs" if self._resources.gpus else ""
        )
        nodes = [
            f"{node['Resources'].get('CPU', 0):g} and {node['Resources'].get('GPU', 0):g}"
            for node in self._nodes()
        ]
        return f"no node has {wanted} for an evaluation (there are {'; '.join(nodes) or 'none'})"

    def leave(self) -> None:
        """Disconnect; stop Ray on this machine if it was started for this search."""
        if self._own:
            self.ray.shutdown()

    def _nodes(self) -> list[dict[str, Any]]:
        return [node for node in self.ray.nodes() if node["Alive"]]

    def _connect(self) -> None:
        address, workers = self._resources.address, self._resources.workers
        own = {
            "num_cpus": max(1, round((workers or 1) * self._resources.cpus)),
            "include_dashboard": False,
        }
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            self.ray.init(
                address=address or "local",
                logging_level=logging.ERROR,
                log_to_driver=False,
                **({} if address else own),
            )
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            problem = "no cluster can be reached there" if address else "Ray cannot be started"
            raise RunError(f"{self}: {problem} ({first})") from None


def check(resources: Resources) -> None:
    """Check that Ray is installed and that its address accepts connections.

    Ray itself would try for minutes, and then end the process.

    Raises:
        RunError: Ray is not installed, or the address accepts no connection.
    """
    if not installed("ray"):
        raise RunError("Ray is not installed: pip install 'mvt-nas[ray]'", parameter="runner")
    address = resources.address
    if address in (None, "auto"):
        return
    assert address is not None
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise RunError(
            f"{address} cannot be read; auto, or HOST:PORT such as 10.0.0.1:6379",
            parameter="ray_address",
        )
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise RunError(
            f"{address}: no cluster can be reached there ({error})", parameter="ray_address"
        ) from None


def _ray() -> Any:
    """Return the module ``ray``, patched not to print the logs of dead nodes.

    Ray prints them to standard output, whatever its logging level.
    """
    import ray
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None
    return ray
