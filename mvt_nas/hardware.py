"""Properties of this machine: processor, instruction sets, cores, memory, operating system."""

from __future__ import annotations

import os
import platform
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

# Instruction sets that the kernels of the runtimes are written for, as Linux spells them.
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

_CPUINFO = Path("/proc/cpuinfo")


@cache
def this_device() -> dict[str, Any]:
    """Return the properties of this machine as plain data.

    The keys and their values are part of device profiles and of cache keys on disk:

    - ``cpu``: name of the processor.
    - ``flags``: those of :data:`X86_FLAGS` and :data:`ARM_FLAGS` that the processor has.
    - ``cores``, ``usable_cores``: logical cores of the machine, and those of this process.
    - ``memory_gb``: installed memory in 10**9 bytes; ``None`` where it is unknown.
    - ``os``: name, release and architecture of the operating system.
    """
    entries = _read_cpuinfo(_CPUINFO)
    flags = set((entries.get("flags") or entries.get("Features") or "").split())
    return {
        "cpu": processor_name() or "unknown",
        "flags": [flag for flag in (*X86_FLAGS, *ARM_FLAGS) if flag in flags],
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_gb": _memory_gb(),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def processor_name() -> str:
    """Return the name of the processor, or its architecture; empty where neither is known."""
    model = _read_cpuinfo(_CPUINFO).get("model name")
    return model or platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _read_cpuinfo(path: Path) -> dict[str, str]:
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
