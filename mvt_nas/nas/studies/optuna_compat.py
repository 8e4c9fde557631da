"""All uses of Optuna's private API.

Optuna offers no public access to the storage of a study, to system attributes, or to the trials
that a sampler sees. When a new version of Optuna changes its internals, this module and the sampler
``qmc`` (which overrides one private method) are the places to adapt.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.samplers import NSGAIIISampler, NSGAIISampler
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

# Ends the names of the attributes in which the evolutionary samplers store a trial's generation.
_GENERATION = ":generation"


class TrialStorage(InMemoryStorage):
    """In-memory storage of a single study, used by a single thread.

    Optuna's own storage copies a trial whenever a parameter is set, and deeply when a finished
    trial is added, so that a proposal takes longer the more trials there are.

    Attributes:
        changed_attributes: System attributes of the study set since the owner last emptied this.
    """

    def __init__(self) -> None:
        super().__init__()
        self.changed_attributes: dict[str, Any] = {}
        self._generations: dict[str, dict[int, list[FrozenTrial]]] = {}

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a trial and return its id.

        Without a template the trial is running. A template is a finished trial; the storage keeps
        that object itself.
        """
        trial_id = super().create_new_trial(study_id)
        if template_trial is not None:
            template_trial.number = self.get_trial_number_from_id(trial_id)
            template_trial._trial_id = trial_id
            self._set_trial(trial_id, template_trial)
            self._update_cache(trial_id, study_id)
            self._index_generation(template_trial)
        return trial_id

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Set a parameter of a running trial in place."""
        trial = self._get_trial(trial_id)
        self.check_trial_is_updatable(trial_id, trial.state)
        study_id, _ = self._trial_id_to_study_id_and_number[trial_id]
        known = self._studies[study_id].param_distribution
        if known.setdefault(param_name, distribution) is not distribution:
            check_distribution_compatibility(known[param_name], distribution)
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set state and values of a trial; return True if the state was updated."""
        updated = super().set_trial_state_values(trial_id, state, values)
        self._index_generation(self._get_trial(trial_id))
        return updated

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a system attribute of the study, and record it if its value changes."""
        unchanged = self._studies[study_id].system_attrs.get(key) == value
        if key in self.changed_attributes or not unchanged:
            self.changed_attributes[key] = value
        super().set_study_system_attr(study_id, key, value)

    def trials(self, study_id: int) -> Sequence[FrozenTrial]:
        """Return the storage's own list of trials.

        Read it only, and not after the next trial is asked for or told.
        """
        return self._studies[study_id].trials

    def generations(self, attribute: str) -> dict[int, list[FrozenTrial]]:
        """Return the complete trials by generation, each in the order of completion.

        Args:
            attribute: Name of the system attribute that holds the generation.
        """
        return self._generations.get(attribute, {})

    def _index_generation(self, trial: FrozenTrial) -> None:
        if trial.state != TrialState.COMPLETE:
            return
        for name, value in trial.system_attrs.items():
            if name.endswith(_GENERATION):
                self._generations.setdefault(name, {}).setdefault(value, []).append(trial)


class LastGenerationStudy(Study):
    """View of a study that contains only the last generation and its parents.

    NSGA-II and NSGA-III scan all trials at each proposal, though they use no others.

    Args:
        study: Study with a :class:`TrialStorage`.
        sampler: Sampler whose generations count.
    """

    def __init__(self, study: Study, sampler: NSGAIISampler | NSGAIIISampler) -> None:
        super().__init__(study.study_name, study._storage, sampler)
        self._generation_attribute = sampler._get_generation_key()
        self._parents_prefix = sampler._get_parent_cache_key_prefix()

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        storage = self._storage
        assert isinstance(storage, TrialStorage)
        generations = storage.generations(self._generation_attribute)
        last = max(generations, default=0)
        visible = {trial.number: trial for trial in generations.get(last, [])}
        attributes = storage.get_study_system_attrs(self._study_id)
        for parent_id in attributes.get(f"{self._parents_prefix}{last}", []):
            parent = storage.get_trial(parent_id)
            visible[parent.number] = parent
        return [
            visible[number]
            for number in sorted(visible)
            if states is None or visible[number].state in states
        ]


def trial_storage(study: Study) -> TrialStorage | None:
    """Return the storage of a study if it is a :class:`TrialStorage`, else None."""
    storage = study._storage
    return storage if isinstance(storage, TrialStorage) else None


def study_identity(study: Study) -> tuple[int, int]:
    """Return an identity that no two live studies of this process share."""
    return id(study._storage), study._study_id


def all_trials(study: Study) -> Sequence[FrozenTrial]:
    """Return all trials of a study, to be read at once; without copies where possible."""
    storage = trial_storage(study)
    if storage is None:
        return study.get_trials(deepcopy=False)
    return storage.trials(study._study_id)


def study_attributes(study: Study) -> dict[str, Any]:
    """Return the system attributes of a study."""
    return study._storage.get_study_system_attrs(study._study_id)


def set_study_attribute(study: Study, key: str, value: Any) -> None:
    """Set a system attribute of a study."""
    study._storage.set_study_system_attr(study._study_id, key, value)


def add_finished_trial(study: Study, trial: FrozenTrial) -> None:
    """Add a finished trial to a study without the copy and the checks of ``Study.add_trial``."""
    study._storage.create_new_trial(study._study_id, trial)


def stored_trial(study: Study, trial: Trial | FrozenTrial) -> FrozenTrial:
    """Return the storage's own object of a trial."""
    return study._storage.get_trial(trial._trial_id)


def set_trial_attribute(study: Study, trial: FrozenTrial, key: str, value: Any) -> None:
    """Set a system attribute of a trial."""
    study._storage.set_trial_system_attr(trial._trial_id, key, value)
