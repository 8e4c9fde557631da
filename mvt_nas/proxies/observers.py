"""What looks on while the batch runs forward: the scores that need activations or features share that one pass.

A watcher is made for one pass. What it is shown it must not change, and what it keeps must not
depend on other watchers: a score has the same value alone as in company.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mvt_nas.proxies.base import Batch, Coverage


@dataclass(frozen=True, slots=True, eq=False)
class ForwardPass:
    """A batch that ran forward, with its graph.

    Attributes:
        weights: the weights of convolutions and linear maps by name, as leaves of the graph.
        logits: (B, classes).
        activations: how many of the known activations the watchers were shown; ``None`` where none
            of them wanted to see any.
    """

    weights: Mapping[str, Tensor]
    logits: Tensor
    activations: Coverage | None


class ForwardObserver:
    """Sees nothing; a base to override.

    Args:
        network: what is going to run.
        batch: on what.

    Attributes:
        sees_activations: whether the two methods on activations are to be called.
    """

    sees_activations: ClassVar[bool] = False

    def __init__(self, network: nn.Module, batch: Batch) -> None:
        self.network = network
        self.batch = batch
        self.images = len(batch.images)

    def hooks(self) -> list[RemovableHandle]:
        """Hook the network's modules before the pass; return the handles, which are removed after it."""
        return []

    def before_activation(self, values: Tensor) -> None:
        """See the input of an activation, outside of any graph."""

    def after_activation(self, values: Tensor) -> None:
        """See the output of an activation, outside of any graph."""

    def finish(self, run: ForwardPass) -> None:
        """Take what backward passes give, after the forward pass and before its graph is let go; the graph has to survive."""


def by_image(values: Tensor, images: int) -> Tensor | None:
    """Return values as one row per image, (B, units), or ``None`` where the first axis does not go by images.

    Tokens may have been sorted into further groups inside each image, (B · groups, N, C).
    """
    if not values.ndim or not len(values) or len(values) % images:
        return None
    return values.reshape(images, -1)
