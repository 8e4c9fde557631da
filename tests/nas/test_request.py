"""From a request to a complete configuration."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import mvt_nas
from mvt_nas._settings import settings
from mvt_nas.cli.search import search_command
from mvt_nas.errors import MetricError, RunError
from mvt_nas.nas.api import search
from mvt_nas.nas.problem.config import RunConfig, Scoring
from mvt_nas.nas.problem.inputs import read_inputs
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.nas.problem.short_training import KEEP, CandidateTraining
from mvt_nas.nas.problem.stopping_rule import NEVER, StoppingRule
from mvt_nas.nas.request import PreviousRun, SearchRequest, TrainingImages, resolve_request
from mvt_nas.nas.runs.folder import read_config
from mvt_nas.training.short_recipe import ShortRecipe
from tests.support.searches import COSTS, small_space

RECIPE = ShortRecipe(pixels=16, train_images=64, validation_images=32, batch_size=32, epochs=4)


def request(**given: Any) -> SearchRequest:
    return SearchRequest(space=small_space(), objectives=COSTS, **given)


def previous(folder: Path, **settings: Any) -> PreviousRun:
    """Return a short run to resume."""
    search(small_space(), objectives=COSTS, trials=2, out=folder, **settings)
    config = read_config(folder)
    return PreviousRun(folder, config, read_inputs(folder, config))


def test_what_is_not_given_has_its_default() -> None:
    config, inputs = resolve_request(SearchRequest(space=small_space(), objectives=["macs"]))
    assert (config.trials, config.sampler, config.seed, config.batch) == (200, "mvt", 0, 16)
    assert (config.warm_start, config.num_classes, config.scoring) == (True, 1000, Scoring())
    assert (config.stop_when, config.training, config.budgets) == (NEVER, None, ())
    assert config.objectives == (Objective.parse("macs"),)
    assert config.search_space().hash == small_space().hash
    assert {"python", "processor"} <= set(config.versions)
    assert (inputs.devices, inputs.accuracy, inputs.tasks) == ({}, None, {})


def test_a_resumed_run_keeps_what_is_not_given(tmp_path: Path) -> None:
    old = previous(
        tmp_path,
        budgets=["macs<=1G"],
        seed=7,
        batch=4,
        sampler="random",
        warm_start=False,
        num_classes=5,
        scoring=Scoring(32, 4),
        stop_when="stalled:9",
    )
    config, inputs = resolve_request(SearchRequest(space=small_space()), old)
    assert (config, inputs) == (old.config, old.inputs)
    assert config.budgets == (Budget.parse("macs<=1G"),)
    longer, _ = resolve_request(
        SearchRequest(
            space=small_space(),
            scoring={"images": 4},
            settings={"trials": 9, "stop_when": "never", "seed": 7},
        ),
        old,
    )
    assert (longer.trials, longer.stop_when) == (9, NEVER)
    assert longer.scoring == Scoring(32, 4)
    with pytest.raises(RunError, match=r"budgets is macs<=1000000000 there, none here"):
        resolve_request(SearchRequest(space=small_space(), budgets=[]), old)
    with pytest.raises(RunError, match=r"scoring is .*images 4.* there, .*images 16.* here"):
        resolve_request(SearchRequest(space=small_space(), scoring=Scoring(32)), old)
    with pytest.raises(RunError, match=r"seed is 7 there, 0 here"):
        resolve_request(SearchRequest(space=small_space(), settings={"seed": 0}), old)


def test_a_run_is_resumed_without_any_argument(tmp_path: Path) -> None:
    before = previous(tmp_path, seed=3, sampler="random").config
    run = search(out=tmp_path, resume=True, trials=4).run
    assert (len(run.candidates), run.config.seed, run.config.sampler) == (4, 3, "random")
    assert run.config.space_hash == before.space_hash
    with pytest.raises(MetricError, match=r"^space: missing; a space, or a run to resume$"):
        search(objectives=COSTS, out=tmp_path)
    with pytest.raises(RunError, match="nowhere: no run here"):
        search(out=tmp_path / "nowhere", resume=True)


@pytest.mark.parametrize(
    ("given", "parameter", "message"),
    [
        ({"settings": {"trials": 0}}, "trials", "0 is not allowed; an integer from 1"),
        (
            {"scoring": {"images": 1}},
            "scoring.images",
            "1 is not allowed; an integer from 2 to 65536",
        ),
        (
            {"scoring": Scoring(8)},
            "scoring.resolution_px",
            "8 is not allowed; an integer from 16 to 4096",
        ),
        ({"budgets": "macs<=1G"}, "budgets", "'macs<=1G' is not allowed; a list of texts"),
        ({"budgets": ["macs=1"]}, "budgets", "'macs=1' cannot be read"),
        ({"settings": {"stop_when": "soon"}}, "stop_when", "'soon' is not allowed; stalled:N"),
        ({"tasks": ["detection", "detection"]}, "tasks", "detection is given twice"),
        (
            {"images": TrainingImages(keep=KEEP)},
            "pictures.keep",
            "of use with the objective trained_accuracy only",
        ),
    ],
)
def test_errors_name_the_parameter(given: dict[str, Any], parameter: str, message: str) -> None:
    with pytest.raises(mvt_nas.MvtNasError) as refused:
        resolve_request(request(**given))
    error = refused.value
    assert error.parameter == parameter
    assert error.message.startswith(message)
    assert str(error) == f"{parameter}: {error.message}"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.parameter, str(again)) == (type(error), parameter, str(error))


def test_the_share_of_promoted_trainings_may_be_repeated(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "space": small_space(),
        "objectives": ["trained_accuracy", "macs"],
    }
    half = TrainingImages(protocol=RECIPE, rungs=(1, 2), keep=0.5)
    config, inputs = resolve_request(SearchRequest(**given, images=half))
    old = PreviousRun(tmp_path, config, inputs)
    assert config.training is not None
    assert (config.training.rungs, config.training.keep) == ((1, 2), 0.5)
    for images in (None, TrainingImages(), TrainingImages(keep=0.5), TrainingImages(rungs=(1, 2))):
        same, _ = resolve_request(SearchRequest(**given, images=images), old)
        assert same == config
    with pytest.raises(RunError, match=r"training is .*keep 0\.5.* there, .*keep 0\.333.* here"):
        resolve_request(SearchRequest(**given, images=TrainingImages(keep=KEEP)), old)


def test_every_option_of_a_setting_sets_a_parameter_of_search() -> None:
    names = {parameter.name for parameter in search_command.params}
    for cls in (RunConfig, Scoring, CandidateTraining):
        for name, declared in settings(cls).items():
            if declared.option is not None:
                assert (declared.option.parameter or name) in names
    given = {name for name in search.__kwdefaults__ if name not in ("pictures", "scoring")}
    assert given - names == {"listener"}


def test_a_stopping_rule_is_one_setting() -> None:
    config, _ = resolve_request(request(settings={"stop_when": "stalled:5"}))
    assert config.stop_when == StoppingRule(5)
    assert config.to_dict()["stop_when"] == "stalled:5"
