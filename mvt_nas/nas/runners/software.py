"""Software versions of the nodes of a cluster."""

from __future__ import annotations

import platform
from functools import cache

from mvt_nas.errors import RunError
from mvt_nas.nas.problem.environment import versions


@cache
def software_versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on."""
    return versions()


@cache
def check_software(driver: tuple[tuple[str, str], ...]) -> None:
    """Check that this node has the software of the driver, in the same versions.

    Args:
        driver: Names and versions of the driver's packages.

    Raises:
        RunError: A package is missing or has another version.
    """
    here = software_versions()
    different = [
        f"{name} {here.get(name, 'missing')}, not {version}"
        for name, version in driver
        if here.get(name) != version
    ]
    if different:
        raise RunError(
            f"node {platform.node()} has {'; '.join(different)}: results would differ; install the"
            " same there"
        )
