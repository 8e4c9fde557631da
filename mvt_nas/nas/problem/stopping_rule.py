"""By which rule a search ends before its trials are done, as people write it and as it stands in ``run.yaml``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mvt_nas.errors import MetricError

Reason = Literal["trials", "exhausted", "stalled", "minutes", "interrupted"]
"""Why a search ended: its trials are done, its space is exhausted, its front has stalled, its
minutes are over, or Ctrl-C."""


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """A rule by which a search ends.

    Attributes:
        stalled: number of candidates within which the front has to grow (see ``stopping.py``);
            ``None`` without a rule.
    """

    stalled: int | None = None

    @staticmethod
    def parse(text: str) -> StoppingRule:
        """Return the rule ``stalled:N`` or ``never``.

        Raises:
            MetricError: it is neither.
        """
        if text == str(NEVER):
            return NEVER
        found = (
            re.fullmatch(r"stalled:0*([1-9][0-9]{0,8})", text, re.ASCII)
            if isinstance(text, str)
            else None
        )
        if found is None:
            raise MetricError(
                f"--stop-when {text!r} is not allowed; stalled:N with a number of candidates from"
                " 1, or never"
            )
        return StoppingRule(int(found[1]))

    def __str__(self) -> str:
        return "never" if self.stalled is None else f"stalled:{self.stalled}"


NEVER = StoppingRule()
"""No rule: the trials decide."""
