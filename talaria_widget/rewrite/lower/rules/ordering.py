"""Elements sorted, counted out and repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

aten = torch.ops.aten
Tensor = torch.Tensor


def topk(
    emit: Emit,
    out: Sequence[Tensor],
    x: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
) -> tuple[str, ...]:
    """The largest or smallest, and where they lie."""
    count = emit.ints([k])
    return emit.ops(
        "TopK", 2, x, count, axis=dim % max(x.dim(), 1), largest=int(largest), sorted=int(sorted)
    )


def sort(
    emit: Emit, out: Sequence[Tensor], x: Tensor, dim: int = -1, descending: bool = False, **_: Any
) -> tuple[str, ...]:
    """All in order, and where they lay."""
    return topk(emit, out, x, x.shape[dim] if x.dim() else 1, dim, descending)


def sort_stable(
    emit: Emit,
    out: Sequence[Tensor],
    x: Tensor,
    *,
    stable: bool | None = None,
    dim: int = -1,
    descending: bool = False,
) -> tuple[str, ...]:
    """As ONNX Runtime sorts, which leaves equals in their order."""
    return sort(emit, out, x, dim, descending)


def argsort(
    emit: Emit, out: Tensor, x: Tensor, dim: int = -1, descending: bool = False, **_: Any
) -> str:
    """Where each lay before the sorting."""
    return sort(emit, [out, out], x, dim, descending)[1]


def one_hot(emit: Emit, out: Tensor, x: Tensor, num_classes: int = -1) -> str:
    """A one at each index."""
    with torch._C._DisablePythonDispatcher():
        values = emit.constant(torch.tensor([0, 1]))
    return emit.op("OneHot", x, emit.scalar(out.shape[-1], torch.int64), values, axis=-1)


def repeat_interleave(
    emit: Emit, out: Tensor, x: Tensor, repeats: Any, dim: int | None = None, **_: Any
) -> str:
    """Each element so many times in a row."""
    count = emit.known(repeats) if isinstance(repeats, Tensor) else repeats
    if count is None:
        raise CannotLower("repeat_interleave by numbers that depend on data")
    shape = [prod(x.shape)] if dim is None else list(x.shape)
    name = emit.reshape(x, (-1,)) if dim is None else emit.value(x)
    axis = 0 if dim is None else dim % x.dim()
    with torch._C._DisablePythonDispatcher():
        places = torch.arange(shape[axis]).repeat_interleave(torch.as_tensor(count))
    return emit.op("Gather", name, emit.constant(places), axis=axis)


RULES: Mapping[Any, Any] = {
    aten.topk.default: topk,
    aten.sort.default: sort,
    aten.sort.stable: sort_stable,
    aten.argsort.default: argsort,
    aten.argsort.stable: argsort,
    aten.one_hot.default: one_hot,
    aten.repeat_interleave.self_int: repeat_interleave,
    aten.repeat_interleave.self_Tensor: repeat_interleave,
}
