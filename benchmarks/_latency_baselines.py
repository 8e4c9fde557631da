"""What a latency model has to beat: a line through MACs, a per-block look-up table, and models learned on top of it."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph, Op
from mvt_nas.latency.model.kernels import Signature, kernels, signature
from mvt_nas.latency.model.predictor import Coefficients
from mvt_nas.latency.model.scaling_groups import BY_GROUP


def macs_line(graphs: Sequence[Graph], ms: FloatArray, others: Sequence[Graph]) -> FloatArray:
    """Return what a relative least-squares line through MACs predicts for other networks."""
    here, there = (
        np.array([[sum(op.macs for op in graph.ops), 1.0] for graph in group])
        for group in (graphs, others)
    )
    return np.asarray(there @ np.linalg.lstsq(here / ms[:, None], np.ones(len(ms)), rcond=None)[0])


class BlockTable:
    """Milliseconds of each block that was measured; an unknown block takes those of the one next in MACs, in proportion.

    Source: the look-up tables of ProxylessNAS (arXiv 1812.00332) and Once-for-all (arXiv
        1908.09791), keyed by a block's shapes.

    Args:
        graphs: of networks that were measured.
        times: milliseconds by kernel of each.
        ms: of each network as a whole; one factor over all blocks is fitted to them.
    """

    def __init__(
        self, graphs: Sequence[Graph], times: Sequence[Mapping[Signature, float]], ms: FloatArray
    ) -> None:
        self._known: dict[str, dict[tuple[object, ...], tuple[float, float]]] = defaultdict(dict)
        for graph, found in zip(graphs, times, strict=True):
            for ops, block_ms in _blocks(graph, found):
                self._known[_kind(ops)][_key(ops)] = (float(sum(op.macs for op in ops)), block_ms)
        self._factor = 1.0
        self._factor = float(np.median(ms / self.predict(graphs)))
        self.hits = self.asked = 0

    def predict(self, graphs: Sequence[Graph]) -> FloatArray:
        """Return the sums over the blocks of each network, (n,)."""
        return self._factor * np.array(
            [sum(self._block_ms(ops) for ops in _scopes(graph)) for graph in graphs]
        )

    def _block_ms(self, ops: Sequence[Op]) -> float:
        entries, macs = self._known[_kind(ops)], float(sum(op.macs for op in ops))
        if hasattr(self, "asked"):
            self.asked += 1
            self.hits += _key(ops) in entries
        if _key(ops) in entries:
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
    """Return the factors by which a learned model corrects the predictions of other networks.

    Args:
        name: ``gaussian process`` or ``boosted trees``.
        coefficients: of the latency model, whose times by group are the features.
        graphs: of networks that were measured.
        predicted: what the latency model says of them, without having seen them.
        ms: what was measured.
        others: of the networks to correct.
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
    features, there = (
        np.log(np.stack([BY_GROUP.times(graph, coefficients)[:-1] for graph in group]) + 1e-3)
        for group in (graphs, others)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at a bound: there is nothing to learn
        model.fit(features, np.log(ms / predicted))
    return np.asarray(np.exp(model.predict(there)))


def _scopes(graph: Graph) -> list[list[Op]]:
    found: dict[str, list[Op]] = {}
    for op in graph.ops:
        found.setdefault(op.scope, []).append(op)
    return list(found.values())


def _blocks(graph: Graph, times: Mapping[Signature, float]) -> list[tuple[list[Op], float]]:
    """Return the ops of each block with their milliseconds; kernels with one signature share theirs equally."""
    every = kernels(graph.ops)
    count: dict[Signature, int] = defaultdict(int)
    for kernel in every:
        count[signature(kernel)] += 1
    spent: dict[str, float] = defaultdict(float)
    for kernel in every:
        found = signature(kernel)
        spent[kernel.op.scope] += times.get(found, 0.0) / count[found]
    return [(ops, spent[ops[0].scope]) for ops in _scopes(graph)]


def _kind(ops: Sequence[Op]) -> str:
    kinds = {op.kind for op in ops}
    if "matmul" in kinds:
        return "multi-head block"
    return "separable block" if "sum" in kinds else ops[0].scope.rpartition(".")[2]


def _key(ops: Sequence[Op]) -> tuple[object, ...]:
    return tuple((op.kind, op.name, op.output.shape) for op in ops)
