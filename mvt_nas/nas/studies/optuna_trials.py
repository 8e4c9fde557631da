"""Optuna's trials in memory, so that a proposal takes as long late in a long search as early in it.

Optuna's storage copies a trial whenever a parameter is set, and deeply when a finished one is
added. Its NSGA-II and NSGA-III go through all trials at each proposal, though they use the last
generation and its parents only; here they are shown no others.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, overload

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.samplers import BaseSampler, NSGAIIISampler, NSGAIISampler
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

_GENERATION = (  # ends the names of the attributes in which the evolutionary samplers keep it
    ":generation"
)


class Distributions(dict[str, BaseDistribution]):
    """The distributions of all parameters, shared by all trials: never changed, so that a deep copy of a trial need not copy them."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Distributions:
        return self


class TrialStorage(InMemoryStorage):
    """A storage for one study of one thread.

    Attributes:
        noted: attributes of the study that were set; may be emptied at any time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[str, Any] = {}
        self._generations: dict[str, dict[int, list[FrozenTrial]]] = {}

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Return the number of a new trial: one that runs, or the finished one that is given, which is then the storage's own."""
        trial_id = super().create_new_trial(study_id)
        if template_trial is not None:
            template_trial.number, template_trial._trial_id = (
                self.get_trial_number_from_id(trial_id),
                trial_id,
            )
            self._set_trial(trial_id, template_trial)
            self._update_cache(trial_id, study_id)
            self._count(template_trial)
        return trial_id

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Set a parameter of a trial that runs."""
        trial = self._get_trial(trial_id)
        self.check_trial_is_updatable(trial_id, trial.state)
        known = self._studies[self._trial_id_to_study_id_and_number[trial_id][0]].param_distribution
        if known.setdefault(param_name, distribution) is not distribution:
            check_distribution_compatibility(known[param_name], distribution)
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Finish a trial; return whether that was to be done."""
        done = super().set_trial_state_values(trial_id, state, values)
        self._count(self._get_trial(trial_id))
        return done

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set an attribute of the study."""
        if key in self.noted or self._studies[study_id].system_attrs.get(key) != value:
            self.noted[key] = value
        super().set_study_system_attr(study_id, key, value)

    def every(self, study_id: int) -> Sequence[FrozenTrial]:
        """Return all trials, to be read only, and not longer than until the next is asked or told: the list is the storage's own."""
        return self._studies[study_id].trials

    def generations(self, name: str) -> dict[int, list[FrozenTrial]]:
        """Return the complete trials by the generation that they have in an attribute, in the order in which they came."""
        return self._generations.get(name, {})

    def _count(self, trial: FrozenTrial) -> None:
        if trial.state == TrialState.COMPLETE:
            for name, value in trial.system_attrs.items():
                if name.endswith(_GENERATION):
                    self._generations.setdefault(name, {}).setdefault(value, []).append(trial)


class LastGenerationStudy(Study):
    """A study in which there is nothing but the last generation and its parents, from which those of the next one are chosen.

    Args:
        study: the whole; its storage is :class:`Trials`.
        sampler: to whose generations this belongs.
    """

    def __init__(self, study: Study, sampler: NSGAIISampler | NSGAIIISampler) -> None:
        super().__init__(study.study_name, study._storage, sampler)
        self._names = (sampler._get_generation_key(), sampler._get_parent_cache_key_prefix())

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        assert isinstance(self._storage, TrialStorage)
        generations, attributes = (
            self._storage.generations(self._names[0]),
            self._storage.get_study_system_attrs(self._study_id),
        )
        last = max(generations, default=0)
        found = {trial.number: trial for trial in generations.get(last, [])}
        for parent in attributes.get(f"{self._names[1]}{last}", []):
            trial = self._storage.get_trial(parent)
            found[trial.number] = trial
        return [
            found[number]
            for number in sorted(found)
            if states is None or found[number].state in states
        ]


def all_trials(study: Study) -> Sequence[FrozenTrial]:
    """Return all trials of a study, to be read at once; of our storage, without a copy of the list."""
    storage = study._storage
    return (
        storage.every(study._study_id)
        if isinstance(storage, TrialStorage)
        else study.get_trials(deepcopy=False)
    )


class JoinedTrials(Sequence[FrozenTrial]):
    """The first of some trials and then others, without a copy: to be read only, as long as the first ones stay.

    Args:
        trials: of which the first are meant.
        count: how many.
        others: what comes behind them.
    """

    def __init__(
        self, trials: Sequence[FrozenTrial], count: int, others: Sequence[FrozenTrial]
    ) -> None:
        self._trials, self._count, self._others = trials, count, others

    def __len__(self) -> int:
        return self._count + len(self._others)

    @overload
    def __getitem__(self, place: int) -> FrozenTrial: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[FrozenTrial]: ...

    def __getitem__(self, place: int | slice) -> FrozenTrial | Sequence[FrozenTrial]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        return self._trials[place] if place < self._count else self._others[place - self._count]


def visible_trials(study: Study, sampler: BaseSampler) -> Study:
    """Return the study as a sampler needs to see it for a proposal; what others have made of these two may look at more."""
    if type(sampler) not in (NSGAIISampler, NSGAIIISampler) or not isinstance(
        study._storage, TrialStorage
    ):
        return study
    assert isinstance(sampler, NSGAIISampler | NSGAIIISampler)
    return LastGenerationStudy(study, sampler)
