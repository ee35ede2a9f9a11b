"""Multiply-adds of attention as one op: both products, the softmax, and projections if it has them.

A causal mask is counted as the full matrix of scores. Dense kernels compute it and throw half
away: torch's math and CPU paths, ONNX Runtime's. Flash kernels skip the blocks that are all
masked, so that about half is computed; so do block masks of `flex_attention`. `FlopCounterMode`
counts the full matrix for either, and so do ptflops and fvcore where they count attention at
all. Heads that share keys (grouped queries) still multiply each query with each key: the number
of query heads counts. Extra keys (`bias_k`, `add_zero_attn`) are left out.
"""

from __future__ import annotations

from math import prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.pointwise import SOFTMAX
from talaria_widget.work.shapes import output_size, shape


def count_attention(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = queries x keys x (width of q + width of v) over all heads, plus the projections.

    The rest is, per score: one scaling, the softmax, and one add if there is a mask.
    """
    if op.weights and "query_first" in op.attrs:
        return _projecting(graph, op)
    q, k = (shape(graph, name) for name in operands_of(op)[:2])
    keys: int = op.attrs.get("keys") or k[-2]
    result = shape(graph, op.outputs[0])
    # The result has every axis of the batch, which any operand may broadcast.
    pairs = prod(result[:-1] if len(result) == len(q) else q[:-1]) * keys
    width = q[-1] + result[-1]
    # Heads are an axis of a 4-D query; merged into the width of a 3-D one they are an attribute.
    heads = op.attrs.get("heads", 1) if len(q) < 4 else 1
    return pairs * width, pairs * heads * per_score(op)


def per_score(op: Op) -> int:
    """FLOPs of one score: scaling, softmax, and a mask if there is one."""
    return 1 + SOFTMAX["softmax"] + (len(operands_of(op)) > 3)


def operands_of(op: Op) -> tuple[str, ...]:
    """Query, key, value and mask, of which some may be stored."""
    operands: tuple[str, ...] = op.attrs.get("operands") or op.inputs
    return operands


def _projecting(graph: Graph, op: Op) -> tuple[int, int]:
    """Attention that owns its projections: `multi_head_attention_forward` and its like."""
    tokens, widths, inner, pairs, out = parts_of(graph, op)
    into = sum(n * width * inner for n, width in zip(tokens, widths, strict=True))
    macs = into + 2 * prod(pairs) * inner + (tokens[0] * prod(out) if out else 0)
    biased = any(len(shape(graph, name)) == 1 for name in _owned(op))
    added = inner * sum(tokens) + (output_size(graph, op) if out else 0)
    return macs, prod(pairs) * int(op.attrs["heads"]) * per_score(op) + biased * added


Parts = tuple[list[int], list[int], int, tuple[int, int], tuple[int, ...]]


def parts_of(graph: Graph, op: Op) -> Parts:
    """Attention that owns its projections: tokens and widths of query, key and value, the inner
    width, queries and keys of each, and the matrix of the output's projection, if it has one.

    The matrices are one packed (3 x E, E) or three for q, k and v, then the output's.
    """
    query, key, value = (shape(graph, name) for name in operands_of(op)[:3])
    length_axis = 0 if op.attrs["query_first"] else -2
    width = query[-1]
    tokens = [prod(known[:-1]) for known in (query, key, value)]
    matrices = [known for known in (shape(graph, n) for n in _owned(op)) if len(known) == 2]
    packed = 3 * width in matrices[0]
    inner = prod(matrices[0]) // (3 * width) if packed else prod(matrices[0]) // width
    out = matrices[-1] if len(matrices) in (2, 4) else ()
    widths = [known[-1] for known in (query, key, value)]
    return tokens, widths, inner, (tokens[0], key[length_axis]), out


def _owned(op: Op) -> list[str]:
    return [name for name in op.weights if name not in operands_of(op)]
