"""Baselines of the latency model: a line through MACs, a block look-up table, learned residuals."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph, Op
from mvt_nas.latency.model.kernels import Signature, kernels, signature
from mvt_nas.latency.model.predictor import Coefficients
from mvt_nas.latency.model.scaling_groups import BY_GROUP


def macs_line(graphs: Sequence[Graph], ms: FloatArray, others: Sequence[Graph]) -> FloatArray:
    """Return the latencies of other networks by a relative least-squares line through MACs.

    Args:
        graphs: The measured networks.
        ms: Their measured latencies in milliseconds, (graphs,).
        others: The networks to predict.
    """
    # Divided by the measured latency, each row has the target 1: errors are relative.
    rows = _macs_and_one(graphs) / ms[:, None]
    line = np.linalg.lstsq(rows, np.ones(len(ms)), rcond=None)[0]
    return np.asarray(_macs_and_one(others) @ line)


def _macs_and_one(graphs: Sequence[Graph]) -> FloatArray:
    """Return the columns of the line's least-squares problem, (graphs, 2)."""
    return np.array([[sum(op.macs for op in graph.ops), 1.0] for graph in graphs])


class BlockTable:
    """Look-up table of the latency of blocks, by their shapes.

    An unknown block takes the latency of the block of its kind that is nearest in MACs, in
    proportion to the MACs.

    Source: the look-up tables of ProxylessNAS (arXiv 1812.00332) and Once-for-all (arXiv
        1908.09791), keyed by a block's shapes.

    Args:
        graphs: The measured networks.
        times: Milliseconds by kernel of each network.
        ms: Latencies of the whole networks, in milliseconds; one factor over all blocks is fitted
            to them.

    Attributes:
        lookups: Number of blocks looked up by ``predict``.
        hits: Number of them that the table has.
    """

    def __init__(
        self, graphs: Sequence[Graph], times: Sequence[Mapping[Signature, float]], ms: FloatArray
    ) -> None:
        self._known: dict[str, dict[tuple[object, ...], tuple[float, float]]] = defaultdict(dict)
        for graph, kernel_ms in zip(graphs, times, strict=True):
            for ops, block_ms in _blocks(graph, kernel_ms):
                self._known[_kind(ops)][_key(ops)] = (float(sum(op.macs for op in ops)), block_ms)
        self.hits = self.lookups = 0
        self._factor = 1.0
        self._factor = float(np.median(ms / self.predict(graphs)))
        # The look-ups for the factor do not count.
        self.hits = self.lookups = 0

    def predict(self, graphs: Sequence[Graph]) -> FloatArray:
        """Return the latency of each network in milliseconds, summed over its blocks, (graphs,)."""
        return self._factor * np.array(
            [sum(self._block_ms(ops) for ops in _scopes(graph)) for graph in graphs]
        )

    def _block_ms(self, ops: Sequence[Op]) -> float:
        entries = self._known[_kind(ops)]
        macs = float(sum(op.macs for op in ops))
        self.lookups += 1
        if _key(ops) in entries:
            self.hits += 1
            return entries[_key(ops)][1]
        if not entries:
            return 0.0
        nearest, ms = min(entries.values(), key=lambda entry: abs(np.log(entry[0] / macs)))
        return ms * macs / nearest


def with_residual(
    name: str,
    coefficients: Coefficients,
    graphs: Sequence[Graph],
    predicted: FloatArray,
    ms: FloatArray,
    others: Sequence[Graph],
) -> FloatArray:
    """Return correction factors of predictions, from a model of the residuals, (others,).

    Args:
        name: ``gaussian process`` or ``boosted trees``.
        coefficients: Coefficients of the latency model, whose times by group are the features.
        graphs: The measured networks.
        predicted: Held-out predictions of the latency model for them, in milliseconds.
        ms: Their measured latencies, in milliseconds.
        others: The networks whose predictions are corrected.
    """
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "gaussian process":
        kernel = ConstantKernel(0.01, (1e-6, 1.0)) * RBF(3.0, (0.5, 100.0)) + WhiteKernel(
            1e-3, (1e-6, 1e-1)
        )
        model = make_pipeline(StandardScaler(), GaussianProcessRegressor(kernel, random_state=0))
    else:
        model = make_pipeline(
            GradientBoostingRegressor(
                n_estimators=60, max_depth=2, learning_rate=0.05, random_state=0
            )
        )
    with warnings.catch_warnings():
        # Hyperparameters at their bounds mean that there is nothing to learn.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(_log_group_times(graphs, coefficients), np.log(ms / predicted))
    return np.asarray(np.exp(model.predict(_log_group_times(others, coefficients))))


def _log_group_times(graphs: Sequence[Graph], coefficients: Coefficients) -> FloatArray:
    """Return the logarithms of the milliseconds by group of each network, (graphs, groups)."""
    # The last entry is the 1 for the fixed time; 1e-3 ms keeps groups without kernels finite.
    times = [BY_GROUP.times(graph, coefficients)[:-1] for graph in graphs]
    return np.log(np.stack(times) + 1e-3)


def _scopes(graph: Graph) -> list[list[Op]]:
    by_scope: dict[str, list[Op]] = {}
    for op in graph.ops:
        by_scope.setdefault(op.scope, []).append(op)
    return list(by_scope.values())


def _blocks(graph: Graph, times: Mapping[Signature, float]) -> list[tuple[list[Op], float]]:
    """Return the ops of each block with their milliseconds.

    Kernels with the same signature have equal shares of its time.
    """
    all_kernels = kernels(graph.ops)
    counts = Counter(signature(kernel) for kernel in all_kernels)
    block_ms: dict[str, float] = defaultdict(float)
    for kernel in all_kernels:
        key = signature(kernel)
        block_ms[kernel.op.scope] += times.get(key, 0.0) / counts[key]
    return [(ops, block_ms[ops[0].scope]) for ops in _scopes(graph)]


def _kind(ops: Sequence[Op]) -> str:
    kinds = {op.kind for op in ops}
    if "matmul" in kinds:
        return "multi-head block"
    return "separable block" if "sum" in kinds else ops[0].scope.rpartition(".")[2]


def _key(ops: Sequence[Op]) -> tuple[object, ...]:
    return tuple((op.kind, op.name, op.output.shape) for op in ops)
