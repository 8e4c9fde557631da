"""The Gaussian process against scikit-learn's, and what its hyperparameters are fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from mvt_nas._typing import FloatArray
from mvt_nas.nas.mvt import gaussian_process as models
from mvt_nas.nas.mvt.gaussian_process import GaussianProcess, MaternKernel, fit_kernel

LENGTHS, AMPLITUDE, NOISE = np.array([0.5, 1.5]), 1.7, 0.05
GROUPS = np.array([0, 1, 1])  # the last two features belong together


def data(n: int, noise: float = 0.1) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(0)
    x = rng.random((n, 3))
    return x, np.sin(5 * x[:, 0]) + x[:, 1] * x[:, 2] + noise * rng.standard_normal(n)


def theirs(x: FloatArray, y: FloatArray, noise: float = NOISE) -> GaussianProcessRegressor:
    kernel = ConstantKernel(AMPLITUDE) * Matern(LENGTHS[GROUPS], nu=2.5) + WhiteKernel(noise)
    return GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True, alpha=1e-8).fit(x, y)


def test_mean_and_deviation_are_those_of_scikit_learn() -> None:
    x, y = data(40)
    points = np.random.default_rng(1).random((15, 3))
    mean, deviation = GaussianProcess(
        MaternKernel(LENGTHS, AMPLITUDE, NOISE, GROUPS), x, y
    ).moments(points)
    model = theirs(x, y)
    expected, with_noise = model.predict(points, return_std=True)
    assert mean == pytest.approx(expected, rel=1e-6)
    # Theirs is the deviation of an observation, which holds the noise.
    assert deviation**2 == pytest.approx(with_noise**2 - NOISE * y.std() ** 2, rel=1e-4)
    assert GaussianProcess(MaternKernel(LENGTHS, AMPLITUDE, NOISE, GROUPS), x, y).mean(
        points
    ) == pytest.approx(mean)


def test_the_loss_is_the_marginal_likelihood_with_the_prior() -> None:
    x, y = data(30)
    standard = (y - y.mean()) / y.std()
    centre = np.array([0.5 * np.log(2), 0.5 * np.log(2), 0.0, -3.0])
    spread = np.array([0.5, 0.5, 1.0, 2.0])
    losses = []
    for noise in (NOISE, 0.3):
        theta = np.log([*LENGTHS, AMPLITUDE, noise])
        likelihood = theirs(x, y, noise).log_marginal_likelihood_value_ + 0.5 * len(x) * np.log(
            2 * np.pi
        )
        prior = 0.5 * np.sum(((theta - centre) / spread) ** 2)
        losses.append(models._loss(theta, x, standard, GROUPS)[0])
        assert losses[-1] == pytest.approx(prior - likelihood, rel=1e-5)
    assert losses[0] != losses[1]


def test_the_gradient_is_that_of_the_loss() -> None:
    x, y = data(20)
    standard = (y - y.mean()) / y.std()
    theta = np.log([0.4, 1.2, 0.9, 0.03])
    error = check_grad(
        lambda t: models._loss(t, x, standard, GROUPS)[0],
        lambda t: models._loss(t, x, standard, GROUPS)[1],
        theta,
    )
    assert error < 1e-3 * np.linalg.norm(models._loss(theta, x, standard, GROUPS)[1])


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_noise_of_observations_is_found(noise: float) -> None:
    x, y = data(150, noise)
    kernel = fit_kernel(x, y, GROUPS)
    assert np.sqrt(kernel.noise) * y.std() == pytest.approx(noise, abs=0.08)
    assert kernel.lengths[0] < kernel.lengths[1]  # the function bends most along the first feature


def test_a_fitted_model_predicts_what_it_has_not_seen() -> None:
    x, y = data(200, 0.05)
    truth = np.sin(5 * x[:, 0]) + x[:, 1] * x[:, 2]
    mean, _ = GaussianProcess(fit_kernel(x[:80], y[:80], GROUPS), x[:80], y[:80]).moments(x[80:])
    assert np.corrcoef(mean, truth[80:])[0, 1] > 0.99


def test_samples_have_the_moments_of_the_model() -> None:
    x, y = data(25)
    model = GaussianProcess(MaternKernel(LENGTHS, AMPLITUDE, NOISE, GROUPS), x, y)
    points = np.random.default_rng(1).random((6, 3))
    drawn = model.samples(points, np.random.default_rng(2).standard_normal((20_000, 6)))
    mean, deviation = model.moments(points)
    _, covariance = theirs(x, y).predict(points, return_cov=True)
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.01)
    assert drawn.std(axis=0) == pytest.approx(deviation, rel=0.03)
    apart = ~np.eye(6, dtype=bool)  # on the diagonal, theirs holds the noise
    assert np.cov(drawn.T)[apart] == pytest.approx(covariance[apart], abs=0.005)


def test_values_that_are_all_alike_are_no_trouble() -> None:
    x, _ = data(10)
    model = GaussianProcess(fit_kernel(x, np.full(10, 3.0), GROUPS), x, np.full(10, 3.0))
    mean, deviation = model.moments(x)
    assert mean == pytest.approx(np.full(10, 3.0))
    assert np.isfinite(deviation).all()
