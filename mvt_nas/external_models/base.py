"""External models, and the registry of loaders for their formats.

Loaders import their libraries inside functions, so that they can be listed without loading any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.errors import BaselineError, listing
from mvt_nas.external_models.kernel_graph import KernelGraph
from mvt_nas.registry import Registry

if TYPE_CHECKING:
    from torch import nn

DEFAULT_PX = 256
"""Side of the image in pixels, unless the network or the user fixes another one."""


@dataclass(frozen=True, slots=True, eq=False)
class ExternalModel:
    """A network that mvt-nas did not build.

    Attributes:
        name: Default name.
        resolution_px: Side of the image for which costs are counted, in pixels.
        network: The network to measure: an ONNX file, or a module in evaluation mode.
        costs: ``params``, ``macs`` and ``memory_mb`` for one image, as far as they are known.
        notes: Reasons for missing costs, and caveats; one sentence each.
        kernels: Its kernels, for predictions of its latency.
    """

    name: str
    resolution_px: int
    network: Path | nn.Module
    costs: Mapping[str, float]
    notes: tuple[str, ...]
    kernels: KernelGraph


@dataclass(frozen=True, slots=True)
class ExternalModelLoader:
    """A loader for one format of external models.

    Attributes:
        spelling: How users write a network in this format, such as ``FILE.onnx``.
        takes: Returns True if a text names a network in this format.
        open: Loads the network that a text names, for images of a side in pixels; without one, of
            the side that the network fixes, or 256. Raises a ``BaselineError`` that begins with the
            text.
    """

    spelling: str
    takes: Callable[[str], bool]
    open: Callable[[str, int | None], ExternalModel]


LOADERS: Registry[ExternalModelLoader] = Registry(
    "external model format", "mvt_nas.external_models.loaders"
)
"""Loaders by name of the format."""


def load_external_model(source: str, resolution_px: int | None = None) -> ExternalModel:
    """Load an external model and count its costs.

    Args:
        source: text in the spelling of one of the loaders.
        resolution_px: side of the image in pixels; by default the one that the network fixes, or
            256.

    Raises:
        BaselineError: no loader takes the text, or the network cannot be loaded or fails on the
            image.
    """
    # In reverse: a file whose name looks like MODULE:FUNCTION is loaded as a file.
    loaders = [LOADERS.get(name) for name in reversed(LOADERS.names())]
    for loader in loaders:
        if loader.takes(source):
            return loader.open(source, resolution_px)
    raise BaselineError(
        f"{source}: is no network; allowed are {listing(loader.spelling for loader in loaders)}"
    )
