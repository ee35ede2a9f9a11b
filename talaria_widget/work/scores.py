"""Multiply-adds of attention whose sizes its front end states: packed, cached, grouped forms."""

from __future__ import annotations

from talaria_widget.graph import Graph, Op
from talaria_widget.work.pointwise import SOFTMAX


def count_scores(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = scores x (width of a key + width of a value), and the projections if it owns them.

    `attrs["scores"]` counts the products of a query with a key over batch and heads, a causal
    mask's half with them. Beside them per score: one scaling, the softmax, one add of a bias,
    and what `attrs["modifiers"]` do; `attrs["added"]` are adds of biases and rotations.
    """
    attrs = op.attrs
    scores = attrs["scores"]
    per_score = 1 + SOFTMAX["softmax"] + attrs.get("modifiers", 0)
    macs = scores * sum(attrs["widths"]) + attrs.get("projections", 0)
    return macs, scores * per_score + attrs.get("added", 0)


def count_linear_attention(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs of attention as a recurrence over a (d_k, d_v) state per head and token.

    Per key head: k v^T into the state; "delta" rules first read the state at k, too. Per query
    head: the state read at q. Beside them: decays, one product per entry of the state; a
    difference and a product per value of a "delta" rule; the scaling of the output (Yang et
    al., "Gated Delta Networks", 2024; the operator's own definition).
    """
    attrs = op.attrs
    key, value = attrs["widths"]
    steps, state = attrs["steps"], key * value
    delta, gated = "delta" in attrs["rule"], "gated" in attrs["rule"]
    macs = steps * state * (attrs["key_heads"] * (1 + delta) + attrs["heads"])
    rest = attrs["key_heads"] * (gated * state + 2 * delta * value) + attrs["heads"] * value
    return macs, steps * rest


def count_rotation(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = 3 per turned element: x cos + rotate(x) sin (Su et al., "RoFormer", 2021)."""
    return 0, 3 * int(op.attrs["rotated"])
