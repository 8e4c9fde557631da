"""Rules that end a search before its trials are done, as users and ``run.yaml`` write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mvt_nas._settings import Codec
from mvt_nas.errors import MetricError

Reason = Literal["trials", "exhausted", "stalled", "minutes", "interrupted"]
"""Why a search ended: its trials are done, its space is exhausted, its front has stalled, its time
is over, or Ctrl-C."""

# At most nine digits after leading zeros, so that the number stays an ordinary integer.
_STALLED = re.compile(r"stalled:0*([1-9][0-9]{0,8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoppingRule:
    """A rule that ends a search early.

    Attributes:
        stalled: Number of candidates within which the front has to grow (see ``stopping.py``);
            ``None`` without a rule.
    """

    stalled: int | None = None

    @staticmethod
    def parse(text: str) -> StoppingRule:
        """Return the rule in a text, ``stalled:N`` or ``never``.

        Raises:
            MetricError: The text is neither.
        """
        if text == str(NEVER):
            return NEVER
        match = _STALLED.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise MetricError(
                f"{text!r} is not allowed; stalled:N with a number of candidates from 1, or never",
                parameter="stop_when",
            )
        return StoppingRule(int(match[1]))

    def __str__(self) -> str:
        return "never" if self.stalled is None else f"stalled:{self.stalled}"


NEVER = StoppingRule()
"""The rule that never stops early: the number of trials decides."""

STOPPING_RULE_CODEC = Codec(lambda text, where: StoppingRule.parse(text), str)
