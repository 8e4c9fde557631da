"""Which matrices play a role in attention: query, key, value, and the projection of what they give.

A module declares its own by a method ``attention_matrices() -> [(name of its parameter, first row,
end row), ...]``; those below that cannot be told by their shape or their names are listed by type.
A stranger's are found by what its parts are called. A matrix is never taken for one of attention
because it is square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mvt_nas.blocks.mobilevit.transformer import MultiHeadAttention, SeparableAttention
from mvt_nas.proxies.base import Coverage

Rows = tuple[str, int, int]

_TRIPLES = (
    ("query", "key", "value"),
    ("q_proj", "k_proj", "v_proj"),
    ("to_q", "to_k", "to_v"),
    ("q", "k", "v"),
)
_FUSED = ("qkv", "to_qkv", "Wqkv", "in_proj", "qkv_proj")
_PROJECTIONS = ("proj", "project", "out_proj", "o_proj", "to_out", "out")


@dataclass(frozen=True, slots=True)
class AttentionMatrix:
    """A matrix of an attention: rows ``first`` to ``end`` of the parameter called ``name``."""

    name: str
    first: int
    end: int

    def of(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the matrix (rows, inputs) among tensors by name."""
        return tensors[self.name][self.first : self.end].flatten(1)


def attention_matrices(network: nn.Module) -> list[AttentionMatrix]:
    """Return the query, key, value and output matrices of all attentions of a network, each once."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found: dict[AttentionMatrix, None] = {}
    for module in network.modules():
        for path, first, end in own_matrices(module):
            found[AttentionMatrix(names[id(module.get_parameter(path))], first, end)] = None
    return list(found)


def own_matrices(module: nn.Module) -> list[Rows]:
    """Return the matrices of a module if it is an attention, as paths of its parameters with their rows; else nothing."""
    declared = getattr(module, "attention_matrices", None)
    if callable(declared) and not isinstance(declared, nn.Module):
        return list(declared())
    for kind, matrices in BY_TYPE.items():
        if isinstance(module, kind):
            return matrices(module)
    return _by_names(module)


def attention_coverage(network: nn.Module, matrices: Iterable[AttentionMatrix]) -> Coverage:
    """Return how many of the innermost modules that are called an attention hold a matrix whose role is known."""
    names = {one.name for one in matrices}
    known = {id(parameter) for name, parameter in network.named_parameters() if name in names}
    called = {
        module: list(module.modules())
        for module in network.modules()
        if type(module).__name__.endswith("Attention")
    }
    innermost = [
        module for module, inside in called.items() if not any(one in called for one in inside[1:])
    ]
    seen = sum(
        any(id(parameter) in known for parameter in module.parameters()) for module in innermost
    )
    return Coverage("attentions", seen, len(innermost))


def _multi_head(module: Any) -> list[Rows]:
    return [
        *_parts("qkv.weight", module.qkv.weight, 3),
        _whole("project.weight", module.project.weight),
    ]


def _separable(module: Any) -> list[Rows]:
    """Return one query row, d key rows and d value rows."""
    end = 1 + 2 * module.dim
    qkv = [
        ("qkv.weight", 0, 1),
        ("qkv.weight", 1, 1 + module.dim),
        ("qkv.weight", 1 + module.dim, end),
    ]
    return [*qkv, _whole("project.weight", module.project.weight)]


def _torchs(module: Any) -> list[Rows]:
    apart = [
        (name, getattr(module, name))
        for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    ]
    together = (
        [] if module.in_proj_weight is None else _parts("in_proj_weight", module.in_proj_weight, 3)
    )
    own = together or [_whole(name, weight) for name, weight in apart]
    return [*own, _whole("out_proj.weight", module.out_proj.weight)]


def _by_names(module: nn.Module) -> list[Rows]:
    children = {
        name: path for name, child in module.named_children() if (path := _only_matrix(name, child))
    }
    inner = next(
        (
            [_all(module, children[name]) for name in names]
            for names in _TRIPLES
            if set(names) <= set(children)
        ),
        [],
    )
    inner = inner or next(
        (
            _split(children[name], module.get_parameter(children[name]))
            for name in _FUSED
            if name in children
        ),
        [],
    )
    if not inner:
        # The projection has a module of its own in transformers, MobileViTSelfOutput for example,
        # with one linear map.
        outputs = (
            children if type(module).__name__.endswith(("SelfOutput", "AttentionOutput")) else {}
        )
        return [_all(module, path) for path in outputs.values()]
    return inner + [_all(module, children[name]) for name in _PROJECTIONS if name in children]


def _only_matrix(name: str, child: nn.Module) -> str:
    """Return the path of the weight of a linear map or 1 x 1 convolution, where a child holds just that; else nothing."""
    weights = [
        f"{path}.weight"
        for path, module in child.named_modules(prefix=name)
        if isinstance(module, nn.Linear)
        or (
            isinstance(module, nn.Conv2d)
            and module.weight[0, 0].numel() == 1
            and module.groups == 1
        )
    ]
    return weights[0] if len(weights) == 1 else ""


def _split(path: str, weight: Tensor) -> list[Rows]:
    """Return the parts of a fused matrix: thirds, or one query row and two parts as wide as the input; nothing for other shapes."""
    rows, inputs = weight.shape[:2]
    if rows == 2 * inputs + 1:
        return [(path, 0, 1), (path, 1, 1 + inputs), (path, 1 + inputs, rows)]
    return _parts(path, weight, 3) if rows % 3 == 0 else []


def _all(module: nn.Module, path: str) -> Rows:
    return _whole(path, module.get_parameter(path))


def _whole(path: str, weight: Tensor) -> Rows:
    return path, 0, weight.shape[0]


def _parts(path: str, weight: Tensor, parts: int) -> list[Rows]:
    rows = weight.shape[0] // parts
    return [(path, index * rows, (index + 1) * rows) for index in range(parts)]


BY_TYPE: dict[type[nn.Module], Callable[[Any], list[Rows]]] = {
    MultiHeadAttention: _multi_head,
    SeparableAttention: _separable,
    nn.MultiheadAttention: _torchs,
}
