"""All that is looked at, in the order in which it is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from mvt_nas.report.health.machine import accelerator_part, cache_part, device_part
from mvt_nas.report.health.opening import runtime_parts
from mvt_nas.report.health.part import Part
from mvt_nas.report.health.requirements import DISTRIBUTION, extra_parts, required_parts, wanted

_UNKNOWN = Part(DISTRIBUTION, "required", False, "what it needs is unknown; it was copied rather than installed", "pip install .")


def checkup() -> list[Part]:
    """Return all parts; runtimes are opened in processes while the rest is looked at here."""
    with ThreadPoolExecutor(1) as beside:
        runtimes = beside.submit(runtime_parts)
        asked = wanted()
        required = [_UNKNOWN] if asked is None else required_parts(asked)
        extras = [] if asked is None else extra_parts(asked)
        machine = [accelerator_part(), device_part(), cache_part()]
        return [*required, *extras, *runtimes.result(), *machine]


def works(parts: list[Part]) -> bool:
    """Return whether all that is required is fine."""
    return all(part.ok for part in parts if part.kind == "required")
