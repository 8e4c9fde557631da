"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["required", "extra", "runtime", "accelerator", "device", "cache"]
"""Kind of the checked part; only a broken required part breaks mvt-nas."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of checking one part.

    Attributes:
        name: Name of the part.
        kind: Kind of the part.
        ok: Whether the part is present and works.
        detail: Its version or state, or the problem, on one line.
        remedy: Command or action that makes it work; ``None`` if none is needed or known.
    """

    name: str
    kind: Kind
    ok: bool
    detail: str
    remedy: str | None = None
