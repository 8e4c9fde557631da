"""Intermediate results shared by the samplers of one search."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from mvt_nas.space.columns import Rows

if TYPE_CHECKING:
    from mvt_nas.nas.mvt.features import RowFeatures
    from mvt_nas.nas.mvt.gaussian_process import MaternKernel
    from mvt_nas.nas.mvt.known_front import KnownFrontSearch
    from mvt_nas.nas.mvt.observations import ObservationLedger

KernelKey = tuple[int | str, bytes, bytes]
"""Objective column or constraint name, and the raw features and values of the fitted kernel."""

StudyIdentity = tuple[int, int]
"""Identity of a study: ``id`` of its storage object, and its number in that storage."""


@dataclass(slots=True)
class ProposalPlan:
    """Rows to propose while no further trial finishes.

    Attributes:
        basis: Number of finished trials and the largest of their numbers when the plan was made.
        rows: Planned rows in order, (n, dimensions).
        used: Number of rows that have been proposed already.
    """

    basis: tuple[int, int]
    rows: Rows
    used: int = 0

    @property
    def exhausted(self) -> bool:
        """True if every row has been proposed."""
        return len(self.rows) <= self.used

    def next_row(self) -> Rows:
        """Return the next row and mark it as proposed."""
        row: Rows = self.rows[self.used]
        self.used += 1
        return row


@dataclass(slots=True)
class SearchMemory:
    """Intermediate results that outlive a sampler, which is rebuilt for every proposal.

    All content follows from the finished trials and the seed: clearing the memory costs time but
    changes no proposal.

    Attributes:
        study: Study to which the content belongs.
        finished: Number of trials at the start of the study that have all finished.
        plan: Current plan.
        running: Proposed rows of unfinished trials, by trial number.
        features: Feature extractor of the space.
        front: Front search, used where all objectives are known.
        ledger: Observations of the finished trials.
        kernels: Fitted kernels.
        custom: Values of plug-in samplers; the built-in samplers do not use it.
    """

    study: StudyIdentity | None = None
    finished: int = 0
    plan: ProposalPlan | None = None
    running: dict[int, Rows] = field(default_factory=dict)
    features: RowFeatures | None = None
    front: KnownFrontSearch | None = None
    ledger: ObservationLedger | None = None
    kernels: dict[KernelKey, MaternKernel] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget everything, for example because another study begins."""
        empty = SearchMemory()
        for member in fields(self):
            setattr(self, member.name, getattr(empty, member.name))
