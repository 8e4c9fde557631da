"""Access to the trials of a study at a cost independent of their number.

Optuna's storage copies a trial whenever a parameter is set, and its NSGA-II and NSGA-III scan all
trials at each proposal. With these helpers a proposal takes as long late in a long search as early
in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, NSGAIIISampler, NSGAIISampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from mvt_nas.nas.studies.optuna_compat import LastGenerationStudy, trial_storage


class Distributions(dict[str, BaseDistribution]):
    """Distributions of all parameters, shared by all trials.

    They never change, so a deep copy of a trial need not copy them.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Distributions:
        return self


class JoinedTrials(Sequence[FrozenTrial]):
    """The first trials of a sequence followed by others, without a copy.

    It may only be read, and only as long as the first sequence does not change.

    Args:
        trials: Sequence whose first trials are used.
        count: Number of trials used of it.
        others: Trials that follow.
    """

    def __init__(
        self, trials: Sequence[FrozenTrial], count: int, others: Sequence[FrozenTrial]
    ) -> None:
        self._trials = trials
        self._count = count
        self._others = others

    def __len__(self) -> int:
        return self._count + len(self._others)

    @overload
    def __getitem__(self, index: int) -> FrozenTrial: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[FrozenTrial]: ...

    def __getitem__(self, index: int | slice) -> FrozenTrial | Sequence[FrozenTrial]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        # range() resolves negative indices and raises IndexError.
        index = range(len(self))[index]
        if index < self._count:
            return self._trials[index]
        return self._others[index - self._count]


def visible_trials(study: Study, sampler: BaseSampler) -> Study:
    """Return the study as a sampler needs to see it for a proposal.

    Only Optuna's own evolutionary samplers get a reduced view: subclasses of other packages may use
    more trials.
    """
    if type(sampler) not in (NSGAIISampler, NSGAIIISampler) or trial_storage(study) is None:
        return study
    assert isinstance(sampler, NSGAIISampler | NSGAIIISampler)
    return LastGenerationStudy(study, sampler)
