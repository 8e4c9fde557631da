"""What figures were measured on: a latency without its device, runtime and versions says nothing."""

from __future__ import annotations

import os
import platform
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from mvt_nas._version import __version__
from mvt_nas.latency.runtime import Runtime, package_version

# Instructions that the kernels of the runtimes are written for, in the spelling of Linux.
X86_FLAGS = (
    "avx2",
    "fma",
    "f16c",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
)
ARM_FLAGS = ("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme")
PACKAGES = (
    "torch",
    "onnx",
    "onnxruntime",
    "openvino",
    "ai-edge-litert",
    "litert-torch",
    "executorch",
    "numpy",
)


def fingerprint(
    runtime: Runtime, *, threads: int, command: str | None = None, dtype: str = "fp32"
) -> dict[str, Any]:
    """Return device, runtime and package versions as plain data, the same at each call on one machine.

    With a command, the device is whatever the command runs on, which only the command is known of.
    """
    device = {"command": command} if command else dict(this_device())
    if runtime.accelerator:
        device["accelerator"] = runtime.accelerator()
    versions = {"mvt-nas": __version__, "python": platform.python_version()}
    versions |= {
        package: found for package in PACKAGES if (found := package_version(package)) is not None
    }
    return {
        "device": device,
        "runtime": {
            "name": runtime.name,
            "version": runtime.version(),
            "threads": threads,
            "dtype": dtype,
        },
        "packages": versions,
    }


def describe(found: dict[str, Any]) -> str:
    """Return a fingerprint as one line."""
    device, runtime = found["device"], found["runtime"]
    name = f"{runtime['name']} {runtime['version']}" if runtime["version"] else runtime["name"]
    threads = f"{runtime['threads']} thread" + "s" * (runtime["threads"] > 1)
    if "command" in device:
        return f"{name}, {runtime['dtype']}, {threads}; {device['command']}"
    memory = f", {device['memory_gb']} GB" if device["memory_gb"] else ""
    flags = f" ({' '.join(device['flags'])})" if device["flags"] else ""
    accelerator = f"{device['accelerator']}, " if "accelerator" in device else ""
    return (
        f"{name}, {runtime['dtype']}, {threads}; {accelerator}{device['cpu']}, {device['cores']}"
        f" cores{memory}, {device['os']}{flags}"
    )


@cache
def this_device() -> dict[str, Any]:
    """Return what this machine is, as plain data."""
    entries = _cpuinfo(Path("/proc/cpuinfo"))
    flags = set((entries.get("flags") or entries.get("Features") or "").split())
    return {
        "cpu": entries.get("model name") or platform.processor() or platform.machine() or "unknown",
        "flags": [flag for flag in (*X86_FLAGS, *ARM_FLAGS) if flag in flags],
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_gb": _memory_gb(),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _cpuinfo(path: Path) -> dict[str, str]:
    """Return the entries of the first processor; none where the system has no such file."""
    if not path.is_file():
        return {}
    first = path.read_text(errors="replace").split("\n\n")[0]
    return {
        key.strip(): value.strip()
        for key, value in re.findall(r"^([^:\n]+):(.*)$", first, re.MULTILINE)
    }


def _memory_gb() -> float | None:
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(names):
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
