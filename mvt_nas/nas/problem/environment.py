"""Software and hardware on which the last digits of scores depend."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from mvt_nas._io import content_hash
from mvt_nas._version import __version__
from mvt_nas.accuracy.imagenet.constants import CONSTANTS_FILE
from mvt_nas.hardware import this_device
from mvt_nas.resources import benchmark_file

_PACKAGES = ("torch", "numpy", "optuna", "moocore")

IMAGENET_ESTIMATE = "imagenet-estimate"
"""Name of the version of the ImageNet estimate: the hash of its constants."""


def versions() -> dict[str, str]:
    """Return the versions of the software that computes scores."""
    result = {"mvt-nas": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            result[package] = version(package)
        except PackageNotFoundError:
            result[package] = "missing"
    result[IMAGENET_ESTIMATE] = content_hash(benchmark_file(CONSTANTS_FILE).read_bytes())
    return result


def environment() -> dict[str, str]:
    """Return the versions of the software and the name of the processor."""
    return versions() | {"processor": this_device()["cpu"]}
