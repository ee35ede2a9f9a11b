"""Arithmetic of matrix decompositions and solvers: leading terms of the FLOPs in the textbooks.

Sources: LAPACK Working Note 41 (Blackford and Dongarra, "Installation Guide for LAPACK",
appendix "Operation counts") for LU, Cholesky, QR and what is solved with them; Golub and Van
Loan, "Matrix Computations", for eigenvalues (sections 7.5.6 and 8.3.5) and singular values (the
R-SVD column of the table in section 5.4.5 of the third edition). They are half products, half
adds, and so multiply-adds are half of the FLOPs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isqrt, prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.inverse import count_determinant, count_inverse
from talaria_widget.work.shapes import shape, size

Matrix = Callable[[int, int], float]


def _lu(m: int, n: int) -> float:
    return m * n**2 - n**3 / 3 if m >= n else n * m**2 - m**3 / 3


def _qr(m: int, n: int) -> float:
    return 2 * m * n**2 - 2 * n**3 / 3 if m >= n else 2 * n * m**2 - 2 * m**3 / 3


def _tall(count: Matrix) -> Matrix:
    """A count that is stated for more rows than columns, for either."""
    return lambda m, n: count(max(m, n), min(m, n))


_singular_values = _tall(lambda m, n: 2 * m * n**2 + 2 * n**3)
_singular_vectors = _tall(lambda m, n: 6 * m * n**2 + 20 * n**3)

# FLOPs of one matrix of m rows and n columns.
DECOMPOSITION: Mapping[str, Matrix] = {
    **dict.fromkeys(("cholesky", "cholesky_ex"), lambda m, n: n**3 / 3),
    "cholesky_inverse": lambda m, n: 2 * n**3 / 3,
    **dict.fromkeys(("lu", "lu_factor", "lu_factor_ex"), _lu),
    **dict.fromkeys(("ldl_factor", "ldl_factor_ex"), lambda m, n: n**3 / 3),
    "tensorinv": lambda m, n: 2 * n**3,
    "geqrf": _qr,
    # The factors, then as much again for Q.
    "qr": lambda m, n: 2 * _qr(m, n),
    **dict.fromkeys(("householder_product", "orgqr"), _qr),
    "eigh": lambda m, n: 9 * n**3,
    "eigvalsh": lambda m, n: 4 * n**3 / 3,
    "eig": lambda m, n: 25 * n**3,
    "eigvals": lambda m, n: 10 * n**3,
    "svd": _singular_vectors,
    **dict.fromkeys(("svdvals", "matrix_rank", "cond", "nuclear_norm"), _singular_values),
    # The singular vectors, then V S^-1 U^T.
    **dict.fromkeys(
        ("pinv", "pinverse"), lambda m, n: _singular_vectors(m, n) + 2 * m * n * min(m, n)
    ),
    # Degree-18 Taylor polynomial in five products (Bader, Blanes, Casas 2019); the squarings
    # after it depend on data and are left out.
    "matrix_exp": lambda m, n: 5 * 2 * n**3,
}

# FLOPs of solving for k columns with a matrix of m rows and n columns.
SOLUTION: Mapping[str, Callable[[int, int, int], float]] = {
    **dict.fromkeys(("solve", "solve_ex", "tensorsolve"), lambda m, n, k: _lu(n, n) + 2 * n**2 * k),
    **dict.fromkeys(("solve_triangular", "triangular_solve"), lambda m, n, k: n**2 * k),
    **dict.fromkeys(("cholesky_solve", "lu_solve", "ldl_solve"), lambda m, n, k: 2 * n**2 * k),
    # QR, then Q^T b and the triangular solve.
    "lstsq": lambda m, n, k: _qr(m, n) + 4 * m * n * k + n**2 * k,
    "ormqr": lambda m, n, k: 4 * m * n * k,
}
# These take the right-hand side first.
_RIGHT_FIRST = frozenset({"cholesky_solve", "lu_solve", "triangular_solve"})


def count_decomposition(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = matrices in the batch x half of the word's FLOPs."""
    known = shape(graph, (*op.inputs, *op.weights)[0])
    if op.word == "tensorinv":
        known = (isqrt(prod(known)), isqrt(prod(known)))
    m, n = _matrix(known)
    return round(prod(known[:-2]) * DECOMPOSITION[op.word](m, n) / 2), 0


def count_solution(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = matrices in the batch x half of the word's FLOPs, for the other operand's columns."""
    matrix, right = (shape(graph, name) for name in (*op.inputs, *op.weights)[:2])
    # `torch.lu_solve(b, lu, pivots)`, but `torch.linalg.lu_solve(lu, pivots, b)`.
    names = (*op.inputs, *op.weights)
    if op.word == "ldl_solve" or (op.word == "lu_solve" and ".linalg." in op.target):
        right = shape(graph, names[2])
    elif op.word in _RIGHT_FIRST:
        matrix, right = right, matrix
    if op.word == "ormqr":
        right = shape(graph, names[2])
    if op.word == "tensorsolve":
        rows = prod(right)
        return round(SOLUTION["solve"](rows, rows, 1) / 2), 0
    m, n = _matrix(matrix)
    # A stack of vectors has the matrices' shape without its last axis.
    columns = 1 if len(right) < 2 or right == matrix[:-1] else right[-1]
    batch = max(prod(matrix[:-2]), prod(right[:-2]) if columns > 1 else 1)
    return round(batch * SOLUTION[op.word](m, n, columns) / 2), 0


def _matrix(known: tuple[int, ...]) -> tuple[int, int]:
    if len(known) < 2:
        raise LookupError(f"{known} is the shape of no matrix")
    return known[-2], known[-1]


def count_power(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = products x n^3: binary powering squares log2(p) times and multiplies at each one bit.

    A negative power inverts first.
    """
    known = shape(graph, (*op.inputs, *op.weights)[0])
    power = int(op.attrs["power"])
    products = max(0, abs(power).bit_length() - 1 + abs(power).bit_count() - 1)
    inverse = power < 0
    return (products + inverse) * size(graph, op.outputs[0]) * known[-1], 0


def count_chain(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs of a chain of products in the cheapest order, which `multi_dot` looks for."""
    shapes = [shape(graph, name) for name in op.attrs.get("operands", (*op.inputs, *op.weights))]
    if len(shapes[0]) == 1:
        shapes[0] = (1, *shapes[0])
    sizes = [shapes[0][0], *[known[-1] if len(known) > 1 else 1 for known in shapes]]
    best: dict[tuple[int, int], int] = {}
    for length in range(1, len(sizes)):
        for start in range(len(sizes) - length):
            end = start + length
            best[start, end] = min(
                (
                    best[start, cut] + best[cut, end] + sizes[start] * sizes[cut] * sizes[end]
                    for cut in range(start + 1, end)
                ),
                default=0,
            )
    return best[0, len(sizes) - 1], 0


def count_covariance(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = variables^2 x observations; centring takes two FLOPs per element."""
    known = shape(graph, (*op.inputs, *op.weights)[0])
    rows, observations = known if len(known) == 2 else (1, prod(known))
    scaled = 2 * rows * rows if op.word == "corrcoef" else 0
    return rows * rows * observations, 2 * rows * observations + rows * rows + scaled


WORDS: Mapping[str, Callable[[Graph, Op], tuple[int, int]]] = {
    **dict.fromkeys(DECOMPOSITION, count_decomposition),
    **dict.fromkeys(SOLUTION, count_solution),
    **dict.fromkeys(("det", "logdet", "slogdet"), count_determinant),
    **dict.fromkeys(("inv", "inv_ex", "inverse"), count_inverse),
    "matrix_power": count_power,
    **dict.fromkeys(("multi_dot", "chain_matmul"), count_chain),
    **dict.fromkeys(("cov", "corrcoef"), count_covariance),
}
