"""Tables looked up, row by row or in bags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

aten = torch.ops.aten
Tensor = torch.Tensor


def embedding(emit: Emit, out: Tensor, weight: Tensor, indices: Tensor, *_: Any, **__: Any) -> str:
    """Rows of a table."""
    return emit.op("Gather", weight, indices, axis=0)


def embedding_bag(
    emit: Emit,
    out: Sequence[Tensor],
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[str | None, ...]:
    """Sums, means or maxima of rows, in bags of equal length."""
    starts = emit.known(offsets)
    bags = out[0].shape[0]
    length = indices.shape[0] // max(bags, 1)
    even = starts is not None and starts.tolist()[:bags] == [i * length for i in range(bags)]
    if not even or bags * length != indices.shape[0] or padding_idx not in (None, -1):
        raise CannotLower("embedding_bag with bags of different lengths has no form in ONNX")
    rows = emit.op("Gather", weight, indices, axis=0)
    if per_sample_weights is not None:
        rows = emit.op("Mul", rows, emit.op("Unsqueeze", per_sample_weights, emit.ints([1])))
    rows = emit.reshape(rows, (bags, length, weight.shape[1]))
    kind = ("ReduceSum", "ReduceMean", "ReduceMax")[mode]
    return (emit.op(kind, rows, emit.ints([1]), keepdims=0), None, None, None)


RULES: Mapping[Any, Any] = {
    aten.embedding.default: embedding,
    aten.embedding_bag.padding_idx: embedding_bag,
    aten.embedding_bag.default: embedding_bag,
}
