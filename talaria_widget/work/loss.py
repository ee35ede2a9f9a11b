"""Arithmetic of losses and distances: FLOPs per element of the prediction, by word.

Each row is the loss's formula in torch's documentation, with its closing sum; composites follow
`pointwise` (an exp, log, root or power is one FLOP).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.losses import count_cross_entropy, count_likelihood
from talaria_widget.work.pointwise import ACTIVATION, SOFTMAX
from talaria_widget.work.shapes import input_size, output_size, shape

LOSS: Mapping[str, int] = {
    "mse_loss": 3,  # subtract, square, sum
    "l1_loss": 3,
    "smooth_l1_loss": 7,  # subtract, abs, compare; square, 2 scalings, or 1 subtraction; sum
    "huber_loss": 7,
    "kl_div": 4,  # t (log t - x): log, subtract, product, sum
    "binary_cross_entropy": 9,  # -(t log x + (1 - t) log(1 - x)), sum
    "binary_cross_entropy_with_logits": 10,  # max(x, 0) - x t + log(1 + exp(-|x|)), sum
    "soft_margin_loss": 6,  # log(1 + exp(-y x)), sum
    "multilabel_soft_margin_loss": 2 * ACTIVATION["logsigmoid"] + 5,
    "hinge_embedding_loss": 4,  # y x, or max(0, margin - x), sum
    "margin_ranking_loss": 6,  # max(0, -y (a - b) + margin), sum
    "cosine_embedding_loss": 6,  # three products and three sums; the rest is per pair
    "triplet_margin_loss": 8,  # two distances of subtract, + eps, square, sum
    "triplet_margin_with_distance_loss": 8,
    "poisson_nll_loss": 4,  # exp(x) - t x, sum
    "gaussian_nll_loss": 8,  # (log max(v, eps) + (x - t)^2 / v) / 2, sum
    "multi_margin_loss": 4,  # max(0, margin - x_y + x_i), sum
    "cosine_similarity": 6,  # x y, x x, y y: three products and three sums
    "pairwise_distance": 4,  # subtract, + eps, square, sum
    "dist": 3,
}
# log(exp(a) + exp(b) + exp(c)): 2 maxima, 3 subtractions, 3 exp, 2 adds, log, add; the emission.
_PER_STATE = 13


def count_loss(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = elements of the first operand x the word's rate."""
    return 0, input_size(graph, op) * LOSS[op.word]


def count_pairs(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = pairs x coordinates; a subtraction beside each, and a root per pair.

    Large Euclidean ones may run as a matrix product, which saves the subtractions.
    """
    pairs, width = output_size(graph, op), shape(graph, (*op.inputs, *op.weights)[0])[-1]
    return pairs * width, pairs * (width + 1)


def count_margins(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs of comparing each class with each other, as if half of them were targets."""
    known = shape(graph, (*op.inputs, *op.weights)[0])
    return 0, prod(known) * known[-1] // 4 * LOSS["multi_margin_loss"]


def count_alignment(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs of connectionist temporal classification: 13 per step and state.

    The forward variables of Graves et al., 2006: 2 S + 1 states for a target of S labels. A
    target without its own axis of the batch is the sum of all.
    """
    operands = (*op.inputs, *op.weights)
    steps, labels = shape(graph, operands[0])[0], shape(graph, operands[1])
    batch = shape(graph, operands[0])[1] if len(shape(graph, operands[0])) == 3 else 1
    states = 2 * prod(labels) + batch
    return 0, steps * states * _PER_STATE


def count_projected(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs of a cross entropy that owns its projection: rows x classes x width."""
    operands = (*op.inputs, *op.weights)
    rows = prod(shape(graph, operands[0])[:-1])
    classes, width = max((shape(graph, name) for name in operands), key=len)[-2:]
    scores = rows * classes
    return scores * width, scores * SOFTMAX["log_softmax"]


WORDS: Mapping[str, Callable[[Graph, Op], tuple[int, int]]] = {
    **dict.fromkeys(LOSS, count_loss),
    "nll_loss": count_likelihood,
    "cross_entropy": count_cross_entropy,
    "linear_cross_entropy": count_projected,
    **dict.fromkeys(("cdist", "pdist"), count_pairs),
    "multilabel_margin_loss": count_margins,
    "ctc_loss": count_alignment,
}
