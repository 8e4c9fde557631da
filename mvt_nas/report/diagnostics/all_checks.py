"""All that is looked at, in the order in which it is told."""

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
    """Return all parts; runtimes are opened in processes while the rest is looked at here."""
    with ThreadPoolExecutor(1) as beside:
        runtimes = beside.submit(runtime_parts)
        asked = read_requirements()
        required = [_UNKNOWN] if asked is None else required_parts(asked)
        extras = [] if asked is None else extra_parts(asked)
        machine = [accelerator_part(), device_part(), cache_part()]
        return [*required, *extras, *runtimes.result(), *machine]


def works(parts: list[Check]) -> bool:
    """Return whether all that is required is fine."""
    return all(part.ok for part in parts if part.kind == "required")
