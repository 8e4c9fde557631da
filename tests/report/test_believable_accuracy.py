"""Statements that follow from the intervals of the estimated ImageNet accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mvt_nas.nas.api import search
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.accuracy_notes import accuracy_notes
from mvt_nas.report.front_table import front_table
from mvt_nas.report.insights import (
    best_within_budgets,
    dominance_summary,
    dominated_models,
    recommendations,
)
from mvt_nas.report.markdown import report
from mvt_nas.report.selectors import select_candidate
from mvt_nas.space.architecture import CONV
from mvt_nas.space.columns import Rows
from mvt_nas.space.published import published, published_names
from mvt_nas.space.search_space import load_space
from tests.support.candidates import run_with

SPACE = load_space("mobilevit")


@dataclass(frozen=True)
class Network:
    """A candidate of a made-up run."""

    top1: float
    half: float
    macs: float
    origin: str = "sampler"
    in_domain: bool = True

    def scores(self) -> dict[str, float]:
        """Return its scores."""
        return {
            "imagenet_top1": self.top1,
            "imagenet_top1_low": self.top1 - self.half,
            "imagenet_top1_high": self.top1 + self.half,
            "imagenet_top1_in_domain": float(self.in_domain),
            "macs": self.macs,
            "params": self.macs,
        }


def run_of(networks: Sequence[Network], rows: Rows | None = None) -> Run:
    """Return a run of made-up candidates."""
    return run_with(
        [network.scores() for network in networks],
        ("imagenet_top1:max", "macs:min"),
        space=SPACE,
        rows=rows,
        budgets=("macs<=1e10",),
        reference={"macs": 2e10},
        origins={number: network.origin for number, network in enumerate(networks)},
    )


def test_an_uncertain_prediction_never_replaces_a_known_model() -> None:
    run = run_of(
        [
            Network(78.3, 1.1, 2e9, origin="mobilevit_s"),
            Network(79.0, 3.0, 2e9),
            Network(78.6, 1.3, 2e9),
        ]
    )
    best = best_within_budgets(run)
    assert best is not None
    assert best.number == 2
    assert "no lower than any published model's" in best.why
    assert [one.name for one in recommendations(run)][:2] == ["best", "knee"]
    assert select_candidate(run, "best") == 2


def test_the_published_model_is_recommended_where_nothing_is_surely_as_good() -> None:
    run = run_of([Network(78.3, 1.1, 2e9, origin="mobilevit_s"), Network(79.0, 3.0, 2e9)])
    best = best_within_budgets(run)
    assert best is not None
    assert best.number == 0
    assert "the published model" in best.why


def test_an_extrapolation_is_recommended_only_where_there_is_nothing_else() -> None:
    far = Network(84.0, 1.0, 9e9, in_domain=False)
    best = best_within_budgets(run_of([far, Network(78.0, 1.5, 2e9)]))
    assert best is not None
    assert best.number == 1
    alone = best_within_budgets(run_of([far]))
    assert alone is not None
    assert alone.number == 0


def test_nothing_is_best_without_an_interval_or_a_candidate() -> None:
    assert best_within_budgets(run_of([])) is None


def test_models_are_dominated_only_where_the_intervals_say_so() -> None:
    run = run_of(
        [
            Network(78.3, 1.1, 2.0e9, origin="mobilevit_s"),
            Network(74.7, 1.5, 1.0e9, origin="mobilevit_xs"),
            Network(69.0, 1.9, 0.4e9, origin="mobilevit_xxs"),
            Network(78.6, 1.4, 1.9e9),
            Network(78.0, 1.4, 0.9e9),
        ]
    )
    found = {one.model: one for one in dominated_models(run)}
    assert set(found) == {"mobilevit_s", "mobilevit_xs"}
    # 0.3 points are well within the intervals, 3.3 are not.
    assert (found["mobilevit_s"].by, found["mobilevit_s"].confident) == (3, False)
    assert (found["mobilevit_xs"].by, found["mobilevit_xs"].confident) == (4, True)
    assert dominance_summary(list(found.values()), 3).startswith("1 of 3 are dominated with 90 %;")
    assert "about equal" in report(run)


def test_extrapolations_have_a_star_wherever_they_are_printed() -> None:
    run = run_of([Network(84.0, 1.0, 9e9, in_domain=False), Network(78.0, 1.5, 2e9)])
    cells = [row.cells[0] for row in front_table(run).rows]
    assert cells == ["84.0 ±1.0*", "78.0 ±1.5"]
    text = report(run)
    assert "imagenet\\_top1 84.0 ±1.0\\*" in text
    assert any(note.startswith("*: for 1 of 2 candidates") for note in accuracy_notes(run))


def test_a_front_says_what_it_lacks() -> None:
    rows = SPACE.sample(3, 5)
    # Purely convolutional networks are rare, so they are made from others.
    names = [dimension.name for dimension in SPACE.dimensions]
    plain = rows.copy()
    for number in (3, 4, 5):
        block = f"stage{number}.block"
        plain[:, names.index(block)] = list(SPACE.dimensions[names.index(block)].values).index(CONV)
    plain[:, names.index("resolution_px")] = 0
    networks = [Network(70.0 + n, 2.0, (1 + n) * 1e9) for n in range(3)]
    notes = list(accuracy_notes(run_of(networks, SPACE.canonical(plain))))
    assert any("has a transformer" in note and "stage5.block=mobilevit" in note for note in notes)
    assert any("lowest resolution, 192 px" in note and "=320" in note for note in notes)
    others = list(accuracy_notes(run_of(networks, rows)))
    assert not any("has a transformer" in note for note in others)


@pytest.mark.parametrize(
    "budget", [20, *(pytest.param(budget, marks=pytest.mark.soak) for budget in (5, 10, 40))]
)
@pytest.mark.slow
def test_the_recommendation_is_no_worse_than_the_best_model_of_the_budget(
    tmp_path: Path, budget: int
) -> None:
    run = search(
        "mobilevit", budgets=[f"latency_ms<={budget}"], trials=40, out=tmp_path / "run"
    ).run
    assert run.config.objectives[0].name == "imagenet_top1"
    best = best_within_budgets(run)
    assert best is not None
    chosen = run.candidates[best.number].scores
    models = [one for one in run.complete() if one.origin in published_names()]
    if models:
        known = max(models, key=lambda one: published(one.origin).imagenet_top1)
        assert chosen["imagenet_top1_low"] >= known.scores["imagenet_top1_low"]
    pixels = {run.architecture(candidate.number).resolution_px for candidate in run.front()}
    assert len(pixels) > 1
    assert np.all([one.scores["imagenet_top1"] <= 88 for one in run.complete()])


def test_an_extrapolation_dominates_nothing_with_confidence() -> None:
    run = run_of(
        [
            Network(70.0, 1.0, 2.0e9, origin="mobilevit_s"),
            Network(84.0, 1.0, 1.0e9, in_domain=False),
        ]
    )
    (found,) = dominated_models(run)
    assert not found.confident


def test_a_model_outside_of_the_domain_does_not_lift_the_recommendation_off_it() -> None:
    run = run_of(
        [
            Network(80.0, 0.5, 5e9, origin="mobilevitv2_200", in_domain=False),
            Network(78.3, 1.1, 2e9, origin="mobilevit_s"),
            Network(79.0, 3.0, 2e9),
        ]
    )
    best = best_within_budgets(run)
    assert best is not None
    assert best.number == 1
