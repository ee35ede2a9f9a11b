"""Multiply-adds of determinants and inverses of small matrices."""

from __future__ import annotations

from math import prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.shapes import shape


def _matrices(graph: Graph, op: Op) -> tuple[int, int]:
    known = shape(graph, op.inputs[0])
    return prod(known[:-2]), known[-1]


def count_determinant(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs of Gaussian elimination, sum of k^2 for k < n; n (n - 1) / 2 divisions, n products.

    (Golub and Van Loan, Matrix Computations, section 3.2: 2 n^3 / 3 FLOPs.)
    """
    batch, n = _matrices(graph, op)
    return batch * (n - 1) * n * (2 * n - 1) // 6, batch * (n * (n - 1) // 2 + n - 1)


def count_inverse(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = n^3: elimination and n solutions (Golub and Van Loan, section 3.4: 2 n^3 FLOPs)."""
    batch, n = _matrices(graph, op)
    return batch * n**3, 0
