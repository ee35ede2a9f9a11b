"""Matrix products and linear layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import Emit

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
    """`beta x + alpha a b`."""
    if x.dtype.is_floating_point:
        return emit.op("Gemm", a, b, x, alpha=float(alpha), beta=float(beta))
    return _sum(emit, out, x, a, b, beta, alpha)


def _sum(
    emit: Emit,
    out: torch.Tensor,
    x: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    beta: float = 1,
    alpha: float = 1,
) -> str:
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


RULES: Mapping[Any, Any] = {
    aten.linear.default: linear,
    aten.matmul.default: matmul,
    aten.mm.default: matmul,
    aten.bmm.default: matmul,
    aten.mv.default: matmul,
    aten.dot.default: matmul,
    aten.addmm.default: addmm,
    aten.baddbmm.default: _sum,
    aten.addmv.default: _sum,
    aten.addbmm.default: addbmm,
    aten.outer.default: outer,
    aten.ger.default: outer,
}
