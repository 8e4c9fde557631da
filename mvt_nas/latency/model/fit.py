"""From measurements to a latency model, and what is known of its errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph
from mvt_nas.latency.model.fit_kernels import fit_kernels, kernel_samples
from mvt_nas.latency.model.fit_networks import FactorFitSpec, FittedFactors, NetworkTimesFit
from mvt_nas.latency.model.kernels import Signature, kernels
from mvt_nas.latency.model.prediction_error import half_width
from mvt_nas.latency.model.predictor import Coefficients, Predictor, ranges_of

OWN_KERNELS = "its own kernels"


@dataclass(frozen=True, slots=True)
class FittedLatencyModel:
    """A fitted latency model.

    Attributes:
        predictor: to predict with.
        held_out_ms: for each network, the prediction of a model that was fitted without it, (n,).
        fitted: donor, factors and how they were chosen.
    """

    predictor: Predictor
    held_out_ms: FloatArray
    fitted: FittedFactors


def fit_model(
    graphs: Sequence[Graph],
    ms: FloatArray,
    *,
    donors: Mapping[str, Coefficients],
    kernel_times: Sequence[Mapping[Signature, float]] = (),
    penalty: float | None = None,
    leave_one_out: bool = False,
) -> FittedLatencyModel:
    """Return the model that fits the measured latencies of networks.

    Args:
        graphs: lowerings of the networks.
        ms: their latencies, (n,).
        donors: coefficients by name, from which the nearest is chosen; not looked at where there
            are kernel times.
        kernel_times: milliseconds by kernel of each network, from the runtime's own profile.
        penalty: how hard factors are drawn together; chosen by cross-validation without one.
        leave_one_out: whether networks are held out one at a time, rather than a tenth of them.

    Raises:
        LatencyError: there are too few networks.
    """
    known = [
        sample
        for graph, times in zip(graphs, kernel_times, strict=False)
        for sample in kernel_samples(graph, times)
    ]
    chosen = {OWN_KERNELS: fit_kernels(known)} if known else donors
    networks = NetworkTimesFit(graphs, ms, chosen, penalty=penalty)
    held_out = networks.held_out(len(ms)) if leave_one_out else networks.held_out()
    fitted = networks.fit(networks.best())
    return FittedLatencyModel(
        _predictor(graphs, chosen[fitted.recipe.donor], fitted, half_width(held_out, ms)),
        held_out,
        fitted,
    )


def _predictor(
    graphs: Sequence[Graph],
    coefficients: Coefficients,
    fitted: FittedFactors,
    relative_error: float,
) -> Predictor:
    scaled = fitted.recipe.partition.scaled(coefficients, fitted.factors)
    found = [kernel for graph in graphs for kernel in kernels(graph.ops)]
    return Predictor(scaled, fitted.fixed_ms, relative_error, ranges_of(found))


def describe_recipe(recipe: FactorFitSpec) -> str:
    """Return in words how a model was fitted."""
    return f"{recipe.donor}, {recipe.partition.name}, penalty {recipe.penalty:g}"
