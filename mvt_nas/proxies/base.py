"""The proxy class, the decorator that makes a proxy from its formula, and the registry.

Torch is imported for the type checker only, so that proxies can be described without loading it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mvt_nas.proxies.types import Batch, ProxyReading
from mvt_nas.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from mvt_nas.proxies.observers import ForwardObserver
    from mvt_nas.proxies.passes import Passes


@dataclass(frozen=True, slots=True)
class Proxy:
    """A training-free score of a network.

    Attributes:
        name: Name in the registry.
        score: Function that returns the score of a network on a batch, no unit. It returns NaN and
            infinities as they are: the caller marks them.
        direction: ``"max"`` if good networks have high scores, ``"min"`` if they have low ones.
        passes: Cost in forward and backward passes, such as ``"1 forward + 1 backward of the
            batch"``.
        source: Authors, title and year of the publication.
        labelled: Whether the score uses the labels of the batch.
        worst: Bound that no network falls short of, for the reference point of a hypervolume.
        formula: The same score, read off passes that it shares with other proxies; ``None`` if it
            shares none.
        observers: Observers of the forward pass that the formula needs.
        version: Version of the values; cached scores of another version are computed again.
    """

    name: str
    score: Callable[[nn.Module, Batch], float]
    direction: Literal["max", "min"]
    passes: str
    source: str
    labelled: bool
    worst: float
    formula: Callable[[Passes], ProxyReading] | None = None
    observers: tuple[type[ForwardObserver], ...] = ()
    # To be raised with every change of the values for any network, be it in the file of the proxy
    # or in one that it uses.
    version: int = 1

    def read(self, passes: Passes) -> ProxyReading:
        """Return the score, read off the passes where the proxy has a formula for that."""
        if self.formula is not None:
            return self.formula(passes)
        return ProxyReading(float(self.score(passes.network, passes.batch)))

    @property
    def source_file(self) -> str:
        """Path of the Python file that defines the score; empty if there is none."""
        # The score of a decorated formula is a wrapper in this module: look behind it.
        defined = inspect.unwrap(self.score)
        return str(getattr(defined, "__globals__", {}).get("__file__", ""))


PROXIES: Registry[Proxy] = Registry("proxy", "mvt_nas.proxies")
"""All proxies by name."""


def proxy(
    *,
    direction: Literal["max", "min"],
    passes: str,
    source: str,
    labelled: bool,
    worst: float,
    observers: tuple[type[ForwardObserver], ...] = (),
    version: int = 1,
) -> Callable[[Callable[[Passes], ProxyReading]], Proxy]:
    """Return a decorator that makes a formula a proxy and registers it under the function's name.

    The formula takes the passes over a network and a batch and returns a reading. Only the passes
    that it asks for are run, and they leave the network and the random state as they were.

    Args:
        direction: See :class:`Proxy`, as for all other arguments.
        passes: Cost in forward and backward passes.
        source: Authors, title and year of the publication.
        labelled: Whether the formula uses the labels of the batch.
        worst: Bound that no network falls short of.
        observers: Observers of the forward pass that the formula reads.
        version: Version of the values.
    """

    def register(formula: Callable[[Passes], ProxyReading]) -> Proxy:
        @functools.wraps(formula)
        def score(network: nn.Module, batch: Batch) -> float:
            from mvt_nas.proxies.passes import Passes  # loads torch

            return formula(Passes(network, batch, observers)).value

        name = formula.__name__
        entry = Proxy(
            name=name,
            score=score,
            direction=direction,
            passes=passes,
            source=source,
            labelled=labelled,
            worst=worst,
            formula=formula,
            observers=observers,
            version=version,
        )
        return PROXIES.register(name)(entry)

    return register
