"""What is known of single architectures is what the tables of their space say of them."""

from __future__ import annotations

import numpy as np
import pytest

from mvt_nas.latency.profile_lookup import default_profile_name, load_profile
from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import ESTIMATED
from mvt_nas.nas.problem.accuracy_model import load_accuracy_model
from mvt_nas.nas.problem.inputs import SearchInputs, predict_single
from mvt_nas.tasks.base import task_from_text
from tests.support.searches import small_space


def test_single_architectures_are_known_as_their_space_is() -> None:
    space, profile = small_space(), load_profile(default_profile_name())
    metrics = [f"{task}{profile.metric}" for task in ("", "segmentation.")]
    texts = {
        "segmentation": "segmentation,num_classes=4,resolution_px=128",
        "detection": "detection,num_classes=3,resolution_px=128",
    }
    tasks = {
        kind: task for kind, text in texts.items() if (task := task_from_text(text)) is not None
    }
    inputs = SearchInputs(
        dict.fromkeys(map(Metric.parse, metrics), profile), load_accuracy_model(), tasks
    )
    rows = space.sample(12, 5)
    expected, found = (
        inputs.predictors(space, 10),
        predict_single(inputs, space.decode_many(rows), 10),
    )
    assert list(found) == list(expected.names)
    values = expected.of(rows)
    for name in expected.names:
        assert found[name] == pytest.approx(
            np.asarray(values[name], dtype=float).tolist(), rel=1e-9
        ), name
    assert predict_single(SearchInputs(), space.decode_many(rows[:2]), 10).keys() == {
        "params",
        "macs",
        "memory_mb",
        *ESTIMATED,
    }
