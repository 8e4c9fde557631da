"""The passes over one network and one batch, each run at its first use and shared from then on.

All passes start from the state in which the network and the random state were found, so no score
depends on which others are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from mvt_nas.errors import MetricError
from mvt_nas.proxies.activations import ActivationMode, ActivationUnits
from mvt_nas.proxies.flow import Flow, run_flow
from mvt_nas.proxies.gradients import Gradients, LossGradients, loss_gradients
from mvt_nas.proxies.module_roles import forward, weight_names
from mvt_nas.proxies.observers import ForwardObserver, ForwardPass
from mvt_nas.proxies.preserve import preserve_state
from mvt_nas.proxies.types import Batch, Coverage

T = TypeVar("T")
Observer = TypeVar("Observer", bound=ForwardObserver)


class Passes:
    """The passes from which the formulas of proxies read their values.

    Args:
        network: Any module from images to logits.
        batch: Batch that it runs on.
        observers: Observers of the forward pass that the formulas will ask for.
    """

    def __init__(
        self, network: nn.Module, batch: Batch, observers: Iterable[type[ForwardObserver]] = ()
    ) -> None:
        self.network = network
        self.batch = batch
        # Several proxies may need the same observer: it takes part once.
        self._observers = tuple(dict.fromkeys(observers))
        self._results: dict[str, object] = {}

    def observer(self, kind: type[Observer]) -> Observer:
        """Return an observer after the forward pass of the batch.

        Raises:
            Exception: the exception of the pass, or of this observer after it.
        """
        return cast(Observer, self._once(kind.__name__, lambda: self._forward.finished(kind)))

    @property
    def activations(self) -> Coverage | None:
        """Number of known activations that the forward pass has shown to its observers."""
        return self._forward.activations

    @property
    def gradients(self) -> Gradients:
        """Gradients of the loss over the whole batch; needs the observer :class:`LossGradients`."""
        return self.observer(LossGradients).found

    @property
    def halves(self) -> tuple[Gradients, Gradients]:
        """Gradients of the losses over both halves of the batch, each with its own statistics."""
        return self._once("halves", self._run_halves)

    @property
    def flow(self) -> Flow:
        """Signal of one image of ones through the magnitudes of the weights."""
        return self._once("flow", lambda: run_flow(self.network, self.batch))

    @property
    def _forward(self) -> _ForwardResult:
        return self._once("forward", self._run_forward)

    def _run_forward(self) -> _ForwardResult:
        observers = {kind: kind(self.network, self.batch) for kind in self._observers}
        run = run_forward(self.network, self.batch.images, list(observers.values()))
        outcomes: dict[type[ForwardObserver], ForwardObserver | _Failure] = {}
        for kind, observer in observers.items():
            # A failing observer must not harm the others: its exception is raised when a formula
            # asks for it.
            try:
                observer.finish(run)
                outcomes[kind] = observer
            except Exception as problem:
                outcomes[kind] = _Failure(problem)
        return _ForwardResult(outcomes, run.activations)

    def _run_halves(self) -> tuple[Gradients, Gradients]:
        images = self.batch.images
        labels = self.batch.labels
        middle = len(images) // 2
        if not middle:
            raise MetricError("batch of 1 for gradients of two halves: 2 images or more are needed")
        return (
            loss_gradients(run_forward(self.network, images[:middle]), labels[:middle]),
            loss_gradients(run_forward(self.network, images[middle:]), labels[middle:]),
        )

    def _once(self, name: str, run: Callable[[], T]) -> T:
        """Return the result of a pass, running it at the first call.

        A pass that has failed raises the same exception at every call.
        """
        if name not in self._results:
            try:
                self._results[name] = run()
            except Exception as problem:
                self._results[name] = _Failure(problem)
        result = self._results[name]
        if isinstance(result, _Failure):
            raise result.problem
        return cast(T, result)


@dataclass(frozen=True, slots=True)
class _Failure:
    problem: Exception


@dataclass(frozen=True, slots=True)
class _ForwardResult:
    """Outcome of the forward pass, kept after its graph is freed."""

    outcomes: Mapping[type[ForwardObserver], ForwardObserver | _Failure]
    activations: Coverage | None

    def finished(self, kind: type[ForwardObserver]) -> ForwardObserver:
        outcome = self.outcomes[kind]
        if isinstance(outcome, _Failure):
            raise outcome.problem
        return outcome


def run_forward(
    network: nn.Module, images: Tensor, observers: Sequence[ForwardObserver] = ()
) -> ForwardPass:
    """Return the forward pass of images (B, C, H, W), which most proxies share.

    BatchNorm uses the statistics of the batch, and dropout is off. The images are part of the
    graph, so that gradients reach every block, including one without weights before it. The network
    is left as found.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    parameters = dict(network.named_parameters())
    seeing = [observer for observer in observers if observer.sees_activations]
    mode = ActivationMode(
        before=[observer.before_activation for observer in seeing],
        after=[observer.after_activation for observer in seeing],
    )
    # Without an observer of activations nothing is counted, so no module needs a hook.
    units = ActivationUnits(network if seeing else nn.Module(), mode)
    with preserve_state(network), torch.enable_grad(), ExitStack() as stack:
        handles = units.hooks()
        for observer in observers:
            handles += observer.hooks()
        for handle in handles:
            stack.callback(handle.remove)
        weights = {
            name: parameters[name].detach().requires_grad_() for name in weight_names(network)
        }
        # The clone is no leaf of the graph: a network may overwrite its input images in place,
        # which autograd forbids for leaves.
        inputs = images.detach().requires_grad_().clone()
        if seeing:
            stack.enter_context(mode)
        logits = forward(network, inputs, weights)
    coverage = Coverage("activations", units.seen, units.exist) if seeing else None
    return ForwardPass(weights, logits, coverage)


def total(parts: Iterable[Tensor]) -> float:
    """Return the sum of scalars, in float64."""
    return float(torch.stack([part.detach().double() for part in parts]).sum())


def activation_coverage(passes: Passes, counted: int, seen: int) -> tuple[Coverage, ...]:
    """Return the coverage of a score of activations.

    Args:
        passes: Passes that the score was read from.
        counted: Number of activations that the score includes.
        seen: Number of activations that the pass has shown.
    """
    by_images = Coverage("activations by image", counted, seen)
    known = passes.activations
    return (by_images,) if known is None else (by_images, known)
