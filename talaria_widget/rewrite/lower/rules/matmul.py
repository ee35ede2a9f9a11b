"""Matrix products and linear layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

aten = torch.ops.aten


def linear(
    emit: Emit,
    out: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> str:
    """A Gemm where the input is a matrix; else a product with the turned weight, which the
    runtime turns once, when it loads the file, and whose sums it fuses.
    """
    if x.dim() == 2 and weight.dim() == 2:
        return emit.op("Gemm", x, weight, bias, transB=1)
    if weight.dim() == 1:
        product = emit.op("MatMul", x, weight)
    else:
        product = emit.op("MatMul", x, emit.op("Transpose", weight, perm=[1, 0]))
    return product if bias is None else emit.op("Add", product, bias)


def matmul(emit: Emit, out: torch.Tensor, a: torch.Tensor, b: torch.Tensor, **_: Any) -> str:
    """A product as both have it."""
    return emit.op("MatMul", emit.cast(a, out.dtype), emit.cast(b, out.dtype))


def addmm(
    emit: Emit,
    out: torch.Tensor,
    x: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    beta: float = 1,
    alpha: float = 1,
) -> str:
    """`beta x + alpha a b`; of two matrices, one node."""
    if out.dim() == 2 and x.dtype.is_floating_point:
        return emit.op("Gemm", a, b, x, alpha=float(alpha), beta=float(beta))
    product = emit.op("MatMul", a, b)
    if alpha != 1:
        product = emit.op("Mul", product, emit.scalar(alpha, out.dtype))
    if beta == 0:
        return product
    added = emit.value(x)
    if beta != 1:
        added = emit.op("Mul", added, emit.scalar(beta, out.dtype))
    return emit.op("Add", added, product)


def addbmm(
    emit: Emit, out: torch.Tensor, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, **_: Any
) -> str:
    """`x` and the sum of all products of a batch."""
    product = emit.op("ReduceSum", emit.op("MatMul", a, b), emit.ints([0]), keepdims=0)
    return emit.op("Add", x, product)


def outer(emit: Emit, out: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> str:
    """Each of one times each of the other."""
    column = emit.op("Unsqueeze", emit.cast(a, out.dtype), emit.ints([1]))
    return emit.op("Mul", column, emit.cast(b, out.dtype))


def einsum(
    emit: Emit, out: torch.Tensor, equation: str, operands: Sequence[torch.Tensor], **_: Any
) -> str:
    """The equation itself."""
    names = [emit.cast(operand, out.dtype) for operand in operands]
    return emit.op("Einsum", *names, equation=equation.replace(" ", ""))


def bilinear(
    emit: Emit,
    out: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
) -> str:
    """A matrix for each result, between two vectors."""
    made = emit.op("Einsum", a, weight, b, equation="...i,oij,...j->...o")
    return made if bias is None else emit.op("Add", made, bias)


_LARGEST_GATHERED = 2**26


def grouped(
    emit: Emit,
    out: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    offs: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *_: Any,
    **__: Any,
) -> str:
    """Rows times the matrix of their group: each row gets its matrix, and is multiplied by it."""
    rows, inner = a.shape[-2], a.shape[-1]
    if a.dim() != 2 or b.dim() != 3 or offs is None:
        raise CannotLower("a grouped product of other than rows and one matrix for each group")
    if rows * inner * b.shape[-1] > _LARGEST_GATHERED:
        raise CannotLower("a grouped product would need a copy of its matrix for each row")
    emit.note("grouped products give each row a copy of its group's matrix: slower than in torch")
    places = emit.constant(torch.arange(rows, device="cpu").view(rows, 1))
    behind = emit.op("GreaterOrEqual", places, emit.as_type(offs, torch.int64))
    counted = emit.as_type(behind, torch.int64)
    group = emit.op("ReduceSum", counted, emit.ints([1]), keepdims=0)
    last = emit.scalar(b.shape[0] - 1, torch.int64)
    own = emit.op("Gather", b, emit.op("Min", group, last), axis=0)
    product = emit.op("MatMul", emit.op("Unsqueeze", a, emit.ints([1])), own)
    product = emit.op("Squeeze", product, emit.ints([1]))
    return product if bias is None else emit.op("Add", product, bias)


RULES: Mapping[Any, Any] = {
    aten._grouped_mm.default: grouped,
    aten.einsum.default: einsum,
    aten.bilinear.default: bilinear,
    aten.linear.default: linear,
    aten.matmul.default: matmul,
    aten.mm.default: matmul,
    aten.bmm.default: matmul,
    aten.mv.default: matmul,
    aten.dot.default: matmul,
    aten.addmm.default: addmm,
    aten.baddbmm.default: addmm,
    aten.addmv.default: addmm,
    aten.addbmm.default: addbmm,
    aten.outer.default: outer,
    aten.ger.default: outer,
}
