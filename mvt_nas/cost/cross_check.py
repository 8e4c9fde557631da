"""Cross-checks of the multiply-adds by fvcore and thop, which count on the real module.

Both differ from :func:`mvt_nas.cost.counts.count`; ``CrossCheck.missing`` says how. Neither misses
an attention as a whole, since the networks compute it with plain matrix products and not with one
fused operation that a counter may not know.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvt_nas.space.architecture import Architecture

if TYPE_CHECKING:
    from torch import Tensor

    from mvt_nas.models.network import Network

FVCORE_MISSING = (
    "adds 2 per element of a batch norm, 5 per element of a layer or group norm and 4 per element"
    " that a resize writes; like ours it counts no softmax, activation or element-wise operation"
)
"""Differences of fvcore's count from ours."""

THOP_MISSING = (
    "leaves out the matrix products between tensors (attention scores, weighted values) and the"
    " parameters of the transformer's norms; adds 4 per element of a batch norm"
)
"""Differences of thop's count from ours: it sees only modules of torch's own types."""


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """The result of another counter.

    Attributes:
        counter: Name of the counter.
        macs: Multiply-adds for the whole batch, as the counter defines them.
        params: Parameters; ``None`` where the counter does not count any.
        missing: One line about what it leaves out or adds compared with our count.
    """

    counter: str
    macs: int
    params: int | None
    missing: str


def count_with_fvcore(architecture: Architecture, batch_size: int = 1) -> CrossCheck:
    """Return fvcore's count.

    It takes one forward pass on the CPU, since fvcore cannot trace a network without weights.
    """
    model, images = _network(architecture, batch_size, "cpu")
    with _muted():
        from fvcore.nn import FlopCountAnalysis, parameter_count

        analysis = (
            FlopCountAnalysis(model, images)
            .unsupported_ops_warnings(False)
            .uncalled_modules_warnings(False)
        )
        macs, params = int(analysis.total()), int(parameter_count(model)[""])
    return CrossCheck("fvcore", macs, params, FVCORE_MISSING)


def count_with_thop(architecture: Architecture, batch_size: int = 1) -> CrossCheck:
    """Return thop's count."""
    # thop leaves buffers in the modules; these live no longer than this call.
    model, images = _network(architecture, batch_size, "meta")
    with _muted():
        from thop import profile

        macs, params = profile(model, (images,), verbose=False)
    return CrossCheck("thop", int(macs), int(params), THOP_MISSING)


def _network(architecture: Architecture, batch_size: int, device: str) -> tuple[Network, Tensor]:
    """Return a network without gradients, and images for it."""
    from mvt_nas.models.network import build_model

    side = architecture.resolution_px
    model = build_model(architecture, device=device, seed=0).eval().requires_grad_(False)
    # On the device and of the type of the weights, without importing torch for it.
    images = next(model.parameters()).new_zeros(batch_size, 3, side, side)
    return model, images


@contextmanager
def _muted() -> Iterator[None]:
    """Suppress warnings: both libraries use deprecated parts of torch and setuptools."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
