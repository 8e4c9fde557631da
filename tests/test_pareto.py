"""Fronts against the definition, hypervolumes against counted unit cells, knees by hand."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvt_nas.errors import MetricError
from mvt_nas.pareto import (
    cost_signs,
    dominating_points,
    evenly_spaced_subset,
    hypervolume,
    knee,
    most_evenly,
    pareto_front,
    pareto_ranks,
    reference_point,
)

Problem = tuple[npt.NDArray[np.float64], list[str]]

DIRECTIONS = [
    ["min"],
    ["max"],
    ["min", "max"],
    ["max", "max"],
    ["max", "min", "min"],
    ["min", "max", "max", "min"],
]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Return up to 25 rows on a small integer grid: many ties, some NaNs and infinities."""
    directions = draw(st.sampled_from(DIRECTIONS))
    value = (
        st.integers(0, 4).map(float) | st.sampled_from([np.nan, np.inf, -np.inf])
        if draw(st.booleans())
        else st.integers(0, 4)
    )
    rows = draw(
        st.lists(st.lists(value, min_size=len(directions), max_size=len(directions)), max_size=25)
    )
    return np.array(rows, dtype=float).reshape(len(rows), len(directions)), directions


def dominates(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64], directions: list[str]
) -> bool:
    pairs = [
        (a, b) if direction == "min" else (b, a)
        for a, b, direction in zip(left, right, directions, strict=True)
    ]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def ranks_by_definition(scores: npt.NDArray[np.float64], directions: list[str]) -> list[int]:
    ranks = [-1] * len(scores)
    left = {row for row in range(len(scores)) if np.isfinite(scores[row]).all()}
    for rank in itertools.count():
        front = {
            row
            for row in left
            if not any(dominates(scores[other], scores[row], directions) for other in left)
        }
        for row in front:
            ranks[row] = rank
        left -= front
        if not left:
            return ranks
    raise AssertionError("unreachable")


def cells_dominated(
    scores: npt.NDArray[np.float64], directions: list[str], reference: npt.NDArray[np.float64]
) -> int:
    """Return the number of unit cells between the rows and the reference, integers of 0 to 4."""
    flip = np.array([1.0 if direction == "min" else -1.0 for direction in directions])
    costs, worst = scores[np.isfinite(scores).all(axis=1)] * flip, reference * flip
    corners = itertools.product(*[np.arange(-4, bound) for bound in worst])
    return sum(bool((costs <= np.array(corner)).all(axis=1).any()) for corner in corners)


@given(problems())
def test_front_and_ranks_are_the_definition(problem: Problem) -> None:
    scores, directions = problem
    expected = ranks_by_definition(scores, directions)
    assert pareto_ranks(scores, directions).tolist() == expected
    assert pareto_front(scores, directions).tolist() == [rank == 0 for rank in expected]


@given(problems(), st.lists(st.integers(0, 4), min_size=4, max_size=4))
def test_hypervolume_counts_unit_cells(problem: Problem, reference: list[int]) -> None:
    scores, directions = problem
    bound = np.array(reference[: len(directions)], dtype=float)
    assert hypervolume(scores, directions, bound) == cells_dominated(scores, directions, bound)


def test_front_of_many_rows_covers_them() -> None:
    scores = np.random.default_rng(3).integers(0, 200, size=(100_000, 3)).astype(float)
    front = pareto_front(scores, ["min", "max", "min"])
    costs = scores * [1, -1, 1]
    for row in costs[front]:
        assert not ((costs <= row).all(axis=1) & (costs < row).any(axis=1)).any()
    sample = costs[~front][:500]
    assert all((costs[front] <= row).all(axis=1).any() for row in sample)


def test_copies_stay_on_the_front_together() -> None:
    scores = [[1.0, 5.0], [2.0, 9.0], [1.0, 5.0], [1.0, 4.0]]
    assert pareto_front(scores, ["min", "max"]).tolist() == [True, True, True, False]
    assert pareto_ranks(scores, ["min", "max"]).tolist() == [0, 0, 0, 1]


def test_failed_rows_are_nowhere() -> None:
    scores = [[np.nan, 9.0], [-np.inf, 9.0], [3.0, 1.0], [4.0, np.inf], [5.0, 0.0]]
    assert pareto_front(scores, ["min", "max"]).tolist() == [False, False, True, False, False]
    assert pareto_ranks(scores, ["min", "max"]).tolist() == [-1, -1, 0, -1, 1]
    assert hypervolume(scores, ["min", "max"], [10.0, 0.0]) == 7.0
    assert knee(scores, ["min", "max"]) == 2


@pytest.mark.parametrize("directions", DIRECTIONS)
def test_no_rows_and_one_row(directions: list[str]) -> None:
    width = len(directions)
    nothings: list[npt.ArrayLike] = [[], np.empty((0, width))]
    for nothing in nothings:
        assert pareto_front(nothing, directions).shape == (0,)
        assert pareto_ranks(nothing, directions).shape == (0,)
        assert hypervolume(nothing, directions, [1.0] * width) == 0.0
        assert knee(nothing, directions) is None
    one = [[0.5] * width]
    bad = [1.0 if direction == "min" else 0.0 for direction in directions]
    assert pareto_front(one, directions).tolist() == [True]
    assert pareto_ranks(one, directions).tolist() == [0]
    assert hypervolume(one, directions, bad) == 0.5**width
    assert knee(one, directions) == 0


def test_only_failed_rows() -> None:
    scores = [[np.nan, 1.0], [np.inf, 1.0]]
    assert not pareto_front(scores, ["min", "min"]).any()
    assert hypervolume(scores, ["min", "min"], [2.0, 2.0]) == 0.0
    assert knee(scores, ["min", "min"]) is None


def test_rows_beyond_the_reference_add_nothing() -> None:
    inside = [[1.0, 1.0]]
    assert hypervolume(inside, ["min", "min"], [3.0, 3.0]) == 4.0
    assert hypervolume([*inside, [-100.0, 3.0], [0.0, 50.0]], ["min", "min"], [3.0, 3.0]) == 4.0


def test_reference_point_is_the_worst_of_each_column() -> None:
    scores = [[1.0, 70.0], [np.nan, 60.0], [5.0, 80.0], [np.inf, 75.0]]
    assert reference_point(scores, ["min", "max"]).tolist() == [5.0, 60.0]
    assert reference_point(scores, ["min", "max"], margin=0.5).tolist() == [7.0, 50.0]
    assert reference_point(scores, ["max", "min"], margin=0.5).tolist() == [-1.0, 90.0]


def test_knee_of_a_bent_front() -> None:
    # Latency (min) against accuracy (max): after 12 ms the accuracy hardly rises. The first and the
    # last row are dominated.
    scores = [[30.0, 60.0], [10.0, 50.0], [12.0, 70.0], [20.0, 73.0], [40.0, 75.0], [41.0, 74.0]]
    assert knee(scores, ["min", "max"]) == 2
    assert knee([row[::-1] for row in scores], ["max", "min"]) == 2


def test_knee_is_farthest_from_the_line_not_nearest_to_the_ideal() -> None:
    # Scaled merits, extremes (0, 1) and (1, 0): the sums 1.20 and 1.18 order the bulges, the
    # squared distances .40 and .3362 do not.
    scores = np.array([[0.0, 1.0], [0.4, 0.8], [0.59, 0.59], [1.0, 0.0]])
    assert knee(scores, ["max", "max"]) == 1


def test_knee_in_three_objectives() -> None:
    scores = [
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
        [0.5, 0.5, 0.2],
        [0.4, 0.4, 0.6],
        [0.9, 0.05, 0.1],
    ]
    assert knee(scores, ["max"] * 3) == 4


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]], 1),  # no row beyond the line
        (
            [[0.0, 1.0], [0.1, 0.3], [0.3, 0.25], [1.0, 0.0]],
            0,
        ),  # all others on this side of the line
        ([[2.0, 7.0], [2.0, 7.0]], 0),  # copies of one row
    ],
)
def test_knee_without_a_bulge_is_nearest_to_the_ideal(
    scores: list[list[float]], expected: int
) -> None:
    assert knee(scores, ["max", "max"]) == expected


def test_knee_with_a_constant_objective_ignores_it() -> None:
    scores = [[10.0, 50.0, 3.0], [12.0, 70.0, 3.0], [40.0, 75.0, 3.0]]
    assert knee(scores, ["min", "max", "min"]) == 1


def test_knee_of_a_degenerate_hyperplane() -> None:
    # Row 0 is best in two of three objectives, so the three extreme points are two. Squared
    # distances to the ideal: 1, 2, 1.46.
    scores = [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.1, 0.2, 0.9]]
    assert knee(scores, ["max"] * 3) == 0


def test_knee_of_a_hyperplane_that_rises_in_an_objective() -> None:
    # The plane through the rows 0, 1 and 2 rises in the first objective; row 1 is nearest to the
    # ideal.
    scores = [[2.0, 5.0, 0.0], [4.0, 4.0, 2.0], [0.0, 2.0, 4.0], [4.0, 0.0, 4.0]]
    assert knee(scores, ["max"] * 3) == 1


def test_knee_breaks_ties_between_extreme_points_by_their_sum() -> None:
    # Rows 1 and 3 are both best in the last objective. Row 1 has the larger sum and is best in the
    # first too: no hyperplane.
    scores = [[0.0, 3.0, 4.0], [5.0, 0.0, 5.0], [0.0, 5.0, 1.0], [1.0, 1.0, 5.0]]
    assert knee(scores, ["max"] * 3) == 1


def test_knee_of_one_objective_is_its_best_row() -> None:
    assert knee([[3.0], [1.0], [1.0]], ["min"]) == 1


@pytest.mark.parametrize(
    ("scores", "directions", "message"),
    [
        ([[1.0, 2.0]], ["min"], r"scores of shape \(1, 2\) with 1 directions"),
        ([1.0, 2.0], ["min"], r"scores of shape \(2,\) with 1 directions"),
        ([], [], r"with 0 directions"),
        ([[1.0]], ["maximise"], r"direction 'maximise': an objective goes 'min' or 'max'"),
    ],
)
def test_misfit_scores_are_refused(
    scores: npt.ArrayLike, directions: list[str], message: str
) -> None:
    for function in (pareto_front, pareto_ranks, reference_point, knee):
        with pytest.raises(MetricError, match=message):
            function(scores, directions)
    with pytest.raises(MetricError, match=message):
        hypervolume(scores, directions, [1.0] * len(directions))


@pytest.mark.parametrize("reference", [[1.0], [1.0, np.nan], [np.inf, 1.0], 1.0])
def test_misfit_reference_is_refused(reference: npt.ArrayLike) -> None:
    with pytest.raises(MetricError, match=r"reference point .*: 2 finite values are needed"):
        hypervolume([[0.0, 0.0]], ["min", "min"], reference)


def test_reference_point_needs_a_finite_value_and_an_outward_margin() -> None:
    with pytest.raises(
        MetricError, match=r"objective 1 of 2: a reference point needs at least one finite value"
    ):
        reference_point([[1.0, np.nan]], ["min", "max"])
    with pytest.raises(MetricError, match=r"margin -0.1: .* 0 or more"):
        reference_point([[1.0]], ["min"], margin=-0.1)


@given(problems())
def test_dominating_points_are_the_definition(problem: Problem) -> None:
    scores, directions = problem
    finite = scores[np.isfinite(scores).all(axis=1)]
    costs = finite * cost_signs(directions)
    for row in range(len(costs)):
        expected = [dominates(other, finite[row], directions) for other in finite]
        assert dominating_points(costs[row], costs).tolist() == expected


def test_the_most_even_gain_is_measured_in_spans() -> None:
    own = np.array([10.0, 10.0])
    costs = np.array([[9.0, 0.0], [8.0, 9.0], [11.0, 0.0]])
    assert most_evenly(own, costs, np.array([1.0, 1.0])) == 0
    assert most_evenly(own, costs, np.array([1.0, 0.5])) == 1
    assert most_evenly(own, costs[2:], np.array([1.0, 1.0])) is None


@pytest.mark.parametrize(
    ("n", "most", "kept", "expected"),
    [
        (3, 5, None, [0, 1, 2]),
        (9, 1, None, [0]),
        (9, 1, 4, [4]),
        (9, 3, None, [0, 4, 8]),
        (9, 3, 5, [0, 5, 8]),
        (9, 2, 5, [0, 5]),
    ],
)
def test_a_subset_is_evenly_spaced_and_keeps_one(
    n: int, most: int, kept: int | None, expected: list[int]
) -> None:
    assert evenly_spaced_subset(n, most, kept) == expected
