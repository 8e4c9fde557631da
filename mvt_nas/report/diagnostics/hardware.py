"""Checks of the machine: accelerators, its latency model, and the cache of evaluations."""

from __future__ import annotations

from tempfile import TemporaryFile

from mvt_nas.errors import MvtNasError
from mvt_nas.latency.profile_lookup import default_profile_name, load_profile, profile_files
from mvt_nas.nas.cache.maintenance import cache_contents
from mvt_nas.nas.cache.store import OFF, cache_path
from mvt_nas.nas.cache.store import wanted as cache_wanted
from mvt_nas.report.diagnostics.check import Check


def accelerator_part() -> Check:
    """Return the accelerators that torch finds; none are needed."""
    try:
        found = _accelerators()
    # A driver may fail in any way.
    except Exception as error:
        return Check(
            "accelerators",
            "accelerator",
            False,
            f"torch cannot look for them ({' '.join(str(error).split())[:200]})",
        )
    return Check(
        "accelerators",
        "accelerator",
        bool(found),
        ", ".join(found) or "none; networks run on the processor",
    )


def device_part() -> Check:
    """Return the latency models of this machine."""
    default = default_profile_name()
    here = []
    damaged = []
    for name in profile_files():
        try:
            if load_profile(name).is_here():
                here.append(f"{name} (default)" if name == default else name)
        except MvtNasError as error:
            damaged.append(str(error))
    if here:
        return Check("latency model", "device", True, f"of this machine: {', '.join(here)}")
    detail = f"none is of this machine; latency_ms without @NAME is that of {default}"
    return Check(
        "latency model",
        "device",
        False,
        "; ".join([detail, *damaged]),
        "mvt-nas latency profile --name this-machine",
    )


def cache_part() -> Check:
    """Return the state of the cache of evaluations."""
    path = cache_path()
    if not cache_wanted():
        return Check("cache", "cache", False, f"off: {OFF} is set", f"unset {OFF}")
    try:
        held = cache_contents(path)
    except MvtNasError as error:
        return Check(
            "cache", "cache", False, str(error).rpartition("; ")[0], "mvt-nas cache prune --all"
        )
    folder = next((parent for parent in path.parents if parent.exists()), path.parent)
    try:
        # Permissions are not enough: the file system may be mounted read-only.
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"{folder} cannot be written ({error.strerror or error})"
        return Check(
            "cache", "cache", False, reason, "set XDG_CACHE_HOME to a folder that can be written"
        )
    return Check("cache", "cache", True, f"{held.entries} evaluations in {path}")


def _accelerators() -> list[str]:
    import torch

    found = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("Apple MPS")
    if torch.xpu.is_available():
        found += [torch.xpu.get_device_name(index) for index in range(torch.xpu.device_count())]
    return found
