"""Latency predictions: a sum over kernels of coefficient times term, with an error interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mvt_nas.blocks.graph import Graph, Op, Size
from mvt_nas.latency.model.kernels import Kernel, kernels, term
from mvt_nas.models.lowering import lower
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task

Coefficients = Mapping[str, Mapping[str, float]]
"""Kernel class -> term -> milliseconds per unit of the term; missing classes and terms cost
nothing."""

Ranges = Mapping[str, Mapping[str, tuple[float, float]]]
"""Kernel class -> term -> smallest and largest value among the calibrated kernels."""

SLACK = 1.25
"""Factor by which a term may leave its range before the kernel counts as an extrapolation."""

_RANGED = ("macs", "read", "written", "weights")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predicted latency of one network.

    Attributes:
        ms: Milliseconds of one inference of the batch.
        low_ms: Lower end of the interval that should contain the measured latency in 90 % of
            cases.
        high_ms: Upper end of the interval.
        outside: Share of ``ms`` in kernels unlike any calibrated one; above 0, the interval
            promises nothing.
        uncalibrated: Classes of those kernels.
    """

    ms: float
    low_ms: float
    high_ms: float
    outside: float
    uncalibrated: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A fitted latency model.

    Attributes:
        coefficients: See :data:`Coefficients`; none is negative.
        fixed_ms: Milliseconds of every inference in addition to its kernels.
        relative_error: Half the width of the 90 % interval, as a share of the prediction.
        ranges: See :data:`Ranges`; empty where single kernels are unknown.
    """

    coefficients: Coefficients
    fixed_ms: float
    relative_error: float
    ranges: Ranges = field(default_factory=dict)

    def kernels_ms(self, graph: Graph) -> Size:
        """Return the milliseconds of a graph's kernels, without the fixed ones.

        The result is an array where sizes are arrays.
        """
        result: Size = 0.0
        for kernel in kernels(graph.ops):
            result = result + self._kernel_ms(kernel)
        return result

    def predict(
        self,
        architecture: Architecture,
        *,
        batch_size: int = 1,
        num_classes: int = 1000,
        task: Task | None = None,
    ) -> Prediction:
        """Return the latency of an architecture.

        Args:
            architecture: network to predict, at its resolution.
            batch_size: images per inference.
            num_classes: outputs of the classifier.
            task: downstream task, with its own classes and resolution; ``None`` for
                classification.

        Raises:
            ArchitectureError: the number of images or classes is not allowed, or the backbone
                cannot serve the task.
        """
        return self.predict_graph(
            lower(architecture, batch_size=batch_size, num_classes=num_classes, task=task)
        )

    def predict_graph(self, graph: Graph) -> Prediction:
        """Return the latency of a graph whose sizes are numbers."""
        found = kernels(graph.ops)
        times = [float(self._kernel_ms(kernel)) for kernel in found]
        ms = sum(times) + self.fixed_ms
        uncalibrated = [
            (kernel.kind, time)
            for kernel, time in zip(found, times, strict=True)
            if time > 0 and self._is_uncalibrated(kernel)
        ]
        outside = sum(time for _, time in uncalibrated) / ms if ms else 0.0
        return Prediction(
            ms,
            ms * (1 - self.relative_error),
            ms * (1 + self.relative_error),
            outside,
            tuple(dict.fromkeys(kind for kind, _ in uncalibrated)),
        )

    def by_class(self, ops: Sequence[Op]) -> dict[str, float]:
        """Return the milliseconds of each class of kernels, the largest first."""
        result: dict[str, float] = {}
        for kernel in kernels(ops):
            result[kernel.kind] = result.get(kernel.kind, 0.0) + float(self._kernel_ms(kernel))
        return dict(sorted(result.items(), key=lambda entry: -entry[1]))

    def _kernel_ms(self, kernel: Kernel) -> Size:
        result: Size = 0.0
        for name, coefficient in self.coefficients.get(kernel.kind, {}).items():
            result = result + coefficient * term(name, kernel)
        return result

    def _is_uncalibrated(self, kernel: Kernel) -> bool:
        if not self.ranges:
            return False
        if kernel.kind not in self.ranges:
            return True
        return any(
            not low / SLACK <= term(name, kernel) <= high * SLACK
            for name, (low, high) in self.ranges[kernel.kind].items()
        )


def calibrated_ranges(found: Sequence[Kernel]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the ranges of the size terms of some kernels, by class (see :data:`Ranges`)."""
    result: dict[str, dict[str, tuple[float, float]]] = {}
    for kernel in found:
        ranges = result.setdefault(kernel.kind, {})
        for name in _RANGED:
            value = float(term(name, kernel))
            low, high = ranges.get(name, (value, value))
            ranges[name] = (min(low, value), max(high, value))
    return result
