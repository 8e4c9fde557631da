"""The convolutional parts of a network: the largest modules with convolutions and nothing of a transformer in them."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from mvt_nas.proxies.activations import MODULES as ACTIVATIONS
from mvt_nas.proxies.attention_roles import own_matrices
from mvt_nas.proxies.roles import CONTAINERS

_ALLOWED: tuple[type[nn.Module], ...] = (
    *(_ConvNd, _BatchNorm, *ACTIVATIONS, nn.Sigmoid, nn.Tanh, nn.Dropout, nn.Dropout2d, nn.Identity),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.ZeroPad2d, nn.Upsample),
)


def convolutional_parts(network: nn.Module) -> list[nn.Module]:
    """Return the parts that hold a convolution, and beside it only batch norms, activations and pooling; none lies in another.

    Neither an attention is one, even if its matrices are 1 x 1 convolutions, nor what lies beside it in a transformer layer.
    """
    return list(dict.fromkeys(_parts(network)))


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    if _is_convolutional(module):
        yield module
    elif not own_matrices(module) and not any(own_matrices(child) for child in module.children()):
        for child in module.children():
            yield from _parts(child)


def _is_convolutional(module: nn.Module) -> bool:
    """Return whether a module can be called as a whole and holds convolutions, and nothing but what goes with them."""
    inside = list(module.modules())
    if isinstance(module, nn.ModuleList) or not any(isinstance(one, _ConvNd) for one in inside):
        return False
    return all(isinstance(one, _ALLOWED) or _only_holds(one) for one in inside) and not any(own_matrices(one) for one in inside)


def _only_holds(module: nn.Module) -> bool:
    """Return whether a module has children but no parameters of its own."""
    return isinstance(module, CONTAINERS) or (any(True for _ in module.children()) and not list(module.parameters(recurse=False)))
