"""The passes over one network and one batch, each run when a score first asks for it, and then shared.

All passes start from the state in which the network and the random state were found, so no score
depends on which others are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import nn

from mvt_nas.errors import MetricError
from mvt_nas.proxies.base import Batch, Coverage, Proxy, ProxyReading
from mvt_nas.proxies.flow import Flow, run_flow
from mvt_nas.proxies.forward_pass import run_forward
from mvt_nas.proxies.gradients import Gradients, LossGradients, loss_gradients
from mvt_nas.proxies.observers import ForwardObserver

T = TypeVar("T")
W = TypeVar("W", bound=ForwardObserver)


class Passes:
    """What scores are read from.

    Args:
        network: any module from images to logits.
        batch: what it runs on.
        watches: the watchers that the scores to come will ask for.
    """

    def __init__(
        self, network: nn.Module, batch: Batch, watches: Iterable[type[ForwardObserver]] = ()
    ) -> None:
        self.network = network
        self.batch = batch
        self._watches = tuple(dict.fromkeys(watches))
        self._results: dict[str, object] = {}

    def watched(self, kind: type[W]) -> W:
        """Return a watcher after the forward pass of the batch.

        Raises:
            Exception: what went wrong in the pass, or in what this watcher did after it.
        """
        return cast(W, self._once(kind.__name__, lambda: self._forward.finished(kind)))

    @property
    def activations(self) -> Coverage | None:
        """How many of the known activations the watchers of the forward pass were shown."""
        return self._forward.activations

    @property
    def gradients(self) -> Gradients:
        """The gradients of the loss over the whole batch; :class:`LossGradients` has to be among the watchers."""
        return self.watched(LossGradients).found

    @property
    def halves(self) -> tuple[Gradients, Gradients]:
        """The gradients of the losses over the first and over the second half of the batch, each with statistics of its own."""
        return self._once("halves", self._run_halves)

    @property
    def flow(self) -> Flow:
        """The signal of one image of ones through the magnitudes of the weights."""
        return self._once("flow", lambda: run_flow(self.network, self.batch))

    @property
    def _forward(self) -> _Watched:
        return self._once("forward", self._run_forward)

    def _run_forward(self) -> _Watched:
        watchers = {kind: kind(self.network, self.batch) for kind in self._watches}
        run = run_forward(self.network, self.batch.images, list(watchers.values()))
        outcomes: dict[type[ForwardObserver], ForwardObserver | _Failure] = {}
        for kind, watcher in watchers.items():
            try:
                watcher.finish(run)
                outcomes[kind] = watcher
            except (
                Exception
            ) as problem:  # whatever it is, it is raised to the scores that ask for this watcher
                outcomes[kind] = _Failure(problem)
        return _Watched(outcomes, run.activations)

    def _run_halves(self) -> tuple[Gradients, Gradients]:
        images, labels = self.batch.images, self.batch.labels
        middle = len(images) // 2
        if not middle:
            raise MetricError("batch of 1 for gradients of two halves: 2 images or more are needed")
        return (
            loss_gradients(run_forward(self.network, images[:middle]), labels[:middle]),
            loss_gradients(run_forward(self.network, images[middle:]), labels[middle:]),
        )

    def _once(self, name: str, run: Callable[[], T]) -> T:
        """Return the result of a pass, running it if it has not been; a pass that failed fails again in the same way."""
        if name not in self._results:
            try:
                self._results[name] = run()
            except Exception as problem:  # whatever it is, it is raised to every score that asks
                self._results[name] = _Failure(problem)
        result = self._results[name]
        if isinstance(result, _Failure):
            raise result.problem
        return cast(T, result)


@dataclass(frozen=True, slots=True)
class _Failure:
    problem: Exception


@dataclass(frozen=True, slots=True)
class _Watched:
    """What is left of the forward pass when its graph is gone."""

    outcomes: Mapping[type[ForwardObserver], ForwardObserver | _Failure]
    activations: Coverage | None

    def finished(self, kind: type[ForwardObserver]) -> ForwardObserver:
        outcome = self.outcomes[kind]
        if isinstance(outcome, _Failure):
            raise outcome.problem
        return outcome


def alone(
    network: nn.Module,
    batch: Batch,
    read: Callable[[Passes], ProxyReading],
    *watches: type[ForwardObserver],
) -> float:
    """Return one score, for which only the passes that it needs are run."""
    return read(Passes(network, batch, watches)).value


def shared(network: nn.Module, batch: Batch, proxies: Iterable[Proxy]) -> Passes:
    """Return the passes from which all of some scores can be read."""
    return Passes(network, batch, (kind for proxy in proxies for kind in proxy.watches))


def total(parts: Iterable[torch.Tensor]) -> float:
    """Return the sum of scalars, in float64."""
    return float(torch.stack([part.detach().double() for part in parts]).sum())


def activation_coverage(passes: Passes, counted: int, seen: int) -> tuple[Coverage, ...]:
    """Return how many of the activations seen went into a score, and how many of those known to exist were seen."""
    known = passes.activations
    return (Coverage("activations by image", counted, seen), *([] if known is None else [known]))
