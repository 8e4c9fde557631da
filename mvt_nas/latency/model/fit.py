"""Fitting a latency model to measurements, with an estimate of its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph
from mvt_nas.latency.model.fit_kernels import fit_kernels, kernel_samples
from mvt_nas.latency.model.fit_networks import FactorFitSpec, FittedFactors, NetworkTimesFit
from mvt_nas.latency.model.kernels import Signature, kernels
from mvt_nas.latency.model.prediction_error import half_width
from mvt_nas.latency.model.predictor import Coefficients, Predictor, calibrated_ranges

OWN_KERNELS = "its own kernels"
"""Name of the base profile that is fitted to the device's own kernel times."""


@dataclass(frozen=True, slots=True)
class FittedLatencyModel:
    """A fitted latency model.

    Attributes:
        predictor: The model.
        held_out_ms: Prediction of each network by a model fitted without it, (n,).
        fitted: Base profile, factors and the fit's settings.
    """

    predictor: Predictor
    held_out_ms: FloatArray
    fitted: FittedFactors


def fit_model(
    graphs: Sequence[Graph],
    ms: FloatArray,
    *,
    base_profiles: Mapping[str, Coefficients],
    kernel_times: Sequence[Mapping[Signature, float]] = (),
    penalty: float | None = None,
    leave_one_out: bool = False,
) -> FittedLatencyModel:
    """Fit a latency model to the measured latencies of networks.

    Args:
        graphs: lowerings of the networks.
        ms: latencies of the networks, (n,).
        base_profiles: coefficients by name, among which cross-validation chooses; unused where
            there are kernel times.
        kernel_times: milliseconds by kernel of each network, from the runtime's own profile.
        penalty: strength of the penalty on differences between factors; chosen by
            cross-validation without one.
        leave_one_out: whether networks are held out one at a time, rather than a tenth of them.

    Raises:
        LatencyError: there are too few networks.
    """
    samples = [
        sample
        for graph, times in zip(graphs, kernel_times, strict=False)
        for sample in kernel_samples(graph, times)
    ]
    bases = {OWN_KERNELS: fit_kernels(samples)} if samples else base_profiles
    networks = NetworkTimesFit(graphs, ms, bases, penalty=penalty)
    held_out = networks.held_out(len(ms)) if leave_one_out else networks.held_out()
    fitted = networks.fit(networks.best())
    predictor = Predictor(
        coefficients=fitted.spec.groups.scaled(bases[fitted.spec.base_profile], fitted.factors),
        fixed_ms=fitted.fixed_ms,
        relative_error=half_width(held_out, ms),
        ranges=calibrated_ranges([kernel for graph in graphs for kernel in kernels(graph.ops)]),
    )
    return FittedLatencyModel(predictor, held_out, fitted)


def describe_fit(spec: FactorFitSpec) -> str:
    """Return the settings of a fit as text."""
    return f"{spec.base_profile}, {spec.groups.name}, penalty {spec.penalty:g}"
