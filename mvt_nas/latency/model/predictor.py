"""Milliseconds from ops: a sum over kernels of coefficient times term, and what may be said about how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mvt_nas.blocks.graph import Graph, Op, Size
from mvt_nas.latency.model.kernels import TERMS, Kernel, kernels, term
from mvt_nas.models.lowering import lower
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task

Coefficients = Mapping[str, Mapping[str, float]]
"""Class of kernel to term to milliseconds per unit of the term; terms and classes that are not
there cost nothing."""

Ranges = Mapping[str, Mapping[str, tuple[float, float]]]
"""Class of kernel to term to the smallest and largest value that was calibrated."""

SLACK = 1.25
"""A term may lie this factor outside its range before it counts as an extrapolation."""

_RANGED = ("macs", "read", "written", "weights")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The latency that is expected of one network.

    Attributes:
        ms: milliseconds of one inference of the batch.
        low_ms: lower end of the interval that should hold the measured figure in 90 % of cases.
        high_ms: upper end.
        outside: share of ``ms`` in kernels unlike any that was calibrated; above 0, the interval
            promises nothing.
        strange: the classes of those kernels.
    """

    ms: float
    low_ms: float
    high_ms: float
    outside: float
    strange: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A fitted latency model.

    Attributes:
        coefficients: see :data:`Coefficients`; none is negative.
        fixed_ms: milliseconds of every inference beside its kernels.
        relative_error: half the width of the 90 % interval, as a share of the prediction.
        ranges: see :data:`Ranges`; none where nothing is known of single kernels.
    """

    coefficients: Coefficients
    fixed_ms: float
    relative_error: float
    ranges: Ranges = field(default_factory=dict)

    def kernels_ms(self, graph: Graph) -> Size:
        """Return the milliseconds of the graph's kernels, the fixed ones left out; an array where sizes are arrays."""
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
        """Return the latency of an architecture at its resolution, or of a task's network at the task's.

        Raises:
            ArchitectureError: a number of images or classes that is not allowed, or a task that the
                backbone cannot serve.
        """
        found = kernels(
            lower(architecture, batch_size=batch_size, num_classes=num_classes, task=task).ops
        )
        times = [float(self._kernel_ms(kernel)) for kernel in found]
        ms = sum(times) + self.fixed_ms
        strange = [
            (kernel.kind, time)
            for kernel, time in zip(found, times, strict=True)
            if time > 0 and self._is_outside(kernel)
        ]
        width = self.relative_error
        outside = sum(time for _, time in strange) / ms if ms else 0.0
        return Prediction(
            ms,
            ms * (1 - width),
            ms * (1 + width),
            outside,
            tuple(dict.fromkeys(kind for kind, _ in strange)),
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

    def _is_outside(self, kernel: Kernel) -> bool:
        if not self.ranges:
            return False
        known = self.ranges.get(kernel.kind)
        return known is None or any(
            not low / SLACK <= term(name, kernel) <= high * SLACK
            for name, (low, high) in known.items()
        )


def ranges_of(found: Sequence[Kernel]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return, for each class among some kernels, the range of the terms that say how large a kernel is."""
    result: dict[str, dict[str, tuple[float, float]]] = {}
    for kernel in found:
        ranges = result.setdefault(kernel.kind, {})
        for name in _RANGED:
            value = float(term(name, kernel))
            low, high = ranges.get(name, (value, value))
            ranges[name] = (min(low, value), max(high, value))
    return result


def check_terms(coefficients: Coefficients) -> list[str]:
    """Return the names in coefficients that are no terms."""
    return [name for terms in coefficients.values() for name in terms if name not in TERMS]
