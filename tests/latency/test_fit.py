"""Fits of latency models to made-up devices with known times, and error statistics."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph
from mvt_nas.cost.reductions import total
from mvt_nas.errors import LatencyError
from mvt_nas.latency.model.fit import OWN_KERNELS, describe_fit, fit_model
from mvt_nas.latency.model.fit_kernels import KernelSample, fit_kernels, kernel_samples
from mvt_nas.latency.model.fit_networks import PENALTIES, NetworkTimesFit
from mvt_nas.latency.model.kernels import CLASSES, TERMS
from mvt_nas.latency.model.nonnegative_least_squares import nonnegative_least_squares
from mvt_nas.latency.model.prediction_error import half_width, prediction_error, scale_between
from mvt_nas.latency.model.predictor import Predictor
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.model.scaling_groups import BY_CLASS, BY_GROUP, BY_RESOURCE, ScalingGroups
from mvt_nas.models.lowering import lower
from tests.support.device_profiles import predictor
from tests.support.latency_devices import (
    OTHER_SPEEDS,
    Coefficients,
    kernel_times,
    other_device,
    random_networks,
    times_of,
)

GRAPHS = [lower(one) for one in random_networks(60)]
BASE_PROFILES: dict[str, Coefficients] = {"roofline": ROOFLINE}
DEVICE = other_device()
MS = times_of(GRAPHS, DEVICE)
TEN, OTHERS = slice(10), slice(10, None)


def errors(found: FloatArray, true: FloatArray) -> FloatArray:
    result: FloatArray = np.abs(found / true - 1)
    return result


def test_non_negative_least_squares_of_columns_of_very_different_sizes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        sizes = 10.0 ** rng.integers(-6, 6, 8)
        design, target = rng.uniform(-1, 1, (30, 8)) * sizes, rng.uniform(0, 1, 30)
        found = nonnegative_least_squares(design, target)
        expected = (
            lsq_linear(design / sizes, target, bounds=(0, np.inf), method="bvls", tol=1e-14).x
            / sizes
        )
        assert (found >= 0).all()
        assert found * sizes == pytest.approx(expected * sizes, abs=1e-8)
    assert nonnegative_least_squares(
        np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([3.0, 6.0])
    ) == pytest.approx([3.0, 0.0])


def test_kernels_with_known_coefficients_are_recovered() -> None:
    hidden = predictor(3)
    samples = [
        sample
        for graph in GRAPHS[:40]
        for sample in kernel_samples(graph, kernel_times(graph, hidden))
    ]
    found = Predictor(fit_kernels(samples), hidden.fixed_ms, 0.0)
    assert errors(times_of(GRAPHS[40:], found), times_of(GRAPHS[40:], hidden)).max() < 1e-3
    linear = dict(found.coefficients["linear"])
    assert set(TERMS) - set(linear) == {"over_24mb"}  # no linear layer here is so large
    assert linear == pytest.approx(
        {name: hidden.coefficients["linear"][name] for name in linear}, rel=1e-3
    )
    assert min(value for terms in found.coefficients.values() for value in terms.values()) > 0


def test_kernels_with_noise_are_recovered_on_average() -> None:
    hidden, rng = predictor(4), np.random.default_rng(0)
    samples = [
        sample
        for graph in GRAPHS[:40]
        for sample in kernel_samples(graph, kernel_times(graph, hidden))
    ]
    noisy = [
        replace(sample, ms=sample.ms * float(np.exp(0.1 * rng.standard_normal())))
        for sample in samples
    ]
    found = Predictor(fit_kernels(noisy), hidden.fixed_ms, 0.0)
    assert errors(times_of(GRAPHS[40:], found), times_of(GRAPHS[40:], hidden)).mean() < 0.02


def test_one_class_is_fitted_by_relative_errors() -> None:
    """In closed form: one term that counts, weights ms ** -0.75."""
    terms = [0.0] * len(TERMS)
    samples = []
    for macs, ms, count in ((1.0, 2.0, 1), (10.0, 30.0, 4)):
        terms[TERMS.index("macs")] = macs
        samples.append(KernelSample("linear", tuple(terms), count, ms))
    weights = [1 / 2.0**1.5, 4 / 30.0**1.5]
    expected = (weights[0] * 2 * 1 + weights[1] * 30 * 10) / (weights[0] * 1 + weights[1] * 100)
    assert fit_kernels(samples) == {"linear": {"macs": pytest.approx(expected)}}
    assert fit_kernels([]) == {}


def test_kernels_with_one_signature_are_one_sample() -> None:
    graph = Graph()
    x = graph.input(1, 10, 32)
    for _ in range(3):
        x = graph.linear(x, 32)
    (sample,) = kernel_samples(graph, kernel_times(graph, predictor()))
    assert (sample.kind, sample.count) == ("linear", 3)
    assert sample.terms[TERMS.index("macs")] == pytest.approx(3 * 10 * 32 * 32 / 1e6)
    assert kernel_samples(graph, {}) == []


def test_ten_networks_are_enough_for_a_device_with_other_speeds() -> None:
    model = fit_model(GRAPHS[TEN], MS[TEN], base_profiles=BASE_PROFILES)
    found = errors(times_of(GRAPHS[OTHERS], model.predictor), MS[OTHERS])
    assert found.mean() < 0.02
    assert found.max() < 0.15
    assert model.fitted.spec.groups is BY_RESOURCE
    design = np.array([[total(graph.ops, "macs") / 1e6, 1.0] for graph in GRAPHS])
    line = nonnegative_least_squares(design[TEN] / MS[TEN, None], np.ones(10))
    # Multiply-adds alone predict badly.
    assert errors(design[OTHERS] @ line, MS[OTHERS]).mean() > 0.2


def test_the_base_profile_most_similar_to_the_device_is_chosen() -> None:
    base_profiles = {
        "first": predictor(5).coefficients,
        "second": ROOFLINE,
        "third": predictor(6).coefficients,
    }
    assert (
        fit_model(GRAPHS[TEN], MS[TEN], base_profiles=base_profiles).fitted.spec.base_profile
        == "second"
    )
    model = fit_model(
        GRAPHS[TEN], MS[TEN], base_profiles={"only": predictor(5).coefficients}, penalty=0.5
    )
    assert describe_fit(model.fitted.spec) == "only, by resource, penalty 0.5"


def test_unpenalized_factors_are_those_of_the_device() -> None:
    networks = NetworkTimesFit(GRAPHS, MS, BASE_PROFILES, penalty=1e-9)
    spec = networks.specs[0]
    assert spec.groups is BY_RESOURCE
    found = networks.fit(spec)
    assert found.factors == pytest.approx(OTHER_SPEEDS, rel=1e-3)
    assert found.fixed_ms == pytest.approx(DEVICE.fixed_ms, rel=1e-2)


def test_strongly_penalized_factors_are_equal() -> None:
    networks = NetworkTimesFit(GRAPHS[TEN], MS[TEN], BASE_PROFILES, penalty=1e9)
    factors = list(networks.fit(networks.specs[0]).factors.values())
    assert factors == pytest.approx([factors[0]] * len(factors), rel=1e-3)
    assert factors[0] > 0


def test_two_outliers_hardly_move_a_model() -> None:
    disturbed = MS.copy()
    disturbed[[3, 17]] *= 1.6
    model = fit_model(GRAPHS[:24], disturbed[:24], base_profiles=BASE_PROFILES, penalty=0.001)
    times, ms = (
        NetworkTimesFit(GRAPHS, MS, BASE_PROFILES).times(model.fitted.spec),
        disturbed[:24, None],
    )
    plain = lsq_linear(times[:24] / ms, np.ones(24), bounds=(0, np.inf)).x
    robust_error, plain_error = (
        errors(found, MS)[24:].mean()
        for found in (times_of(GRAPHS, model.predictor), times @ plain)
    )
    assert robust_error < 0.01
    assert plain_error > 0.02


def test_nothing_is_ever_negative() -> None:
    rng = np.random.default_rng(0)
    for n in (4, 10, 30):
        model = fit_model(
            GRAPHS[:n], rng.uniform(1, 100, n), base_profiles=BASE_PROFILES, penalty=0.01
        )
        assert model.predictor.fixed_ms >= 0
        assert all(
            value > 0 for terms in model.predictor.coefficients.values() for value in terms.values()
        )
        assert min(model.fitted.factors.values()) >= 0
        assert min(model.held_out_ms) >= 0


@pytest.mark.parametrize(("n", "folds"), [(8, 8), (12, 12), (16, 5)])
def test_what_is_held_out_is_never_seen(n: int, folds: int) -> None:
    """Changing a network's latency changes the predictions of all networks in other folds only.

    Noise and three base profiles leave much to choose, so that a choice made with all data would
    show.
    """
    base_profiles = BASE_PROFILES | {
        "first": predictor(5).coefficients,
        "second": predictor(6).coefficients,
    }
    ms = MS[:n] * np.exp(0.3 * np.random.default_rng(n).standard_normal(n))
    before = NetworkTimesFit(GRAPHS[:n], ms, base_profiles).held_out(folds)
    for index in range(0, n, 3):
        changed = ms.copy()
        changed[index] *= 10
        after = NetworkTimesFit(GRAPHS[:n], changed, base_profiles).held_out(folds)
        same_fold = np.arange(n) % folds == index % folds
        assert after[same_fold].tolist() == before[same_fold].tolist()
        assert (after[~same_fold] != before[~same_fold]).all()


def test_held_out_predictions_of_an_exact_device_are_good() -> None:
    assert (
        errors(NetworkTimesFit(GRAPHS[:30], MS[:30], BASE_PROFILES).held_out(), MS[:30]).mean()
        < 0.02
    )


def test_candidate_settings_grow_with_the_data() -> None:
    def partitions(n: int) -> list[str]:
        return list(
            dict.fromkeys(
                spec.groups.name
                for spec in NetworkTimesFit(GRAPHS[:n], MS[:n], BASE_PROFILES).specs
            )
        )

    assert [partitions(n) for n in (4, 24, 25, 34, 35)] == [
        ["by resource"],
        ["by resource"],
        ["by resource", "by group"],
        ["by resource", "by group"],
        ["by resource", "by group", "by class"],
    ]
    assert len(
        NetworkTimesFit(GRAPHS[:35], MS[:35], BASE_PROFILES | {"other": ROOFLINE}).specs
    ) == 2 * 3 * len(PENALTIES)


@pytest.mark.parametrize(
    "groups", [BY_RESOURCE, BY_GROUP, BY_CLASS], ids=lambda groups: str(groups.name)
)
def test_groups_divide_the_time_and_scale_each_part(groups: ScalingGroups) -> None:
    base = predictor(1)
    times = groups.times(GRAPHS[0], base.coefficients)
    assert times[:-1].sum() == pytest.approx(float(base.kernels_ms(GRAPHS[0])))
    assert times[-1] == 1
    rng = np.random.default_rng(0)
    factors = {name: float(rng.uniform(0.1, 3)) for name in groups.factors}
    moved = Predictor(groups.scaled(base.coefficients, factors), 0.0, 0.0)
    assert float(moved.kernels_ms(GRAPHS[0])) == pytest.approx(times[:-1] @ list(factors.values()))
    assert {groups.factor(kind, name) for kind in CLASSES for name in TERMS} == set(groups.factors)
    assert groups.scaled(base.coefficients, dict.fromkeys(factors, 0.0)) == {}


def test_kernel_times_are_preferred_to_base_profiles() -> None:
    times = [kernel_times(graph, DEVICE) for graph in GRAPHS[:30]]
    model = fit_model(
        GRAPHS[:30],
        MS[:30],
        base_profiles={"wrong": predictor(5).coefficients},
        kernel_times=times,
        penalty=0.001,
    )
    assert model.fitted.spec.base_profile == OWN_KERNELS
    assert errors(times_of(GRAPHS[30:], model.predictor), MS[30:]).max() < 0.005
    assert list(model.fitted.factors.values()) == pytest.approx(
        [1.0] * len(model.fitted.factors), abs=0.02
    )
    assert model.predictor.fixed_ms == pytest.approx(DEVICE.fixed_ms, rel=0.2)


def test_the_ranges_are_those_of_the_networks_that_were_fitted() -> None:
    model = fit_model(GRAPHS[TEN], MS[TEN], base_profiles=BASE_PROFILES, penalty=0.01)
    linear = [
        op
        for graph in GRAPHS[TEN]
        for op in graph.ops
        if op.kind == "linear" and len(op.output.shape) == 3
    ]
    macs = [op.macs / 1e6 for op in linear]
    assert model.predictor.ranges["linear"]["macs"] == (min(macs), max(macs))


@pytest.mark.parametrize("n", range(4))
def test_too_few_networks_are_refused(n: int) -> None:
    with pytest.raises(
        LatencyError, match=rf"^{n} networks are too few to fit a latency model; at least 4$"
    ):
        fit_model(GRAPHS[:n], MS[:n], base_profiles=BASE_PROFILES)


def test_figures_of_quality_by_hand() -> None:
    predicted, measured = [1.04, 2.0, 2.7, 4.4, 3.5], [1.0, 2.0, 3.0, 4.0, 5.0]
    found = prediction_error(predicted, measured)
    relative = [0.04, 0.0, 0.1, 0.1, 0.3]
    pairs = list(itertools.combinations(zip(predicted, measured, strict=True), 2))
    signs = [np.sign((a - c) * (b - d)) for (a, b), (c, d) in pairs]
    ranks = np.argsort(np.argsort(predicted)) + 1
    assert found["mape"] == pytest.approx(sum(relative) / 5, abs=1e-5)
    assert (found["within5"], found["n"]) == (0.4, 5)
    assert found["largest_error"] == pytest.approx(0.3)
    assert found["kendall"] == pytest.approx(float(sum(signs)) / len(pairs)) == pytest.approx(0.8)
    assert found["spearman"] == pytest.approx(np.corrcoef(ranks, [1, 2, 3, 4, 5])[0, 1], abs=1e-5)
    assert prediction_error([1.1, 1.05], [1.0, 1.0 + 1e-9])["within10"] == pytest.approx(0.5)
    assert scale_between([1, 2, 4], [1.5, 3.2, 5.6]) == pytest.approx(1.5)


@pytest.mark.parametrize("n", [15, 40, 51])
def test_half_width_covers_nine_of_ten_of_what_comes_next(n: int) -> None:
    """In theory ceil(0.9 (n + 1)) / (n + 1) on average, for any distribution of errors."""
    rng = np.random.default_rng(n)
    covered = []
    for _ in range(3000):
        ratios = np.exp(0.05 * rng.standard_t(3, n + 1))
        width = half_width(np.ones(n), ratios[:n])
        covered.append(abs(ratios[n] - 1) <= width)
    expected = min(np.ceil(0.9 * (n + 1)) / (n + 1), 1.0)
    assert np.mean(covered) == pytest.approx(expected, abs=0.02)
    # Too few: the largest error.
    assert half_width(np.ones(3), np.array([1.1, 0.8, 1.05])) == pytest.approx(0.2)


def test_groups_are_fitted_as_well() -> None:
    """With 30 networks, a device with different groups of kernels is fitted by group."""
    rng = np.random.default_rng(2)
    factors = {name: float(rng.uniform(0.2, 4)) for name in BY_GROUP.factors}
    device = Predictor(BY_GROUP.scaled(ROOFLINE, factors), 0.3, 0.0)
    ms = times_of(GRAPHS, device)
    model = fit_model(GRAPHS[:30], ms[:30], base_profiles=BASE_PROFILES)
    assert model.fitted.spec.groups is BY_GROUP
    assert errors(times_of(GRAPHS[30:], model.predictor), ms[30:]).mean() < 0.01
    assert errors(model.held_out_ms, ms[:30]).mean() < 0.02
