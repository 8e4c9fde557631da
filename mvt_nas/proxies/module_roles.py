"""What plays which role in a stranger's network: its weights, its primary blocks, its logits.

Weights are the kernels of convolutions and the matrices of linear maps; those of normalisation,
biases and embeddings are not counted, as in Tanaka et al., "Pruning neural networks without any
data by iteratively conserving synaptic flow" (2020), and Abdelfattah et al., "Zero-cost proxies for
lightweight NAS" (2021). ``nn.MultiheadAttention`` keeps its query, key and value matrices outside
of any ``nn.Linear``; they are counted as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

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
    """Return the full names of the weights of convolutions and linear maps, a weight that several modules share once.

    Raises:
        MetricError: there are none.
    """
    kinds = tuple(kind for kind, _ in WEIGHTS_BY_MODULE)
    wanted = {
        id(getattr(module, name, None))
        for module in network.modules()
        if isinstance(module, kinds)
        for kind, own_names in WEIGHTS_BY_MODULE
        if isinstance(module, kind)
        for name in own_names
    }
    names = [name for name, parameter in network.named_parameters() if id(parameter) in wanted]
    if not names:
        raise MetricError(
            f"{type(network).__name__} has no weights to score: a convolution or a linear map is"
            " needed"
        )
    return names


def primary_blocks(network: nn.Module) -> list[nn.Module]:
    """Return the blocks that a network is a chain of, whose outputs are its feature maps.

    A network with a method ``feature_blocks()`` says so itself. In any other, they are the children
    of each ``nn.Sequential`` and ``nn.ModuleList``, as far as they hold a convolution or a linear
    map; a child that is such a container itself is replaced by its own children, and blocks are not
    looked into. Some of them may not output features (a classifier at the end of a sequence).

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
    """Return the logits (B, classes) of the images (B, C, H, W), with the named parameters and buffers replaced by ``tensors``.

    Outputs that are a tuple or an object with ``logits`` are unpacked. No tensor of the network
    itself is replaced.

    Raises:
        MetricError: BatchNorm would have to take the statistics of one image, or no logits come
            out.
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
    """Put tensors in the place of the parameters and buffers of these names, shared ones wherever they are, and back again.

    ``torch.func.functional_call`` does the same, but for a network of many small modules it takes
    longer than many a pass.
    """
    own = {
        name: tensor
        for each in (network.named_parameters, network.named_buffers)
        for name, tensor in each()
    }
    new = {id(own[name]): tensor for name, tensor in tensors.items()}
    holders = (
        [held for module in network.modules() for held in (module._parameters, module._buffers)]
        if new
        else []
    )
    places = [
        (held, name, tensor)
        for held in holders
        for name, tensor in held.items()
        if id(tensor) in new
    ]
    try:
        for held, name, tensor in places:
            held[name] = new[id(tensor)]  # type: ignore[assignment]  # a leaf takes the place of the parameter
        yield
    finally:
        for held, name, tensor in places:
            held[name] = tensor  # type: ignore[assignment]  # what was there


def check_statistics(network: nn.Module, images: Tensor) -> None:
    """Check that there are enough images for the statistics of a batch, if the network needs any.

    Raises:
        MetricError: there are not.
    """
    if len(images) < 2 and any(isinstance(module, _BatchNorm) for module in network.modules()):
        raise MetricError(
            f"batch of {len(images)} for a network with BatchNorm: statistics of a batch need 2"
            " images or more"
        )


def first_tensor(output: object) -> Tensor | None:
    """Return a module's output if it is a tensor, the first element if that is one, or else None."""
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
