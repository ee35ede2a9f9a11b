"""Our attributes of the runtime's forms of attention: how many scores, how wide."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from talaria_widget.frontends.onnx.operators.settings import Attributes, Shapes
from talaria_widget.frontends.onnx.operators.transforms import known
from talaria_widget.frontends.onnx.types import Shape

_ROTATION = 3  # x cos + rotate(x) sin


def _shape(shapes: Shapes, slot: int) -> Shape:
    return (shapes[slot] if slot < len(shapes) else None) or ()


def _modifiers(inputs: Shapes, *masks: int) -> int:
    return sum(bool(_shape(inputs, slot)) for slot in masks)


def multi_head(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """MultiHeadAttention: (batch, length, width), or q, k and v packed in five axes."""
    heads, query = given["num_heads"], known(inputs, 0)
    key, value = _shape(inputs, 1), _shape(inputs, 2)
    width = query[-1] if len(query) == 5 else query[-1] // heads
    length, value_width = query[1], width
    if len(key) == 4:
        length, value_width = key[2], value[-1]
    elif key:
        length, value_width = key[1], value[-1] // heads if len(value) == 3 else width
    past = _shape(inputs, 6)
    keys = length + (past[2] if len(past) == 4 else 0)
    bias = _shape(inputs, 3)
    return {
        "scores": query[0] * heads * query[1] * keys,
        "widths": (width, value_width),
        "causal": bool(given.get("unidirectional")),
        "modifiers": _modifiers(inputs, 4, 5),
        "added": query[0] * query[1] * prod(bias) if bias else 0,
        "heads": heads,
    }


def one_step(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """DecoderMaskedMultiHeadAttention: one query per head against the cache."""
    heads, query = given["num_heads"], known(inputs, 0)
    past, width = known(inputs, 5), query[-1] // heads
    steps = int(given.get("past", past[2])) + query[1]
    return {
        "scores": query[0] * heads * query[1] * steps,
        "widths": (width, width),
        "causal": True,
        "modifiers": _modifiers(inputs, 3, 4),
        "heads": heads,
    }


def grouped(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """GroupQueryAttention: keys and values of fewer heads; packed in the query where absent.

    Keys are those of the cache and the new ones, or `total_sequence_length` where it is known
    (a cache that is shared between steps has room for more).
    """
    heads, groups, query = given["num_heads"], given["kv_num_heads"], known(inputs, 0)
    packed = not _shape(inputs, 1)
    width = query[-1] // (heads + 2 * groups if packed else heads)
    new = query[1] if packed else known(inputs, 1)[1]
    past = _shape(inputs, 3)
    keys = int(given.get("total") or new + (past[2] if len(past) == 4 else 0))
    rotated = query[0] * width * (heads * query[1] + groups * new) * _ROTATION
    return {
        "scores": query[0] * heads * query[1] * keys,
        "widths": (width, width),
        "causal": bool(given.get("causal", 1)),
        "modifiers": _modifiers(inputs, 10) + 3 * bool(given.get("softcap")),
        "added": rotated if given.get("do_rotary") else 0,
        "heads": heads,
    }


def projecting(mask: int, past: int) -> Any:
    """Attention of the runtime that owns the projection of q, k and v, one packed matrix."""

    def build(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
        entering, packed = known(inputs, 0), known(inputs, 1)
        heads = given["num_heads"]
        sizes = given.get("qkv_hidden_sizes") or [packed[-1] // 3] * 3
        *batch, length, _ = entering
        cache = _shape(inputs, past)
        keys = length + (cache[3] if len(cache) == 5 else 0)
        biased = bool(_shape(inputs, 2))
        return {
            "scores": prod(batch) * heads * length * keys,
            "widths": (sizes[0] // heads, sizes[2] // heads),
            "projections": prod(entering) * sum(sizes),
            "added": biased * prod(batch) * length * sum(sizes),
            "modifiers": _modifiers(inputs, mask),
            "causal": bool(given.get("unidirectional")),
            "query_first": False,
            "heads": heads,
        }

    return build


def packed(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """PackedAttention: sequences without their padding, each taken to be as long as the longest.

    How long each one is, is data: an upper bound.
    """
    entering, matrix, (_, longest) = known(inputs, 0), known(inputs, 1), known(inputs, 3)
    heads = given["num_heads"]
    sizes = given.get("qkv_hidden_sizes") or [matrix[-1] // 3] * 3
    biased = bool(_shape(inputs, 2))
    return {
        "scores": heads * entering[0] * longest,
        "widths": (sizes[0] // heads, sizes[2] // heads),
        "projections": prod(entering) * sum(sizes),
        "added": biased * entering[0] * sum(sizes),
        "modifiers": _modifiers(inputs, 5),
        "causal": False,
        "query_first": False,
        "heads": heads,
    }


def packed_heads(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """PackedMultiHeadAttention: the same, projected before."""
    query, (_, longest), heads = known(inputs, 0), known(inputs, 4), given["num_heads"]
    value = _shape(inputs, 2)
    width = query[-1] if len(query) == 4 else query[-1] // heads
    bias = _shape(inputs, 3)
    return {
        "scores": heads * query[0] * longest,
        "widths": (width, value[-1] // heads if value else width),
        "added": query[0] * prod(bias) if bias else 0,
        "modifiers": _modifiers(inputs, 6),
        "causal": False,
        "heads": heads,
    }


def flexible(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """FlexAttention: each node of its two sub-graphs is one operation per score."""
    query, key, value = (known(inputs, slot) for slot in range(3))
    graphs = (given[name] for name in ("score_mod", "prob_mod") if name in given)
    computing = (node for graph in graphs for node in graph.node if node.op_type != "Constant")
    return {
        "scores": prod(query[:-1]) * key[-2],
        "widths": (query[-1], value[-1]),
        "modifiers": sum(1 for _ in computing),
        "causal": False,
    }


def recurrent_state(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """LinearAttention: its heads, the widths of its state, its rule."""
    heads, groups = given["q_num_heads"], given["kv_num_heads"]
    query, value = known(inputs, 0), known(inputs, 2)
    return {
        "steps": query[0] * query[1],
        "heads": heads,
        "key_heads": groups,
        "widths": (query[-1] // heads, value[-1] // groups),
        "rule": given.get("update_rule", "gated_delta"),
        "causal": True,
    }


def rotary(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """RotaryEmbedding: how many elements it turns; of each head all, unless it is told fewer."""
    entering, part = known(inputs, 0), given.get("rotary_embedding_dim", 0)
    heads = given.get("num_heads") or 1
    width = entering[-1] if len(entering) == 4 else entering[-1] // heads
    return {"rotated": prod(entering) * (part or width) // width}
