"""Lowering of the transformer layers: both attentions and the feed-forward network, pre-norm.

Source: multi-head attention as in 2110.02178 (tokens of one position inside the patches attend to
each other); separable self-attention as in 2206.02680 §3.2.
"""

from __future__ import annotations

from mvt_nas.blocks.graph import Graph, Size, Tensor


def lower_multi_head(
    graph: Graph, x: Tensor, *, dim: Size, ffn_dim: Size, depth: int, norm: str, heads: int
) -> Tensor:
    """Append ``depth`` layers on (B, d, P, N) and the last norm; they compute on (B * P, N, d)."""
    batch, _, positions, count = x.shape
    tokens = (batch * positions, count, dim)
    x = graph.view(graph.transpose(x, batch, positions, count, dim), *tokens)
    for _ in range(depth):
        y = _norm(graph, x, norm, "layer_norm", dim)
        x = graph.add(x, _multi_head_attention(graph, y, dim, heads))
        y = graph.linear(_norm(graph, x, norm, "layer_norm", dim), ffn_dim)
        x = graph.add(x, graph.linear(graph.activation(y), dim))
    x = _norm(graph, x, norm, "layer_norm", dim)
    return graph.transpose(x, batch, dim, positions, count)


def _multi_head_attention(graph: Graph, x: Tensor, dim: Size, heads: int) -> Tensor:
    groups, count, _ = x.shape
    qkv = graph.linear(x, 3 * dim)
    # Queries, keys and values are views of one tensor; splitting the heads copies each of them.
    split = (groups * heads, count, dim // heads)
    part = graph.view(qkv, groups, count, dim)
    query = graph.transpose(part, *split)
    key = graph.view(graph.transpose(part, *split), groups * heads, dim // heads, count)
    value = graph.transpose(part, *split)
    weights = graph.softmax(graph.matmul(graph.mul(query), key))
    return graph.linear(graph.transpose(graph.matmul(weights, value), groups, count, dim), dim)


def lower_separable(
    graph: Graph, x: Tensor, *, dim: Size, ffn_dim: Size, depth: int, norm: str, heads: int
) -> Tensor:
    """Append ``depth`` layers on (B, d, P, N) and the last norm; ``heads`` is not used."""
    for _ in range(depth):
        y = _norm(graph, x, norm, "group_norm", dim)
        x = graph.add(x, _separable_attention(graph, y, dim))
        y = graph.conv(_norm(graph, x, norm, "group_norm", dim), ffn_dim, bias=True)
        x = graph.add(x, graph.conv(graph.activation(y), dim, bias=True))
    return _norm(graph, x, norm, "group_norm", dim)


def _separable_attention(graph: Graph, x: Tensor, dim: Size) -> Tensor:
    batch, _, positions, count = x.shape
    qkv = graph.conv(x, 1 + 2 * dim, bias=True)
    scores = graph.softmax(graph.view(qkv, batch, 1, positions, count))
    part = graph.view(qkv, batch, dim, positions, count)
    context = graph.sum(graph.mul(part, scores))
    return graph.conv(graph.mul(graph.activation(part, "relu"), context), dim, bias=True)


def _norm(graph: Graph, x: Tensor, norm: str, native: str, dim: Size) -> Tensor:
    """Append a token norm; a norm other than the layout's ``native`` one needs two transposes."""
    if norm == native:
        return graph.norm(x, norm, dim)
    # Only sizes count, so the transposed shape need not be written in its real order.
    y = graph.norm(graph.transpose(x, *x.shape), norm, dim)
    return graph.transpose(y, *x.shape)
