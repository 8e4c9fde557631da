"""Observers of the forward pass, which all proxies that need activations or features share.

An observer is made for one pass. It must not change what it is shown, and what it keeps must not
depend on other observers: a proxy has the same value alone and together with others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mvt_nas.proxies.types import Batch, Coverage


@dataclass(frozen=True, slots=True, eq=False)
class ForwardPass:
    """Result of a forward pass over the batch, with its graph.

    Attributes:
        weights: Weights of convolutions and linear layers by name, as leaves of the graph.
        logits: Logits (B, classes).
        activations: Number of known activations that were observed; ``None`` if no observer sees
            activations.
    """

    weights: Mapping[str, Tensor]
    logits: Tensor
    activations: Coverage | None


class ForwardObserver:
    """Base of all observers, which sees nothing.

    Args:
        network: Network that is going to run.
        batch: Batch that it runs on.

    Attributes:
        sees_activations: Whether the two methods on activations are to be called.
        images: Number of images in the batch.
    """

    sees_activations: ClassVar[bool] = False

    def __init__(self, network: nn.Module, batch: Batch) -> None:
        self.network = network
        self.batch = batch
        self.images = len(batch.images)

    def hooks(self) -> list[RemovableHandle]:
        """Hook the network's modules before the pass; return the handles to remove after it."""
        return []

    def before_activation(self, values: Tensor) -> None:
        """See the input of an activation, outside of any graph."""

    def after_activation(self, values: Tensor) -> None:
        """See the output of an activation, outside of any graph."""

    def finish(self, run: ForwardPass) -> None:
        """Run backward passes after the forward pass; its graph has to be retained."""


def by_image(values: Tensor, images: int) -> Tensor | None:
    """Return values as one row per image, (B, units), or ``None`` if the first axis has no images.

    Tokens may have been sorted into further groups inside each image, (B · groups, N, C).
    """
    if not values.ndim or not len(values) or len(values) % images:
        return None
    return values.reshape(images, -1)
