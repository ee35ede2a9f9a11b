"""Arithmetic of reductions, pooling and resizing.

A reduction of n elements to one costs n - 1 operations between elements; a closing division
or root makes it n.
"""

from __future__ import annotations

from math import ceil, prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.shapes import input_size, output_size, shape

# FLOPs per (input element, output element).
REDUCTION: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("sum", "prod", "max", "min", "amax", "amin", "all", "any", "nansum"), (1, -1)),
    **dict.fromkeys(("reducesum", "reduceprod", "reducemax", "reducemin"), (1, -1)),
    **dict.fromkeys(("argmax", "argmin", "count_nonzero"), (1, -1)),
    **dict.fromkeys(("is_all_true", "is_any_true"), (1, -1)),
    **dict.fromkeys(("mean", "reducemean", "nanmean"), (1, 0)),  # adds, one division
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin"), (1, 0)),
    "aminmax": (2, -2),
    "var": (4, 0),  # mean: add; subtract, square, add
    "std": (4, 1),  # and a root
    "var_mean": (4, 0),
    "std_mean": (4, 1),
    "logcumsumexp": (8, 0),  # as logaddexp
    "trapezoid": (3, 0),  # add, width, sum; half of it at the end
    "trapz": (3, 0),
    "cumulative_trapezoid": (4, 0),
    "gradient": (2, 0),  # difference, product
    "diff": (1, 0),
    "sum_to_size": (1, -1),
    **dict.fromkeys(("matrix_norm", "frobenius_norm", "norm_except_dim"), (2, 0)),
    "norm": (2, 0),  # square, add; a root in place of the last add
    "vector_norm": (2, 0),
    "linalg_vector_norm": (2, 0),
    "reducel1": (2, -1),  # |x|, add
    "reducel2": (2, 0),
    "reducesumsquare": (2, -1),
    "logsumexp": (4, 1),  # max, subtract, exp, add; log, add
    "reducelogsumexp": (4, 1),
    "reducelogsum": (1, 0),  # adds, one log
}
# Products and adds of 2^d (linear) or 4^d (cubic) neighbours per output of d axes.
_NEIGHBOURS = {"nearest": 0, "linear": 2, "cubic": 4}
_MODES = {
    "nearest": "nearest",
    "nearest-exact": "nearest",
    "linear": "linear",
    "bilinear": "linear",
    "trilinear": "linear",
    "cubic": "cubic",
    "bicubic": "cubic",
}


def count_reduction(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = the word's rates x inputs and outputs."""
    if op.word == "trace":
        return 0, max(0, min(shape(graph, (*op.inputs, *op.weights)[0])) - 1)
    per_input, per_output = REDUCTION[op.word]
    return 0, max(0, per_input * input_size(graph, op) + per_output * output_size(graph, op))


def count_pool(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs per output: k - 1 comparisons (max), k - 1 adds and a division (average), or as many
    powers and adds and a root (lp).

    Without a kernel (global and adaptive pooling) every input element is used once.
    """
    outputs = output_size(graph, op)
    kernel = op.attrs.get("kernel")
    used = outputs * prod(kernel) if kernel else input_size(graph, op)
    if op.word.startswith("adaptive") and kernel:
        used = _adaptive(shape(graph, op.inputs[0]), shape(graph, op.outputs[0]), len(kernel))
    return 0, {"max": used - outputs, "avg": used, "lp": 2 * used}[op.attrs["mode"]]


def _adaptive(before: tuple[int, ...], after: tuple[int, ...], dims: int) -> int:
    """Elements that all windows of an adaptive pool see, where neighbours overlap."""
    seen = prod(after[:-dims])
    for size, parts in zip(before[-dims:], after[-dims:], strict=True):
        seen *= sum(ceil((i + 1) * size / parts) - i * size // parts for i in range(parts))
    return seen


def count_resize(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs per output: n products and n - 1 adds over the n neighbours of `attrs["mode"]`.

    `area` averages the inputs under each output. With `antialias` more neighbours are read, and
    left out: known approximation.
    """
    outputs = output_size(graph, op)
    if op.attrs["mode"] == "area":
        return 0, max(outputs, input_size(graph, op))
    base = _NEIGHBOURS[_MODES[op.attrs["mode"]]]
    resized = max(0, len(shape(graph, op.outputs[0])) - 2)
    neighbours = base**resized if base else 0
    return 0, outputs * max(0, 2 * neighbours - 1)
