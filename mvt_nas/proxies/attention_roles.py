"""Attention matrices of a network: query, key, value, and the output projection.

A module may declare its own with a method ``attention_matrices() -> [(parameter name, first row,
end row), ...]``. The modules in :data:`BY_TYPE` cannot be recognised by names and are listed by
type. Those of external networks are found by the names of their children. A matrix is never
classified as attention because it is square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mvt_nas.blocks.mobilevit.transformer import MultiHeadAttention, SeparableAttention
from mvt_nas.proxies.types import Coverage

Rows = tuple[str, int, int]
"""Name of a parameter, first row, end row."""

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
    """A matrix of an attention module: rows ``first`` to ``end`` of the parameter ``name``."""

    name: str
    first: int
    end: int

    def of(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the matrix (rows, inputs) from tensors by name."""
        return tensors[self.name][self.first : self.end].flatten(1)


def attention_matrices(network: nn.Module) -> list[AttentionMatrix]:
    """Return the query, key, value and output matrices of a network's attentions, each once."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    # A dictionary as an ordered set.
    matrices: dict[AttentionMatrix, None] = {}
    for module in network.modules():
        for path, first, end in own_matrices(module):
            name = names[id(module.get_parameter(path))]
            matrices[AttentionMatrix(name, first, end)] = None
    return list(matrices)


def own_matrices(module: nn.Module) -> list[Rows]:
    """Return the matrices of an attention module, as parameter names and rows; else nothing."""
    declared = getattr(module, "attention_matrices", None)
    if callable(declared) and not isinstance(declared, nn.Module):
        return list(declared())
    for kind, matrices in BY_TYPE.items():
        if isinstance(module, kind):
            return matrices(module)
    return _by_names(module)


def attention_coverage(network: nn.Module, matrices: Iterable[AttentionMatrix]) -> Coverage:
    """Return the number of innermost ``...Attention`` modules that hold one of the matrices."""
    names = {matrix.name for matrix in matrices}
    known = {id(parameter) for name, parameter in network.named_parameters() if name in names}
    called = {
        module: list(module.modules())
        for module in network.modules()
        if type(module).__name__.endswith("Attention")
    }
    # The first of its modules is the module itself.
    innermost = [
        module
        for module, inside in called.items()
        if not any(inner in called for inner in inside[1:])
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


def _torch_multi_head(module: Any) -> list[Rows]:
    """Return the fused matrices of ``nn.MultiheadAttention``, or those of unequal dimensions."""
    if module.in_proj_weight is not None:
        inner = _parts("in_proj_weight", module.in_proj_weight, 3)
    else:
        separate = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        inner = [_whole(name, getattr(module, name)) for name in separate]
    return [*inner, _whole("out_proj.weight", module.out_proj.weight)]


def _by_names(module: nn.Module) -> list[Rows]:
    """Return the matrices of an external attention module, found by the names of its children."""
    paths = {name: _only_matrix(name, child) for name, child in module.named_children()}
    children = {name: path for name, path in paths.items() if path}
    inner = _query_key_value(module, children)
    if inner:
        return inner + [_all(module, children[name]) for name in _PROJECTIONS if name in children]
    # In transformers the projection has its own module with one linear layer, such as
    # MobileViTSelfOutput.
    if type(module).__name__.endswith(("SelfOutput", "AttentionOutput")):
        return [_all(module, path) for path in children.values()]
    return []


def _query_key_value(module: nn.Module, children: Mapping[str, str]) -> list[Rows]:
    """Return the query, key and value matrices, separate or fused, from parameters by child."""
    for names in _TRIPLES:
        if set(names) <= set(children):
            return [_all(module, children[name]) for name in names]
    for name in _FUSED:
        if name in children:
            return _split(children[name], module.get_parameter(children[name]))
    return []


def _only_matrix(name: str, child: nn.Module) -> str:
    """Return the path of the only linear layer's or 1 x 1 convolution's weight; ``""`` else."""
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
    """Return the query, key and value rows of a fused matrix; nothing for other shapes.

    They are thirds of it, or, in separable attention, one query row and two parts as high as the
    input is wide.
    """
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


# Attentions whose matrices are listed by type.
BY_TYPE: dict[type[nn.Module], Callable[[Any], list[Rows]]] = {
    MultiHeadAttention: _multi_head,
    SeparableAttention: _separable,
    nn.MultiheadAttention: _torch_multi_head,
}
