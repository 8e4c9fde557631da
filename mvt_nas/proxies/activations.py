"""Which operations are activations, and how many of them a network is known to have.

Activations are met where they are computed, in torch's dispatcher, not at modules: a functional
``relu`` in the middle of an attention is seen as well as an ``nn.SiLU``, whatever it is called by.
The modules only say how many there should be.
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
"""Rectifiers of all kinds. A sigmoid or tanh is a gate as often as an activation, and its sign says
less: they are left out."""

MODULES: tuple[type[nn.Module], ...] = (
    *(
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
    ),
    *(nn.Threshold, nn.PReLU),
)

FUNCTIONAL: Mapping[type[nn.Module], int] = {SeparableAttention: 1}
"""Modules that compute activations which are no modules, and how many. A module may also say so by
``functional_activations()``."""


class ActivationMode(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Shows every activation of the code inside the context to some observers.

    Args:
        before: called with the input of an activation, before it may be overwritten.
        after: called with the output.
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
        """Run one operation of the dispatcher, and show it if it is an activation."""
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
    """The activations that the modules of a network tell of, and which of them have been computed.

    Args:
        network: whose modules are looked at.
        mode: what counts the activations while the network runs.
    """

    def __init__(self, network: nn.Module, mode: ActivationMode) -> None:
        self._mode = mode
        self._known = {
            module: known for module in network.modules() if (known := known_activations(module))
        }
        self._seen: dict[nn.Module, int] = {}
        self._before: dict[nn.Module, int] = {}

    def hooks(self) -> list[Any]:
        """Hook all modules that tell of activations; return the handles."""
        handles = [module.register_forward_pre_hook(self._enter) for module in self._known]
        return handles + [module.register_forward_hook(self._leave) for module in self._known]

    @property
    def seen(self) -> int:
        """How many of the known activations were computed inside the modules that tell of them."""
        return sum(min(self._seen.get(module, 0), known) for module, known in self._known.items())

    @property
    def exist(self) -> int:
        """How many activations the modules tell of."""
        return sum(self._known.values())

    def _enter(self, module: nn.Module, _inputs: object) -> None:
        self._before[module] = self._mode.count

    def _leave(self, module: nn.Module, _inputs: object, _output: object) -> None:
        self._seen[module] = max(self._seen.get(module, 0), self._mode.count - self._before[module])


def known_activations(module: nn.Module) -> int:
    """Return how many activations a module itself is known to compute, those of its children not counted."""
    declared = getattr(module, "functional_activations", None)
    if callable(declared) and not isinstance(declared, nn.Module):
        return int(declared())
    if isinstance(module, MODULES):
        return 1
    return next((number for kind, number in FUNCTIONAL.items() if isinstance(module, kind)), 0)
