"""Sums, means, extremes and what else takes axes together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import Emit

aten = torch.ops.aten
Tensor = torch.Tensor
Axes = int | Sequence[int] | None


def axes_of(x: Tensor, dim: Axes) -> list[int]:
    """The axes that are meant; all of them where none are named."""
    if dim is None or (not isinstance(dim, int) and not dim):
        return list(range(x.dim()))
    return [d % max(x.dim(), 1) for d in ([dim] if isinstance(dim, int) else dim)]


def _reduce(emit: Emit, kind: str, name: str, x: Tensor, dim: Axes, keepdim: bool) -> str:
    if x.dim() == 0:
        return name
    axes = axes_of(x, dim)
    every = len(axes) == x.dim()
    given = None if every else emit.ints(axes)
    return emit.op(kind, name, given, keepdims=int(keepdim))


def reduce(kind: str) -> Callable[..., str]:
    """One of ONNX's own, in the result's type."""

    def rule(
        emit: Emit, out: Tensor, x: Tensor, dim: Axes = None, keepdim: bool = False, **_: Any
    ) -> str:
        return _reduce(emit, kind, emit.cast(x, out.dtype), x, dim, keepdim)

    return rule


def truth(kind: str) -> Callable[..., str]:
    """Whether any or all hold."""

    def rule(emit: Emit, out: Tensor, x: Tensor, dim: Axes = None, keepdim: bool = False) -> str:
        truths = x if x.dtype is torch.bool else emit.as_type(x, torch.bool)
        found = _reduce(emit, kind, emit.as_type(truths, torch.int32), x, dim, keepdim)
        return emit.as_type(found, out.dtype)

    return rule


def argument(kind: str) -> Callable[..., str]:
    """Where the largest or smallest lies."""

    def rule(
        emit: Emit, out: Tensor, x: Tensor, dim: int | None = None, keepdim: bool = False
    ) -> str:
        if dim is None:
            flat = emit.reshape(x, (-1,))
            found = emit.op(kind, flat, axis=0, keepdims=0)
            return emit.reshape(found, out.shape)
        return emit.op(kind, x, axis=dim % max(x.dim(), 1), keepdims=int(keepdim))

    return rule


def extreme(kind: str, where: str) -> Callable[..., tuple[str, str]]:
    """The largest or smallest along an axis, and where it lies."""

    def rule(
        emit: Emit, out: Sequence[Tensor], x: Tensor, dim: int, keepdim: bool = False
    ) -> tuple[str, str]:
        place = emit.op(where, x, axis=dim % max(x.dim(), 1), keepdims=int(keepdim))
        return _reduce(emit, kind, emit.value(x), x, dim, keepdim), place

    return rule


def _spread(
    emit: Emit, x: Tensor, dim: Axes, correction: float, keepdim: bool, dtype: torch.dtype
) -> str:
    """A variance."""
    axes = axes_of(x, dim)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    over = emit.ints(axes)
    centred = emit.op("Sub", x, emit.op("ReduceMean", x, over, keepdims=1))
    squares = emit.op("Mul", centred, centred)
    mean = emit.op("ReduceMean", squares, over, keepdims=int(keepdim))
    if correction == 0:
        return mean
    return emit.op("Mul", mean, emit.scalar(count / max(count - correction, 0.0), dtype))


def variance(*, root: bool) -> Callable[..., str]:
    """A variance or a standard deviation."""

    def rule(
        emit: Emit,
        out: Tensor,
        x: Tensor,
        dim: Any = None,
        unbiased: bool = True,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> str:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        less = (1.0 if unbiased else 0.0) if correction is None else correction
        found = _spread(emit, x, dim, less, keepdim, out.dtype)
        return emit.op("Sqrt", found) if root else found

    return rule


def variance_and_mean(*, root: bool) -> Callable[..., tuple[str, str]]:
    """Both."""

    def rule(
        emit: Emit,
        out: Sequence[Tensor],
        x: Tensor,
        dim: Any = None,
        unbiased: bool = True,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> tuple[str, str]:
        made = variance(root=root)(emit, out[0], x, dim, unbiased, keepdim, correction=correction)
        axes = None if isinstance(dim, bool) else dim
        return made, _reduce(emit, "ReduceMean", emit.value(x), x, axes, keepdim)

    return rule


def norm(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    ord: float = 2,
    dim: Axes = None,
    keepdim: bool = False,
    **_: Any,
) -> str:
    """The length of a vector in some measure."""
    name = emit.cast(x, out.dtype)
    if ord == 2:
        return _reduce(emit, "ReduceL2", name, x, dim, keepdim)
    if ord == 1:
        return _reduce(emit, "ReduceL1", name, x, dim, keepdim)
    size = emit.op("Abs", name)
    if ord == float("inf"):
        return _reduce(emit, "ReduceMax", size, x, dim, keepdim)
    if ord == float("-inf"):
        return _reduce(emit, "ReduceMin", size, x, dim, keepdim)
    if ord == 0:
        some = emit.as_type(emit.as_type(x, torch.bool), out.dtype)
        return _reduce(emit, "ReduceSum", some, x, dim, keepdim)
    powers = emit.op("Pow", size, emit.scalar(float(ord), out.dtype))
    total = _reduce(emit, "ReduceSum", powers, x, dim, keepdim)
    return emit.op("Pow", total, emit.scalar(1 / ord, out.dtype))


def norm_of(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    p: float | None = 2,
    dim: Axes = None,
    keepdim: bool = False,
    **_: Any,
) -> str:
    """As the older of torch's two functions has it."""
    return norm(emit, out, x, 2 if p is None else p, dim, keepdim)


def distances(
    emit: Emit, out: Tensor, a: Tensor, b: Tensor, p: float, compute_mode: int | None = None
) -> str:
    """Between each of one and each of another."""
    rows = emit.op("Unsqueeze", a, emit.ints([a.dim() - 1]))
    columns = emit.op("Unsqueeze", b, emit.ints([b.dim() - 2]))
    gap = emit.op("Sub", rows, columns)
    last = emit.ints([-1])
    if p == 2:
        return emit.op("ReduceL2", gap, last, keepdims=0)
    if p == 1:
        return emit.op("ReduceL1", gap, last, keepdims=0)
    size = emit.op("Abs", gap)
    if p == float("inf"):
        return emit.op("ReduceMax", size, last, keepdims=0)
    powers = emit.op("Pow", size, emit.scalar(float(p), out.dtype))
    total = emit.op("ReduceSum", powers, last, keepdims=0)
    return emit.op("Pow", total, emit.scalar(1 / p, out.dtype))


def cumsum(emit: Emit, out: Tensor, x: Tensor, dim: int, **_: Any) -> str:
    """Sums so far."""
    axis = emit.scalar(dim % max(x.dim(), 1), torch.int64)
    return emit.op("CumSum", emit.cast(x, out.dtype), axis)


def count_nonzero(emit: Emit, out: Tensor, x: Tensor, dim: Axes = None) -> str:
    """How many are not zero."""
    some = emit.as_type(emit.as_type(x, torch.bool), torch.int64)
    return _reduce(emit, "ReduceSum", some, x, dim, False)


RULES: Mapping[Any, Any] = {
    aten.sum.default: reduce("ReduceSum"),
    aten.sum.dim_IntList: reduce("ReduceSum"),
    aten.mean.default: reduce("ReduceMean"),
    aten.mean.dim: reduce("ReduceMean"),
    aten.prod.default: reduce("ReduceProd"),
    aten.prod.dim_int: reduce("ReduceProd"),
    aten.amax.default: reduce("ReduceMax"),
    aten.amin.default: reduce("ReduceMin"),
    aten.max.default: reduce("ReduceMax"),
    aten.min.default: reduce("ReduceMin"),
    aten.logsumexp.default: reduce("ReduceLogSumExp"),
    aten._is_any_true.default: truth("ReduceMax"),
    aten._is_all_true.default: truth("ReduceMin"),
    aten.any.default: truth("ReduceMax"),
    aten.any.dim: truth("ReduceMax"),
    aten.any.dims: truth("ReduceMax"),
    aten.all.default: truth("ReduceMin"),
    aten.all.dim: truth("ReduceMin"),
    aten.all.dims: truth("ReduceMin"),
    aten.argmax.default: argument("ArgMax"),
    aten.argmin.default: argument("ArgMin"),
    aten.max.dim: extreme("ReduceMax", "ArgMax"),
    aten.min.dim: extreme("ReduceMin", "ArgMin"),
    aten.var.default: variance(root=False),
    aten.var.dim: variance(root=False),
    aten.var.correction: variance(root=False),
    aten.std.default: variance(root=True),
    aten.std.dim: variance(root=True),
    aten.std.correction: variance(root=True),
    aten.var_mean.default: variance_and_mean(root=False),
    aten.var_mean.dim: variance_and_mean(root=False),
    aten.var_mean.correction: variance_and_mean(root=False),
    aten.std_mean.default: variance_and_mean(root=True),
    aten.std_mean.correction: variance_and_mean(root=True),
    aten.linalg_vector_norm.default: norm,
    aten.norm.Scalar: norm_of,
    aten.norm.ScalarOpt_dim: norm_of,
    aten._cdist_forward.default: distances,
    aten.cumsum.default: cumsum,
    aten.count_nonzero.default: count_nonzero,
    aten.count_nonzero.dim_IntList: count_nonzero,
}
