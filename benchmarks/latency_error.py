"""Errors of predicted latencies on networks of a test set, compared with simpler models.

Measures 36 reference networks, 40 random ones and the published ones in ONNX Runtime on one thread,
and for the transfer from ten whole-network times also in OpenVINO and PyTorch: about half an hour.
The measurements are kept in ``results/benchmarks/latency_error``, so that an interrupted run
resumes and the figures can be recomputed; delete the folder to measure again. The profile in that
folder, fitted to the 36 networks and tested on the others, is that of the default device.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks._figures import Figure
from benchmarks._latency_baselines import BlockTable, macs_line, with_residual
from benchmarks._latency_plot import Point, draw
from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph
from mvt_nas.latency.calibration.calibrate import profile_of
from mvt_nas.latency.calibration.measurement_session import (
    MeasurementSession,
    SessionResults,
    run_session,
)
from mvt_nas.latency.calibration.reference_networks import (
    ReferenceNetworks,
    choose_reference_networks,
)
from mvt_nas.latency.fingerprint import fingerprint
from mvt_nas.latency.model.fit import FittedLatencyModel, fit_model
from mvt_nas.latency.model.prediction_error import prediction_error
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.profile_lookup import DEFAULT
from mvt_nas.latency.runtime import usable_runtime
from mvt_nas.latency.timing.settings import TimingSettings
from mvt_nas.models.lowering import lower
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import load_space

FOLDER = Path(__file__).resolve().parents[1] / "results" / "benchmarks" / "latency_error"
NETWORKS = FOLDER / "networks.json"
REFERENCES, RANDOM, FEW = 36, 40, 10
FRESH_SEED = 2026
MINUTES, TRANSFER_MINUTES = 12.0, 5.0
TRANSFERS = {"OpenVINO, one thread": ("openvino", 1), "torch, one thread": ("torch", 1)}

Networks = list[tuple[str, Architecture]]


def run() -> list[Figure]:
    """Return the errors of each model, and plot them."""
    to_fit, to_test = networks()
    results = _measured((*to_fit, *to_test), TimingSettings(), "onnxruntime-1t", whole=True)
    effects = results.effects()
    ms, noise = effects.ms, effects.noise
    _write_profile(to_fit, to_test, results)
    graphs = {architecture.key: lower(architecture) for _, architecture in (*to_fit, *to_test)}
    fit_graphs = [graphs[a.key] for _, a in to_fit]
    test_graphs = [graphs[a.key] for _, a in to_test]
    fit_ms, test_ms = (np.array([ms[a.key] for _, a in group]) for group in (to_fit, to_test))
    times = [results.kernels[a.key] for _, a in to_fit]
    model = fit_model(fit_graphs, fit_ms, base_profiles={}, kernel_times=times)
    table = BlockTable(fit_graphs, times, fit_ms)
    predicted = {
        "this model": _predict(model, test_graphs),
        "look-up table of blocks": table.predict(test_graphs),
        "MACs": macs_line(fit_graphs, fit_ms, test_graphs),
    }
    coefficients = model.predictor.coefficients
    for name in ("gaussian process", "boosted trees"):
        factors = with_residual(
            name, coefficients, fit_graphs, model.held_out_ms, fit_ms, test_graphs
        )
        predicted[f"this model and a {name} of its residuals"] = predicted["this model"] * factors
    figures = [
        Figure(
            "noise floor",
            100 * noise,
            "%",
            0,
            0,
            2,
            "mean difference of a network's latency between rounds, slowdowns removed",
        )
    ]
    for name, latencies in predicted.items():
        figures += _figures(name, latencies, test_ms, noise)
    figures.append(
        Figure(
            "look-up table: blocks that it knows", 100 * table.hits / table.lookups, "%", 0, 0, 1
        )
    )
    figures += _transfers(to_fit, to_test, coefficients)
    points = [
        Point(name, a, ms[a.key], {m: float(p[i]) for m, p in predicted.items()})
        for i, (name, a) in enumerate(to_test)
    ]
    draw(points, ("this model", "look-up table of blocks", "MACs"), noise, FOLDER / "error.png")
    return figures


def networks() -> tuple[Networks, Networks]:
    """Return the networks to fit to and the test networks, kept from the first run on."""
    if not NETWORKS.exists():
        to_fit, to_test = _chosen()
        text = json.dumps(
            {
                "to_fit": [[n, a.to_dict()] for n, a in to_fit],
                "to_judge": [[n, a.to_dict()] for n, a in to_test],
            }
        )
        NETWORKS.parent.mkdir(parents=True, exist_ok=True)
        NETWORKS.write_text(text + "\n")
    found = json.loads(NETWORKS.read_text())
    to_fit, to_test = (
        [(n, Architecture.from_dict(a, n)) for n, a in found[part]]
        for part in ("to_fit", "to_judge")
    )
    return to_fit, to_test


def _chosen() -> tuple[Networks, Networks]:
    space = load_space("mobilevit")
    to_fit = list(choose_reference_networks(space, to_fit=REFERENCES, to_test=0, seed=0).to_fit)
    known = {a.key for _, a in to_fit}
    drawn = [
        (f"random{n}", a)
        for n, a in enumerate(space.decode_many(space.sample(RANDOM, FRESH_SEED)), start=1)
        if a.key not in known
    ]
    return to_fit, [*drawn, *((name, zoo(name)) for name in published_names())]


def _write_profile(to_fit: Networks, to_test: Networks, results: SessionResults) -> None:
    references = ReferenceNetworks(tuple(to_fit), tuple(to_test))
    machine = fingerprint(usable_runtime("onnxruntime"), threads=1)
    profile = profile_of(DEFAULT, references, results, TimingSettings(batch_size=1), machine)
    profile.write(FOLDER / f"{DEFAULT}.json")


def _measured(
    networks: tuple[tuple[str, Architecture], ...],
    settings: TimingSettings,
    name: str,
    *,
    whole: bool = False,
) -> SessionResults:
    if whole:
        session = MeasurementSession(networks, settings, MINUTES, passes=2, kernels=True)
    else:
        session = MeasurementSession(networks, settings, TRANSFER_MINUTES, passes=1)

    def listener(done: int, total: int, what: str) -> None:
        print(f"{name}: {done}/{total} rounds", file=sys.stderr)

    return run_session(session, journal=FOLDER / f"{name}.jsonl", listener=listener)


def _predict(model: FittedLatencyModel, graphs: list[Graph]) -> FloatArray:
    return np.array(
        [float(model.predictor.kernels_ms(graph)) + model.predictor.fixed_ms for graph in graphs]
    )


def _figures(
    name: str, predicted: FloatArray, measured: FloatArray, noise: float, note: str = ""
) -> list[Figure]:
    summary = prediction_error(predicted, measured)
    errors = 100 * np.abs(predicted / measured - 1)
    n = int(summary["n"])
    note = note or f"{n} networks of the test set"
    return [
        Figure(
            f"{name}: mean error",
            100 * summary["mape"],
            "%",
            float(errors.min()),
            float(errors.max()),
            n,
            note,
        ),
        *(
            Figure(f"{name}: within {share} %", 100 * summary[f"within{share}"], "%", 0, 0, n)
            for share in (5, 10)
        ),
        Figure(f"{name}: Spearman", summary["spearman"], "", 0, 0, n),
    ]


def _transfers(
    to_fit: Networks, to_test: Networks, coefficients: dict[str, dict[str, float]]
) -> list[Figure]:
    """Return the errors on other runtimes of models fitted to ten whole-network times only."""
    few = to_fit[:FEW]
    base_profiles = {"onnxruntime-1t": coefficients, "roofline": ROOFLINE}
    figures = []
    for name, (runtime, threads) in TRANSFERS.items():
        results = _measured(
            (*few, *to_test),
            TimingSettings(runtime=runtime, threads=threads),
            f"{runtime}-{threads}t",
        )
        ms = results.effects().ms
        model = fit_model(
            [lower(a) for _, a in few],
            np.array([ms[a.key] for _, a in few]),
            base_profiles=base_profiles,
            leave_one_out=True,
        )
        test_ms = np.array([ms[a.key] for _, a in to_test])
        title = f"{name}, from {FEW} whole-network times"
        figures += _figures(
            title,
            _predict(model, [lower(a) for _, a in to_test]),
            test_ms,
            0.0,
            f"base profile: {model.fitted.spec.base_profile}",
        )
    return figures
