"""All checks, in the order in which they are reported."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from mvt_nas.report.diagnostics.check import Check
from mvt_nas.report.diagnostics.hardware import accelerator_part, cache_part, device_part
from mvt_nas.report.diagnostics.requirements import (
    DISTRIBUTION,
    extra_parts,
    read_requirements,
    required_parts,
)
from mvt_nas.report.diagnostics.runtime_smoke_test import runtime_parts

_UNKNOWN = Check(
    DISTRIBUTION,
    "required",
    False,
    "what it needs is unknown; it was copied rather than installed",
    "pip install .",
)


def run_checks() -> list[Check]:
    """Return the results of all checks; runtimes are tested in processes at the same time."""
    with ThreadPoolExecutor(1) as executor:
        runtimes = executor.submit(runtime_parts)
        requirements = read_requirements()
        required = [_UNKNOWN] if requirements is None else required_parts(requirements)
        extras = [] if requirements is None else extra_parts(requirements)
        machine = [accelerator_part(), device_part(), cache_part()]
        return [*required, *extras, *runtimes.result(), *machine]


def works(parts: list[Check]) -> bool:
    """Return True if all required parts work."""
    return all(part.ok for part in parts if part.kind == "required")
