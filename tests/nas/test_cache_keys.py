"""Keys of the cache of evaluations: they change with all that a metric depends on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mvt_nas.nas.cache import keys as cache_keys
from mvt_nas.nas.cache.keys import CacheKeys
from mvt_nas.nas.problem.short_training import CandidateTraining
from mvt_nas.nas.runners.evaluation import EvaluationTask
from mvt_nas.proxies.base import PROXIES
from tests.nas.test_candidate_training import PROTOCOL
from tests.support.searches import SCORING, scoring_task, small_space

pytestmark = pytest.mark.usefixtures("own_cache")


def test_architectures_that_are_equal_by_construction_are_one_entry() -> None:
    space = small_space()
    names = [dimension.name for dimension in space.dimensions]
    row = space.sample(200, 0)
    row = row[row[:, names.index("stage2.block")] == 0][
        0
    ]  # a stage that is only convolutional has no attention, whatever its code
    other = row.copy()
    other[names.index("stage2.dim")] = 1 - row[names.index("stage2.dim")]
    tasks = [
        EvaluationTask(0, space.decode(space.canonical(codes[None])[0]), ("weights",), SCORING, 0)
        for codes in (row, other)
    ]
    assert row.tolist() != other.tolist()
    assert CacheKeys().of(tasks[0]) == CacheKeys().of(tasks[1])


def key(**changes: Any) -> str:
    found = scoring_task(**changes)
    return CacheKeys().of(found)[found.metrics[0]]


def test_a_key_changes_with_all_that_a_score_depends_on_and_with_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = [
        key(),
        key(seed=1),
        key(metrics=("log_synflow",)),
        key(architecture=small_space().decode(small_space().sample(9, 0)[8])),
    ]
    keys += [
        key(scoring=dataclasses.replace(SCORING, **{name: 8}))
        for name in ("resolution_px", "images", "num_classes")
    ]
    assert key(number=5, folder=tmp_path) == keys[0]
    with monkeypatch.context() as patch:
        patch.setitem(
            PROXIES._entries, "weights", dataclasses.replace(PROXIES.get("weights"), version=2)
        )
        keys.append(key())
    for name, value in (
        ("_NETWORKS", 2),
        ("_processor", lambda: {"cpu": "another"}),
        ("_text_hash", lambda proxy: "edited"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(cache_keys, name, value)
            keys.append(key())
    for package in ("torch", "numpy", "mvt-nas"):
        versions = cache_keys.versions() | {package: "another"}
        with monkeypatch.context() as patch:
            patch.setattr(cache_keys, "versions", lambda versions=versions: versions)
            keys.append(key())
    assert len(set(keys)) == len(keys) == 14
    assert key() == keys[0]


def test_a_key_changes_with_all_that_a_training_depends_on_and_with_nothing_else(
    tmp_path: Path,
) -> None:
    training = CandidateTraining("digits", None, "abc", 10, PROTOCOL, "cpu")
    changes: list[dict[str, Any]] = [
        {},
        {"fingerprint": "abd"},
        {"num_classes": 11},
        {"protocol": dataclasses.replace(PROTOCOL, epochs=3)},
    ]
    keys = [
        key(metrics=("trained_accuracy",), training=dataclasses.replace(training, **change))
        for change in changes
    ]
    keys.append(key(metrics=("trained_accuracy",), training=training, seed=1))
    assert len(set(keys)) == 5
    for change in (
        {"data": "elsewhere"},
        {"limit": 1000},
        {"device": "auto"},
    ):  # equal pictures, and this machine has no other device
        moved = dataclasses.replace(training, **change)  # type: ignore[arg-type]  # each its own kind
        assert (
            key(
                metrics=("trained_accuracy",),
                training=moved,
                scoring=dataclasses.replace(SCORING, images=9),
            )
            == keys[0]
        )
