"""Arithmetic of sorting, searching and counting.

A comparison sort takes about log2(n) comparisons per element of an axis of n (Knuth, The Art
of Computer Programming, volume 3, section 5.3.1); a search in n sorted values log2(n).
Selections (top k, median, quantiles) are counted as a full sort, which they never exceed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, log2, prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.regions import OVERLAP
from talaria_widget.work.shapes import input_size, output_size, shape, size

# FLOPs per sorted element and per output beside the sort.
_SORTED: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        ["sort", "argsort", "msort", "topk", "kthvalue", "median", "nanmedian"], (0, 0)
    ),
    "mode": (2, 0),  # compare with the neighbour, and with the longest run
    "quantile": (0, 5),  # position: product, floor, subtract; then a + t (b - a), fused
    "nanquantile": (1, 5),
    "unique": (1, 0),  # compare with the neighbour
}
# FLOPs per input element.
_COUNTED: dict[str, int] = {
    "unique_consecutive": 1,
    "bincount": 1,
    "histc": 5,  # two bounds, subtract, scale, add
    "histogram": 5,
}


def count_sort(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = elements x log2 of the axis sorted, and the word's rates beside it.

    The axis is `attrs["axis"]`, the last where absent; all elements are one where it is `None`.
    """
    known = shape(graph, (*op.inputs, *op.weights)[0])
    axis = op.attrs.get("axis", -1)
    length = prod(known) if axis is None else known[axis] if known else 1
    elements = prod(known)
    per_input, per_output = _SORTED[op.word]
    steps = ceil(log2(max(2, length))) + per_input
    return 0, elements * steps + (per_output and per_output * output_size(graph, op))


def count_search(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = values x log2 of the sorted ones; `isin` sorts those first."""
    operands = (*op.inputs, *op.weights)
    values, held = operands[:2] if op.word in ("bucketize", "isin") else operands[1::-1]
    length = shape(graph, held)[-1] if shape(graph, held) else 1
    steps = ceil(log2(max(2, length)))
    return 0, (size(graph, values) + (size(graph, held) if op.word == "isin" else 0)) * steps


def count_tally(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = elements x the word's rate."""
    return 0, input_size(graph, op) * _COUNTED[op.word]


def count_suppression(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = a sort of the scores, and 15 per pair of boxes: as if every box was kept.

    The greedy algorithm compares each box that stays with those of lower score; how many stay
    depends on data.
    """
    boxes = shape(graph, op.inputs[0])[0]
    return 0, boxes * ceil(log2(max(2, boxes))) + boxes * (boxes - 1) // 2 * OVERLAP


WORDS: Mapping[str, Callable[[Graph, Op], tuple[int, int]]] = {
    **dict.fromkeys(_SORTED, count_sort),
    **dict.fromkeys(("searchsorted", "bucketize", "isin"), count_search),
    **dict.fromkeys(_COUNTED, count_tally),
    "nms": count_suppression,
}
