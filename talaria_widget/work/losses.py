"""Arithmetic of losses over classes."""

from __future__ import annotations

from talaria_widget.graph import Graph, Op
from talaria_widget.work.pointwise import SOFTMAX
from talaria_widget.work.shapes import input_size, size


def count_likelihood(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs per target of the negative log-likelihood: negate, weigh, add up.

    `attrs["weighted"]`: classes have weights, which a mean adds up too; `attrs["reduction"]` is
    "none", "sum" or "mean".
    """
    weighted, reduction = bool(op.attrs["weighted"]), op.attrs["reduction"]
    per_target = 1 + weighted + (reduction != "none") + (weighted and reduction == "mean")
    return 0, size(graph, op.inputs[1]) * per_target + (reduction == "mean")


def count_cross_entropy(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = the logarithm of softmax over all scores, then the negative log-likelihood."""
    macs, rest = count_likelihood(graph, op)
    return macs, rest + SOFTMAX["log_softmax"] * input_size(graph, op)
