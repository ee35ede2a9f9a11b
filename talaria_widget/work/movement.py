"""Ops that compute nothing, and embedding: they only move bytes."""

from __future__ import annotations

from talaria_widget.graph import Graph, Op
from talaria_widget.work.shapes import output_size, size


def count_movement(graph: Graph, op: Op) -> tuple[int, int]:
    """No arithmetic: a copy, a view, a change of layout or of dtype."""
    return 0, 0


def count_control(graph: Graph, op: Op) -> tuple[int, int]:
    """No arithmetic of its own; unknown unless what it runs stands in the graph too."""
    if not op.attrs.get("inlined"):
        raise LookupError(f"what {op.target} runs is unknown")
    return 0, 0


def count_embedding(graph: Graph, op: Op) -> tuple[int, int]:
    """No arithmetic, save that a bag adds up its rows: one add per element that disappears."""
    if op.word != "embedding_bag":
        return 0, 0
    table = graph.tensors[op.weights[0]].shape
    if table is None:
        raise LookupError("the table's shape is unknown")
    return 0, max(0, size(graph, op.inputs[0]) * table[-1] - output_size(graph, op))
