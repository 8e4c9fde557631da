"""Boxes of the undominated region, against a hypervolume library, brute force and sampling."""

from __future__ import annotations

import moocore
import numpy as np
import pytest

from mvt_nas._typing import FloatArray
from mvt_nas.nas.mvt.batch_selection import PosteriorSamples, select_batch
from mvt_nas.nas.mvt.box_decomposition import (
    BoxDecomposition,
    Posterior,
    decompose_undominated,
    expected_improvements,
)


def front(n: int, objectives: int, seed: int) -> FloatArray:
    """Return points on a sphere, none of which dominates another."""
    points = np.abs(np.random.default_rng(seed).standard_normal((n, objectives)))
    return np.asarray(1.0 - points / np.linalg.norm(points, axis=1)[:, None])


def volume(points: FloatArray, reference: FloatArray) -> float:
    return float(moocore.hypervolume(points, ref=reference)) if len(points) else 0.0


def boxes_of(points: FloatArray, reference: FloatArray) -> BoxDecomposition:
    return decompose_undominated(points, reference, np.random.default_rng(0))


@pytest.mark.parametrize("objectives", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("n", [0, 1, 12])
def test_improvements_are_differences_of_hypervolumes(objectives: int, n: int) -> None:
    points, reference = front(n, objectives, 0), np.full(objectives, 1.1)
    others = np.random.default_rng(1).uniform(0.0, 1.2, (40, objectives))
    before = volume(points, reference)
    expected = [volume(np.concatenate([points, [other]]), reference) - before for other in others]
    found = boxes_of(points, reference).improvements(others)
    assert found == pytest.approx(expected, abs=1e-12)
    assert max(expected) > 0 or (n and objectives == 1)


@pytest.mark.parametrize("objectives", [2, 3, 5])
def test_a_cut_takes_what_a_point_dominates_and_leaves_the_rest(objectives: int) -> None:
    points, reference = front(8, objectives, 0), np.full(objectives, 1.0)
    point, others = (
        np.full(objectives, 0.3),
        np.random.default_rng(1).uniform(0.0, 1.0, (30, objectives)),
    )
    boxes = boxes_of(points, reference)
    left, lost = boxes.cut(point)
    everything = np.zeros((1, objectives))
    assert lost.improvements(everything)[0] == pytest.approx(boxes.improvements(point[None])[0])
    assert left.improvements(others) == pytest.approx(
        boxes_of(np.concatenate([points, [point]]), reference).improvements(others)
    )
    assert left.improvements(others) + lost.improvements(others) == pytest.approx(
        boxes.improvements(others)
    )
    again, nothing = left.cut(point)
    assert (len(nothing), again) == (0, left)


def test_with_two_objectives_there_is_one_box_more_than_points() -> None:
    assert len(boxes_of(front(30, 2, 0), np.full(2, 1.1))) == 31


def test_expected_improvement_of_one_objective_is_the_textbook_formula() -> None:
    # The best value is 0.4; a value that is believed to be 0.5 +- 0.2. From a table of the normal
    # distribution: phi(0.5) = 0.352065, Phi(-0.5) = 0.308538, so EI = 0.2 * 0.352065 - 0.1 *
    # 0.308538.
    boxes = boxes_of(np.array([[0.4]]), np.array([1.0]))
    beliefs = Posterior(np.array([[0.5]]), np.array([[0.2]]), np.array([-np.inf]))
    assert expected_improvements(boxes, beliefs)[0] == pytest.approx(
        0.2 * 0.352065 - 0.1 * 0.308538, abs=1e-6
    )


@pytest.mark.parametrize(
    ("objectives", "costly"), [(2, [0]), (3, [1]), (3, [0, 2]), (4, [3]), (2, [0, 1])]
)
@pytest.mark.parametrize("floor", [-np.inf, 0.25])
def test_expected_improvements_are_means_over_samples(
    objectives: int, costly: list[int], floor: float
) -> None:
    rng = np.random.default_rng(2)
    points, reference = front(10, objectives, 3), np.full(objectives, 1.1)
    mean, deviation = rng.uniform(0.0, 0.7, (6, objectives)), np.zeros((6, objectives))
    deviation[:, costly] = rng.uniform(0.05, 0.3, (6, len(costly)))
    lowest = np.full(objectives, -np.inf)
    lowest[costly[0]] = floor
    boxes = boxes_of(points, reference)
    found = expected_improvements(boxes, Posterior(mean, deviation, lowest))
    for place in range(6):
        draws = mean[place] + deviation[place] * rng.standard_normal((40_000, objectives))
        values = boxes.improvements(draws) * (draws >= lowest).all(axis=1)
        assert found[place] == pytest.approx(values.mean(), abs=5 * values.std() / 200 + 1e-9)


def test_exact_values_need_no_expectation() -> None:
    boxes, points = (
        boxes_of(front(10, 3, 0), np.full(3, 1.1)),
        np.random.default_rng(0).uniform(0, 1, (20, 3)),
    )
    beliefs = Posterior(points, np.zeros((20, 3)), np.full(3, -np.inf))
    assert expected_improvements(boxes, beliefs) == pytest.approx(boxes.improvements(points))


def brute_force(
    points: FloatArray, reference: FloatArray, drawn: PosteriorSamples, count: int, first: list[int]
) -> list[int]:
    """Choose greedily by the mean over the samples of the hypervolume of everything together."""
    chosen = list(first)

    def mean(places: list[int]) -> float:
        total = 0.0
        for values, allowed in zip(drawn.values, drawn.allowed, strict=True):
            there = [place for place in places if allowed[place]]
            total += volume(np.concatenate([points, values[there]]), reference)
        return total / len(drawn.values)

    while len(chosen) < len(first) + count:
        left = [place for place in range(drawn.values.shape[1]) if place not in chosen]
        best = max(left, key=lambda place: mean([*chosen, place]))
        if mean([*chosen, best]) <= mean(chosen) + 1e-9:
            break
        chosen.append(best)
    return chosen[len(first) :]


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("first", [[], [4]])
def test_a_batch_is_the_greedy_choice_by_brute_force(objectives: int, first: list[int]) -> None:
    rng = np.random.default_rng(0)
    points, reference = front(4, objectives, 1) + 0.4, np.full(objectives, 1.5)
    values = rng.uniform(0, 1, (12, objectives)) + 0.2 * rng.standard_normal((5, 12, objectives))
    drawn = PosteriorSamples(values, rng.random((5, 12)) < 0.8)
    boxes = boxes_of(points, reference)
    expected = np.mean(
        [boxes.improvements(v) * a for v, a in zip(values, drawn.allowed, strict=True)], axis=0
    )
    found = select_batch(boxes, expected, drawn, 5, first)
    assert found == brute_force(points, reference, drawn, 5, first)
    assert len(found) >= 2


def test_a_batch_ends_where_nothing_improves() -> None:
    values = np.array([[[0.5, 0.5], [0.5, 0.5], [0.6, 0.6], [2.0, 2.0]]])
    boxes = boxes_of(np.zeros((0, 2)), np.ones(2))
    assert select_batch(
        boxes,
        boxes.improvements(values[0]),
        PosteriorSamples(values, np.ones((1, 4), dtype=bool)),
        4,
    ) == [0]
