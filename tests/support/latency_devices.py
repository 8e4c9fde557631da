"""Made-up devices with a known time for every kernel, and a runtime that returns it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mvt_nas.blocks.graph import Graph
from mvt_nas.cli import measure_front as command
from mvt_nas.latency.calibration import measurement_session
from mvt_nas.latency.model.kernels import Kernel, Signature, kernels, signature, term
from mvt_nas.latency.model.predictor import Predictor
from mvt_nas.latency.model.roofline import ROOFLINE
from mvt_nas.latency.model.scaling_groups import BY_RESOURCE
from mvt_nas.latency.runtime import RUNTIMES, Runtime, RuntimeJob, Session
from mvt_nas.latency.timing import stopwatch
from mvt_nas.latency.timing.stopwatch import Clock
from mvt_nas.models.lowering import lower
from mvt_nas.models.network import Network, build_model
from mvt_nas.nas.measure_front import FrontMeasurement, measure_front
from mvt_nas.nas.runs.run import Run
from mvt_nas.space.architecture import Architecture
from tests.support.architectures import random_architecture

Coefficients = Mapping[str, Mapping[str, float]]

OTHER_SPEEDS = {
    "compute": 0.4,
    "traffic of maps": 1.5,
    "traffic of tokens": 2.0,
    "traffic between": 0.8,
    "separable attention": 1.7,
    "layout": 2.5,
    "calls": 0.6,
}
"""Factors between another device and a known one, for each resource."""


def random_networks(n: int, seed: int = 0) -> list[Architecture]:
    rng = np.random.default_rng(seed)
    return [random_architecture(rng) for _ in range(n)]


def scaled(coefficients: Coefficients, speeds: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the coefficients of a device with other speeds."""
    return {
        kind: {
            name: value * speeds[BY_RESOURCE.factor(kind, name)] for name, value in terms.items()
        }
        for kind, terms in coefficients.items()
    }


def times_of(graphs: list[Graph], predictor: Predictor) -> NDArray[np.float64]:
    return np.array([float(predictor.kernels_ms(graph)) + predictor.fixed_ms for graph in graphs])


def kernel_times(graph: Graph, predictor: Predictor) -> dict[Signature, float]:
    """Return the milliseconds by signature in an exact profile."""
    result: dict[Signature, float] = {}
    for kernel in kernels(graph.ops):
        key = signature(kernel)
        result[key] = result.get(key, 0.0) + kernel_ms(kernel, predictor)
    return result


def kernel_ms(kernel: Kernel, predictor: Predictor) -> float:
    return sum(
        value * float(term(name, kernel))
        for name, value in predictor.coefficients.get(kernel.kind, {}).items()
    )


def measure_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second of timing last a twentieth of one, and measure two networks of a front."""
    clock = Clock(wall_s=lambda: 20 * time.perf_counter(), cpu_s=lambda: 20 * time.process_time())
    for module in (stopwatch, measurement_session):
        monkeypatch.setattr(module, "Clock", lambda: clock)

    def measure_two(run: Run, *, most: int, **settings: Any) -> FrontMeasurement:
        return measure_front(run, most=min(most, 2), **settings)

    monkeypatch.setattr(command, "measure_front", measure_two)


@dataclass
class Machine:
    """A simulated device whose speed a test sets, with a clock of its own.

    Attributes:
        predictor: Latency of an inference at slowness 1.
        noise: Scale of the noise of each call, as a share; never negative, since other programs
            only add time.
        slowness: Factor on all latencies, changed between rounds.
        measured: Architectures in the order in which sessions were opened.
        now_s: Simulated time in seconds; only inferences take any.
    """

    predictor: Predictor
    noise: float = 0.01
    slowness: float = 1.0
    measured: list[str] = field(default_factory=list)
    now_s: float = 0.0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    @property
    def clock(self) -> Clock:
        """The simulated time, so that the number of timed calls does not depend on the load."""
        return Clock(wall_s=lambda: self.now_s, cpu_s=lambda: self.now_s)

    @contextmanager
    def session(self, job: RuntimeJob) -> Iterator[Session]:
        assert isinstance(job.module, Network)
        architecture = job.module.architecture
        self.measured.append(architecture.key)
        graph = lower(
            architecture,
            batch_size=job.input_shape[0],
            num_classes=job.module.classifier.out_features,
        )
        ms = float(self.predictor.kernels_ms(graph)) + self.predictor.fixed_ms

        def infer() -> float:
            took_ms = ms * self.slowness * (1 + self.noise * float(self.rng.exponential()))
            self.now_s += took_ms / 1000
            return took_ms

        yield _Session(infer)

    def kernel_times(self, job: RuntimeJob, runs: int) -> dict[Signature, float]:
        assert isinstance(job.module, Network)
        graph = lower(job.module.architecture, num_classes=job.module.classifier.out_features)
        return kernel_times(graph, self.predictor)


@dataclass(frozen=True)
class _Session:
    call: Callable[[], float]

    def __call__(self) -> float:
        return self.call()

    def logits(self, images: NDArray[np.float32]) -> None:
        return None


@contextmanager
def registered(
    machine: Machine, name: str = "made_up", *, profiles_kernels: bool = False
) -> Iterator[None]:
    """Register a machine as a runtime inside the block."""
    runtime = Runtime(
        name=name,
        summary="a made-up device",
        takes="module",
        package=None,
        trouble=lambda: None,
        session=machine.session,
        own_clock=True,
        reference_model=False,
        kernel_times=machine.kernel_times if profiles_kernels else None,
    )
    RUNTIMES.register(name)(runtime)
    try:
        yield
    finally:
        del RUNTIMES._entries[name]


def without_weights(
    architecture: Architecture, *, num_classes: int, task: None, seed: int
) -> Network:
    """Return a network without weights, which is enough for a made-up device."""
    return build_model(architecture, num_classes=num_classes, device="meta")


def other_device(fixed_ms: float = 0.5) -> Predictor:
    """Return a device with another speed than the roofline in each resource."""
    return Predictor(scaled(ROOFLINE, OTHER_SPEEDS), fixed_ms, 0.0)
