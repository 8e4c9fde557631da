"""The configuration of a run: read back as it was, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mvt_nas.errors import RunError
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.api import resume_folder, search
from mvt_nas.nas.problem.config import FORMAT, RunConfig, Scoring
from mvt_nas.nas.problem.environment import IMAGENET_ESTIMATE, versions
from mvt_nas.nas.problem.metrics import parse_metric
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.nas.runs.folder import CONFIG, read_config, write_config
from mvt_nas.nas.runs.run import Run
from mvt_nas.space.search_space import load_space
from tests.support.searches import COSTS, small_space


def change(out: Path, **changes: Any) -> None:
    """Change entries of a ``run.yaml``; an ellipsis takes one away."""
    data = yaml.safe_load((out / CONFIG).read_text()) | changes
    (out / CONFIG).write_text(
        yaml.safe_dump({name: value for name, value in data.items() if value is not ...})
    )


def test_the_configuration_is_read_back_as_it_was(tmp_path: Path) -> None:
    space = load_space("mobilevit").fix({"patch": 2})
    config = RunConfig(
        space=space.document,
        space_hash=space.hash,
        objectives=(Objective.parse("log_synflow:max"), Objective.parse("macs:min")),
        budgets=(
            Budget(Metric.parse("macs"), 1e9 / 3),
            Budget(parse_metric("log_synflow"), -0.1, at_most=False),
        ),
        trials=7,
        sampler="tpe",
        seed=2**32 - 1,
        batch=3,
        warm_start=False,
        num_classes=10,
        scoring=Scoring(32, 8, 5),
        reference={"log_synflow": -1e300, "macs": 1e9 / 3},
        versions=versions(),
    )
    write_config(tmp_path, config)
    assert read_config(tmp_path) == config
    assert read_config(tmp_path).search_space().hash == space.hash
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG]
    assert yaml.safe_load((tmp_path / CONFIG).read_text())["format"] == FORMAT
    assert set(versions()) == {
        "mvt-nas",
        "python",
        "torch",
        "numpy",
        "optuna",
        "moocore",
        IMAGENET_ESTIMATE,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format": FORMAT + 1},
            (
                rf"format = {FORMAT + 1}, but this version of mvt-nas reads {FORMAT}; a newer"
                r" version is needed"
            ),
        ),
        ({"format": ...}, "damaged or not a run's configuration"),
        ({"trials": ...}, r"damaged \(trials: missing; Number of candidates to evaluate"),
        ({"trials": "many"}, r"damaged \(trials: 'many' is not allowed; an integer from 1\)"),
        ({"seed": True}, r"damaged \(seed: True is not allowed; an integer from 0 to 4294967295\)"),
        ({"sampler": 3}, "sampler: 3 is not allowed; a text"),
        ({"space": []}, r"space: \[\] is not allowed; a mapping"),
        (
            {"scoring": {"pixels": 3}},
            (
                r"damaged \(scoring\.pixels: unknown setting; did you mean 'images'\?"
                r" \(known: resolution_px, images, num_classes\)"
            ),
        ),
        (
            {"scoring": {"resolution_px": 64, "images": 1, "num_classes": 10}},
            r"damaged \(scoring\.images: 1 is not allowed; an integer from 2 to 65536\)",
        ),
        ({"trails": 4}, r"damaged \(trails: unknown setting; did you mean 'trials'\?"),
        ({"scoring": None}, r"damaged \(scoring: None is not allowed; a mapping\)"),
        ({"objectives": 3}, r"damaged \(objectives: 3 is not allowed; a list of texts\)"),
        ({"objectives": ["mac:min"]}, r"damaged \(unknown metric 'mac'; did you mean 'macs'"),
        ({"budgets": [5]}, r"damaged \(budgets: 5 is not allowed; a text\)"),
        ({"tasks": {"detection": 3}}, r"damaged \(tasks\.detection: missing; a mapping"),
        ({"training": {"data": "digits"}}, r"damaged \(training\.limit: missing; Maximum number"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    search(small_space(), objectives=COSTS, trials=4, out=tmp_path)
    change(tmp_path, **changes)
    for read in (
        read_config,
        Run.load,
        lambda folder: resume_folder(folder, trials=None, workers=1),
    ):
        with pytest.raises(RunError, match=rf"run.yaml: .*{message}"):
            read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "- 1",
        "\x00",
        "{" * 3000,
        "a: 2001-99-99",
        "format: 1\nformat: !!python/object:os.system 1",
    ],
)
def test_damaged_yaml_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(RunError, match=r"run\.yaml: damaged"):
        read_config(tmp_path)
    (tmp_path / CONFIG).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match=r"run\.yaml: damaged"):
        read_config(tmp_path)
