"""Roles in an external network: its weights, its primary blocks, its logits.

Weights are the kernels of convolutions and the matrices of linear layers; those of normalisation,
biases and embeddings are not counted, as in Tanaka et al., "Pruning neural networks without any
data by iteratively conserving synaptic flow" (2020), and Abdelfattah et al., "Zero-cost proxies for
lightweight NAS" (2021). ``nn.MultiheadAttention`` keeps its query, key and value matrices outside
of any ``nn.Linear``; they are counted as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from mvt_nas.errors import MetricError

CONTAINERS = (nn.Sequential, nn.ModuleList)
WEIGHTS_BY_MODULE: tuple[tuple[type[nn.Module], tuple[str, ...]], ...] = (
    (_ConvNd, ("weight",)),
    (nn.Linear, ("weight",)),
    (nn.MultiheadAttention, ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")),
)


def weight_names(network: nn.Module) -> list[str]:
    """Return the full names of the weights of convolutions and linear layers; shared ones once.

    Raises:
        MetricError: there are none.
    """
    weights: set[int] = set()
    for module in network.modules():
        for kind, own_names in WEIGHTS_BY_MODULE:
            if isinstance(module, kind):
                weights |= {id(getattr(module, name, None)) for name in own_names}
    # named_parameters() gives a parameter that several modules share under its first name only.
    names = [name for name, parameter in network.named_parameters() if id(parameter) in weights]
    if not names:
        raise MetricError(
            f"{type(network).__name__} has no weights to score: a convolution or a linear map is"
            " needed"
        )
    return names


def primary_blocks(network: nn.Module) -> list[nn.Module]:
    """Return the blocks of which a network is a chain, whose outputs are its feature maps.

    A network may declare them with a method ``feature_blocks()``. In any other network, they are
    the children of each ``nn.Sequential`` and ``nn.ModuleList`` that hold a convolution or a linear
    layer. A child that is such a container itself is replaced by its own children; blocks are not
    searched for further blocks. Some of them may not output features (a classifier at the end of a
    sequence).

    Raises:
        MetricError: there are none.
    """
    declared = getattr(network, "feature_blocks", None)
    own = declared() if callable(declared) and not isinstance(declared, nn.Module) else None
    blocks = list(dict.fromkeys(_repeated_blocks(network) if own is None else own))
    if not blocks:
        allowed = (
            "a method feature_blocks(), or an nn.Sequential or nn.ModuleList with convolutions or"
            " linear maps"
        )
        raise MetricError(f"{type(network).__name__} has no primary blocks: {allowed} is needed")
    return blocks


def forward(
    network: nn.Module, images: Tensor, tensors: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Return the logits (B, classes) of images (B, C, H, W).

    Outputs that are a tuple or an object with ``logits`` are unpacked.

    Args:
        network: Network to run.
        images: Images (B, C, H, W).
        tensors: Tensors by name that replace the parameters and buffers for this pass.

    Raises:
        MetricError: BatchNorm would need the statistics of a single image, or the network returns
            no logits.
    """
    if any(isinstance(module, _BatchNorm) and module.training for module in network.modules()):
        check_statistics(network, images)
    with _replaced(network, tensors or {}):
        output = network(images)
    logits = first_tensor(getattr(output, "logits", output))
    if logits is None or logits.ndim != 2:
        shape = "no tensor" if logits is None else f"a tensor {tuple(logits.shape)}"
        raise MetricError(
            f"{type(network).__name__} returned {shape}: logits (B, classes) are needed"
        )
    return logits


@contextmanager
def _replaced(network: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Replace the parameters and buffers of these names by tensors within the block.

    A shared parameter is replaced in all modules that hold it. ``torch.func.functional_call`` does
    the same, but for a network of many small modules it takes longer than many a pass.
    """
    own: dict[str, Tensor] = dict(network.named_parameters()) | dict(network.named_buffers())
    new = {id(own[name]): tensor for name, tensor in tensors.items()}
    places: list[tuple[dict[str, Any], str, Tensor]] = []
    for module in network.modules() if new else ():
        tables: tuple[dict[str, Any], dict[str, Any]] = (module._parameters, module._buffers)
        for table in tables:
            places += [
                (table, name, tensor)
                for name, tensor in table.items()
                if tensor is not None and id(tensor) in new
            ]
    try:
        # Directly in the dictionaries: setattr() takes no plain tensor for a parameter.
        for table, name, tensor in places:
            table[name] = new[id(tensor)]
        yield
    finally:
        for table, name, tensor in places:
            table[name] = tensor


def check_statistics(network: nn.Module, images: Tensor) -> None:
    """Check that a batch is large enough for the statistics of the network's BatchNorm.

    Raises:
        MetricError: the network has BatchNorm, and the batch has fewer than two images.
    """
    if len(images) < 2 and any(isinstance(module, _BatchNorm) for module in network.modules()):
        raise MetricError(
            f"batch of {len(images)} for a network with BatchNorm: statistics of a batch need 2"
            " images or more"
        )


def first_tensor(output: object) -> Tensor | None:
    """Return the first tensor of a module's output, or ``None`` if it does not begin with one."""
    if isinstance(output, (tuple, list)) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def _repeated_blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(module, CONTAINERS) and not isinstance(child, CONTAINERS):
            if any(isinstance(part, (_ConvNd, nn.Linear)) for part in child.modules()):
                yield child
        else:
            yield from _repeated_blocks(child)
