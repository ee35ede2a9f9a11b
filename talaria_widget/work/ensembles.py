"""Arithmetic of classical models: trees, linear models, support vectors."""

from __future__ import annotations

from talaria_widget.graph import Graph, Op
from talaria_widget.work.pointwise import ACTIVATION, SOFTMAX
from talaria_widget.work.shapes import shape

_POST: dict[str, int] = {
    "NONE": 0,
    "LOGISTIC": ACTIVATION["sigmoid"],
    "SOFTMAX": SOFTMAX["softmax"],
    "SOFTMAX_ZERO": SOFTMAX["softmax"],
    "PROBIT": 1,
}
# FLOPs per pair of a row and a support vector, after the product or the squared distance.
_KERNEL: dict[str, int] = {
    "LINEAR": 0,
    "POLY": 3,  # (gamma x.y + c) ^ d
    "RBF": 2,  # exp(-gamma |x - y|^2)
    "SIGMOID": 3,  # tanh(gamma x.y + c)
}


def _rows(graph: Graph, op: Op) -> tuple[int, int]:
    """Rows and features; a vector is one row."""
    known = shape(graph, op.inputs[0])
    return (1, known[0]) if len(known) == 1 else (known[0], known[-1])


def _after(op: Op, rows: int, results: int) -> int:
    return rows * results * _POST[op.attrs["post"]]


def count_trees(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs per row: a comparison per level of each tree, and an add per result of its leaf.

    `attrs["levels"]` is the sum over trees of the longest way from root to leaf, so that this
    is an upper bound; `attrs["added"]` that of the most numbers one leaf gives.
    """
    rows, _ = _rows(graph, op)
    per_row = op.attrs["levels"] + op.attrs["added"]
    return 0, rows * per_row + _after(op, rows, op.attrs["results"])


def count_linear_model(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = rows x coefficients; an add per intercept."""
    rows, _ = _rows(graph, op)
    rest = rows * op.attrs["intercepts"] + _after(op, rows, op.attrs["results"])
    return rows * op.attrs["coefficients"], rest


def count_support_vectors(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs per row: its product with each support vector, then each machine's sum over its own.

    Between C classes stand C (C - 1) / 2 machines of two classes' vectors, so that each vector
    is in C - 1 of them (Knerr et al., 1990; libsvm). A distance takes a subtraction beside
    each product.
    """
    rows, features = _rows(graph, op)
    vectors, machines = op.attrs["vectors"], max(1, op.attrs["results"] - 1)
    kernel = op.attrs["kernel_type"]
    distance = features if kernel == "RBF" else 0
    rest = rows * vectors * (_KERNEL[kernel] + distance)
    macs = rows * vectors * (features + machines)
    return macs, rest + _after(op, rows, op.attrs["results"])


def count_word_counts(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs of TfIdfVectorizer: one look-up per place, length of n-gram and skip; one product each.

    A look-up is one FLOP, as is a weight's product.
    """
    known = shape(graph, op.inputs[0])
    elements = 1
    for length in known:
        elements *= length
    outputs = 1
    for length in shape(graph, op.outputs[0]):
        outputs *= length
    weighing = outputs if op.attrs["weighted"] else 0
    return 0, elements * op.attrs["lengths"] * op.attrs["skips"] + weighing
