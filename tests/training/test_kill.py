"""Full trainings killed at any moment go on to the same weights, bit for bit."""

from __future__ import annotations

import random
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from mvt_nas.training.folder import TrainingFolder
from tests.support.forked_workers import PROCESSES
from tests.support.training_processes import data, left, run, train_and_tell

STEPS = 3 * 5
"""Of a whole training, at least."""


@cache
def uninterrupted() -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        run(Path(folder))
        return left(Path(folder))


def kill_once(folder: Path, steps: int, delay_s: float, workers: int) -> bool:
    """Kill a training process after some steps and a delay; return False if it ended before."""
    told = folder.with_suffix(".told")
    before = told.stat().st_size if told.exists() else 0
    process = PROCESSES.Process(
        target=train_and_tell, args=(str(folder), str(told), workers, data())
    )
    process.start()
    while process.is_alive() and (told.stat().st_size if told.exists() else 0) < before + steps:
        time.sleep(0.001)
    time.sleep(delay_s)
    process.kill()
    process.join()
    return process.exitcode == -9


def kill_and_go_on(seed: int, folder: Path, times: int, longest_s: float = 0.1) -> int:
    """Kill a training at random moments, then let it end; return the number of actual kills."""
    chance, killed = random.Random(seed), 0
    for _ in range(times):
        killed += kill_once(
            folder, chance.randrange(STEPS // 2), longest_s * chance.random(), seed % 2
        )
    run(folder)
    assert left(folder) == uninterrupted()
    assert not list(folder.rglob(".*.tmp"))
    return killed


@pytest.mark.slow
def test_a_training_killed_at_three_moments_ends_with_the_same_weights(tmp_path: Path) -> None:
    assert kill_and_go_on(1, tmp_path / "training", 3, longest_s=0.02) >= 2


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 22))
def test_a_training_killed_at_any_moment_ends_with_the_same_weights(
    seed: int, tmp_path: Path
) -> None:
    kill_and_go_on(seed, tmp_path / "training", random.Random(seed).randrange(1, 5))


@pytest.mark.slow
def test_an_ended_training_is_left_as_it_is(tmp_path: Path) -> None:
    run(tmp_path)
    files = TrainingFolder(tmp_path)
    before = files.last.read_bytes(), files.weights.read_bytes(), files.config.read_bytes()
    run(tmp_path)
    assert (
        files.last.read_bytes(),
        files.weights.read_bytes(),
        files.config.read_bytes(),
    ) == before
    assert left(tmp_path) == uninterrupted()
