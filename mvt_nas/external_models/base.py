"""What a foreign network is, and the forms that it may come in.

Forms import their libraries inside functions, so that they can be listed without loading any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas.errors import BaselineError, listing
from mvt_nas.registry import Registry

if TYPE_CHECKING:
    from torch import nn

DEFAULT_PX = 256
"""Side of the picture where nothing says another."""


@dataclass(frozen=True, slots=True, eq=False)
class ExternalModel:
    """A network that was not built here.

    Attributes:
        name: what it is called if nobody gives it another name.
        resolution_px: side of the picture that it is counted for.
        network: what can be measured: an ONNX file, or a module in evaluation mode.
        costs: ``params``, ``macs`` and ``memory_mb`` for one picture, as far as they are known.
        notes: why one is missing, or what to know of it; one sentence each.
    """

    name: str
    resolution_px: int
    network: Path | nn.Module
    costs: Mapping[str, float]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExternalModelLoader:
    """A form that a foreign network may come in.

    Attributes:
        spelling: how it is written, such as ``FILE.onnx``.
        takes: whether a text names a network in this form.
        open: opens what the text names for pictures of a side in pixels; without one, of the side
            that the network fixes, or 256. Raises a ``BaselineError`` that begins with the text.
    """

    spelling: str
    takes: Callable[[str], bool]
    open: Callable[[str, int | None], ExternalModel]


LOADERS: Registry[ExternalModelLoader] = Registry("form", "mvt_nas.external_models.loaders")
"""Forms by name."""


def load_external_model(source: str, resolution_px: int | None = None) -> ExternalModel:
    """Return the network that a text names, counted.

    Args:
        source: in the spelling of one of the forms.
        resolution_px: side of the picture; without one, that which the network fixes, or 256.

    Raises:
        BaselineError: it has none of the forms, cannot be opened, or fails on the picture.
    """
    forms = [
        LOADERS.get(name) for name in reversed(LOADERS.names())
    ]  # a file called like a function is a file
    for form in forms:
        if form.takes(source):
            return form.open(source, resolution_px)
    raise BaselineError(
        f"{source}: is no network; allowed are {listing(form.spelling for form in forms)}"
    )
