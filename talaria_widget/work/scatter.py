"""Arithmetic of writing by index: one operation per element that is combined, none per copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from talaria_widget.graph import Graph, Op
from talaria_widget.work.shapes import input_size, output_size, size


def count_scatter(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = elements of the source, one add, product or comparison each.

    The source is the last tensor (`scatter_add(x, dim, index, source)`); a scalar written to
    every index has the size of the index. The kernel visits each source element once, as the
    definition in `torch.Tensor.scatter_add_` does; colliding indices cost no less.
    """
    return 0, size(graph, (*op.inputs, *op.weights)[-1])


def count_fold(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = one add per element of the columns that are folded back (col2im)."""
    return 0, input_size(graph, op)


def count_segments(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = one operation per element that a segment absorbs."""
    return 0, max(0, input_size(graph, op) - output_size(graph, op))


WORDS: Mapping[str, Callable[[Graph, Op], tuple[int, int]]] = {
    **dict.fromkeys(["scatter_add", "scatter_reduce", "index_add", "index_reduce"], count_scatter),
    **dict.fromkeys(("fold", "col2im"), count_fold),
    "segment_reduce": count_segments,
}
