"""Check that every node of a cluster has the software of the driver."""

from __future__ import annotations

import platform
from functools import cache

from mvt_nas.errors import RunError
from mvt_nas.nas.problem.environment import versions


@cache
def software_versions() -> dict[str, str]:
    """Return the version of each package that results depend on."""
    return versions()


@cache
def check_software(there: tuple[tuple[str, str], ...]) -> None:
    """Check that this node has the software of the driver, to the version.

    Raises:
        RunError: it has not.
    """
    here = software_versions()
    different = [
        f"{name} {here.get(name, 'missing')}, not {version}"
        for name, version in there
        if here.get(name) != version
    ]
    if different:
        raise RunError(
            f"node {platform.node()} has {'; '.join(different)}: results would differ; install the"
            " same there"
        )
