"""Synthetic accuracy tables: real architectures, accuracies by a known rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mvt_nas.accuracy import evaluation, surrogate, table_builder
from mvt_nas.accuracy.ranking_metrics import paired_bootstrap
from mvt_nas.accuracy.regressors import RECIPES
from mvt_nas.accuracy.table import TrainedNetwork, append, start_table
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.cost.counts import count
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import load_space

HEAD = {"format": 1, "num_classes": 10, "protocol": {"pixels": 32}, "data_fingerprint": "feed"}


@cache
def architectures(n: int = 48, seed: int = 0) -> tuple[Architecture, ...]:
    space = load_space("small_images")
    return tuple(space.decode(row) for row in space.sample(n, seed))


@cache
def sizes(n: int = 48, seed: int = 0) -> NDArray[np.float64]:
    """Return the standardised logarithms of params and MACs, (n, 2)."""
    counts = [count(one, num_classes=10) for one in architectures(n, seed)]
    logs = np.log(np.array([[float(one.params), float(one.macs)] for one in counts]))
    scaled: NDArray[np.float64] = (logs - logs.mean(axis=0)) / logs.std(axis=0)
    return scaled


def smooth(n: int = 48, seed: int = 0) -> NDArray[np.float64]:
    """Return accuracies that are a smooth function of size, in percent, (n,)."""
    params, macs = sizes(n, seed).T
    return np.asarray(60 + 3 * params + 4 * macs - 0.5 * (params + macs) ** 2)


def networks(
    accuracy: Sequence[float] | NDArray[np.float64], seed: int = 0, seed_sd: float = 0.3
) -> DistinctNetworks:
    """Return networks with these accuracies; every third is of the matched subset."""
    values = np.asarray(accuracy, dtype=float)
    subsets = tuple("matched" if place % 3 == 0 else "spread" for place in range(len(values)))
    return DistinctNetworks(architectures(len(values), seed), subsets, values, values, seed_sd, 10)


def training(
    number: int,
    accuracy: float = 50.0,
    seed: int = 0,
    status: str = "complete",
    subset: str = "spread",
) -> TrainedNetwork:
    """Return a training of one of twelve networks."""
    architecture = architectures(12)[number]
    counts = count(architecture, num_classes=10)
    return TrainedNetwork(
        key=architecture.key,
        title=f'net {number}, "quoted"',
        subset=subset,
        seed=seed,
        status=status,
        accuracy=accuracy,
        validation_loss=1.25,
        tse_ema=8.5,
        params=int(counts.params),
        macs=int(counts.macs),
        seconds=1.5,
        images_per_second=100.0,
        hardware="cpu, a name with, commas",
        curve=(10.0, 12.5),
        architecture=architecture,
    )


def write_table(path: Path, shift: float = 0.0) -> Path:
    """Write a table of twelve networks with accuracies that are smooth in size; return its path."""
    start_table(path, HEAD)
    for number, accuracy in enumerate(smooth(12)):
        append(
            path,
            training(
                number, float(accuracy) + shift, subset="matched" if number % 3 == 0 else "spread"
            ),
        )
    append(path, training(0, float(smooth(12)[0]) + shift + 1, seed=1))
    return path


class _ThisProcess(Executor):
    """Runs what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


def train_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables be filled without training processes."""
    monkeypatch.setattr(table_builder, "_pool", lambda *_: nullcontext(_ThisProcess()))


def evaluate_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let surrogates try two regressions, and evaluations of them draw few resamples."""
    monkeypatch.setattr(surrogate, "RECIPES", RECIPES[:2])
    monkeypatch.setattr(
        evaluation,
        "paired_bootstrap",
        lambda figure, n, rng: paired_bootstrap(figure, n, rng, resamples=50),
    )
