"""Detection of activations, and the number of activations that a network is known to have.

Activations are observed where they are computed, in torch's dispatcher, not at modules: a
functional ``relu`` inside an attention is seen just like an ``nn.SiLU``. The modules only say how
many there should be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mvt_nas.blocks.mobilevit.transformer import SeparableAttention

_NAMES = "relu silu gelu hardtanh leaky_relu elu hardswish mish softplus threshold _prelu_kernel"
OPERATIONS = frozenset(
    getattr(torch.ops.aten, name)
    for plain in _NAMES.split()
    for name in (plain, f"{plain}_")
    if hasattr(torch.ops.aten, name)
)
"""Rectifiers of all kinds. Sigmoid and tanh are left out: they are gates as often as activations,
and the sign of their input says less."""

MODULES: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.SiLU,
    nn.GELU,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.Hardswish,
    nn.Mish,
    nn.Softplus,
    nn.Threshold,
    nn.PReLU,
)
"""Modules that compute one activation."""

FUNCTIONAL: Mapping[type[nn.Module], int] = {SeparableAttention: 1}
"""Number of functional activations inside modules of a type. A module may also declare its own with
a method ``functional_activations()``."""


class ActivationMode(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
    """Context that shows every activation within it to some observers.

    Args:
        before: Functions to call with the input of each activation, before it may be overwritten.
        after: Functions to call with the output.

    Attributes:
        count: Number of activations so far.
    """

    def __init__(
        self, before: Sequence[Callable[[Tensor], None]], after: Sequence[Callable[[Tensor], None]]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.count = 0
        self._before, self._after = before, after

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run one operation of the dispatcher and show it if it is an activation."""
        if func.overloadpacket not in OPERATIONS:
            return func(*args, **(kwargs or {}))
        self.count += 1
        for show in self._before:
            show(args[0])
        output = func(*args, **(kwargs or {}))
        for show in self._after:
            show(output)
        return output


class ActivationUnits:
    """The activations that a network's modules declare, and how many of them were computed.

    Args:
        network: Network whose modules are inspected.
        mode: Counter of the activations while the network runs.
    """

    def __init__(self, network: nn.Module, mode: ActivationMode) -> None:
        self._mode = mode
        declared = {module: known_activations(module) for module in network.modules()}
        self._known = {module: number for module, number in declared.items() if number}
        self._seen: dict[nn.Module, int] = {}
        self._before: dict[nn.Module, int] = {}

    def hooks(self) -> list[Any]:
        """Hook all modules that declare activations; return the handles."""
        handles = [module.register_forward_pre_hook(self._enter) for module in self._known]
        return handles + [module.register_forward_hook(self._leave) for module in self._known]

    @property
    def seen(self) -> int:
        """Number of declared activations that were computed inside their modules."""
        # A module may compute more activations than it declares; the surplus is not of others.
        return sum(min(self._seen.get(module, 0), known) for module, known in self._known.items())

    @property
    def exist(self) -> int:
        """Number of activations that the modules declare."""
        return sum(self._known.values())

    def _enter(self, module: nn.Module, _inputs: object) -> None:
        self._before[module] = self._mode.count

    def _leave(self, module: nn.Module, _inputs: object, _output: object) -> None:
        self._seen[module] = max(self._seen.get(module, 0), self._mode.count - self._before[module])


def known_activations(module: nn.Module) -> int:
    """Return the number of activations that a module is known to compute, without its children."""
    declared = getattr(module, "functional_activations", None)
    if callable(declared) and not isinstance(declared, nn.Module):
        return int(declared())
    if isinstance(module, MODULES):
        return 1
    return next((number for kind, number in FUNCTIONAL.items() if isinstance(module, kind)), 0)
