"""Scaled dot-product attention, as the products that it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

aten = torch.ops.aten


def attention(
    emit: Emit,
    out: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> str:
    """`softmax(q k^T * scale + mask) v`."""
    if dropout_p:
        raise CannotLower("attention drops out at random: call model.eval() first")
    dtype, rank = out.dtype, query.dim()
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    turned = [*range(rank - 2), rank - 1, rank - 2]
    keys, values = emit.value(key), emit.value(value)
    if enable_gqa and key.shape[-3] != query.shape[-3]:
        keys, values = _repeat(emit, keys, key, query), _repeat(emit, values, value, query)
    scores = emit.op("MatMul", query, emit.op("Transpose", keys, perm=turned))
    scores = emit.op("Mul", scores, emit.scalar(factor, dtype))
    mask = _mask(emit, query, key, attn_mask, is_causal, dtype)
    if mask is not None:
        scores = emit.op("Add", scores, mask)
    shares = emit.op("Softmax", scores, axis=-1)
    if attn_mask is not None and attn_mask.dtype is torch.bool:
        shares = _without_masked_rows(emit, shares, attn_mask, dtype)
    return emit.op("MatMul", shares, values)


def _repeat(emit: Emit, name: str, given: torch.Tensor, query: torch.Tensor) -> str:
    """Each head of keys or values for the several heads of queries that share it."""
    *batch, heads, length, width = given.shape
    times = query.shape[-3] // heads
    spread = emit.op("Unsqueeze", name, emit.ints([len(batch) + 1]))
    spread = emit.op("Expand", spread, emit.ints([*batch, heads, times, length, width]))
    return emit.reshape(spread, (*batch, heads * times, length, width))


def _mask(
    emit: Emit,
    query: torch.Tensor,
    key: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    dtype: torch.dtype,
) -> str | None:
    """What is added to the scores."""
    if causal:
        rows, columns = query.shape[-2], key.shape[-2]
        with torch._C._DisablePythonDispatcher():
            seen = torch.ones(rows, columns, dtype=torch.bool).tril()
            added = torch.zeros(rows, columns, dtype=dtype).masked_fill(~seen, float("-inf"))
        return emit.constant(added)
    if mask is None:
        return None
    if mask.dtype is not torch.bool:
        return emit.cast(mask, dtype)
    known = emit.known(mask)
    if known is not None and bool(known.all()):
        return None
    lowest = emit.scalar(torch.finfo(dtype).min / 2, dtype)
    return emit.op("Where", mask, emit.scalar(0.0, dtype), lowest)


def _without_masked_rows(emit: Emit, shares: str, mask: torch.Tensor, dtype: torch.dtype) -> str:
    """As torch has it, a query that may see nothing gets nothing."""
    known = emit.known(mask)
    if known is not None and bool(known.any(-1).all()):
        return shares
    return emit.op("Where", mask, shares, emit.scalar(0.0, dtype))


RULES: Mapping[Any, Any] = {aten.scaled_dot_product_attention.default: attention}
