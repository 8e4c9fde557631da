"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["required", "extra", "runtime", "accelerator", "device", "cache"]
"""Only what is required makes the whole not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one thing.

    Attributes:
        name: of it.
        kind: of thing.
        ok: whether it is there and works.
        detail: what it is, or what is wrong with it, on one line.
        remedy: what to type or do so that it works; ``None`` where nothing is to be done, or nobody
            knows what.
    """

    name: str
    kind: Kind
    ok: bool
    detail: str
    remedy: str | None = None
