"""Export of a run to an Optuna storage, for optuna-dashboard and Optuna's own plots.

Parameters have their actual values; scores that are no objectives are user attributes. The export
is a copy: the run's store remains authoritative.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from mvt_nas.errors import RunError
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.studies.optuna_study import optuna_directions, quiet_optuna

_STATES = {"failed": TrialState.FAIL, "stopped": TrialState.PRUNED}


def write_storage(run: Run, path: Path) -> Path:
    """Write the candidates of a run into a new journal storage and return its path.

    Raises:
        RunError: The file cannot be written.
    """
    if path.exists() and not path.is_file():
        raise RunError(f"{path}: is not a file that can be replaced")
    try:
        path.unlink(missing_ok=True)
        backend = JournalFileBackend(str(path))
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error})") from None
    with quiet_optuna():
        _write(run, JournalStorage(backend))
    return path


def _write(run: Run, storage: JournalStorage) -> None:
    study = optuna.create_study(
        storage=storage,
        study_name=run.folder.resolve().name,
        directions=optuna_directions(run.directions),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([objective.name for objective in run.config.objectives])
    distributions = {d.name: CategoricalDistribution(d.values) for d in run.space.dimensions}
    study.add_trials(
        [_trial(run, run.candidates[number], distributions) for number in sorted(run.candidates)]
    )


def _trial(
    run: Run, candidate: Candidate, distributions: dict[str, CategoricalDistribution]
) -> optuna.trial.FrozenTrial:
    params = {
        d.name: d.values[code] for d, code in zip(run.space.dimensions, candidate.row, strict=True)
    }
    attributes: dict[str, Any] = {
        "key": candidate.key,
        "origin": candidate.origin,
        "status": candidate.status,
        **candidate.scores,
    }
    if candidate.error:
        attributes["error"] = candidate.error
    return create_trial(
        state=_STATES.get(candidate.status, TrialState.COMPLETE),
        values=(
            [candidate.scores[o.name] for o in run.config.objectives] if candidate.scored else None
        ),
        params=params,
        distributions=dict(distributions),
        user_attrs=attributes,
    )
