"""Fourier transforms along axes: of real numbers, of complex ones, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod, sqrt
from typing import Any

import torch

from talaria_widget.rewrite.lower.dtypes import REAL_OF
from talaria_widget.rewrite.lower.emit import Emit

aten = torch.ops.aten
Tensor = torch.Tensor


def _transform(emit: Emit, name: str, axis: int, *, inverse: bool, onesided: bool = False) -> str:
    """One axis. ONNX divides by its length on the way back (DFT, opset 20)."""
    where = emit.scalar(axis, torch.int64)
    return emit.op("DFT", name, None, where, inverse=int(inverse), onesided=int(onesided))


def _scaled(
    emit: Emit, name: str, dtype: torch.dtype, norm: int, lengths: Sequence[int], *, inverse: bool
) -> str:
    """Torch divides by nothing, a root or the whole of the length: 0, 1 or 2."""
    length = prod(lengths)
    divisor = (1.0, sqrt(length), float(length))[norm]
    factor = length / divisor if inverse else 1 / divisor
    return name if factor == 1 else emit.op("Mul", name, emit.scalar(factor, dtype))


def from_real(
    emit: Emit, out: Tensor, x: Tensor, dim: Sequence[int], normalization: int, onesided: bool
) -> str:
    """Of real numbers; of the last axis one half is enough."""
    *others, last = [d % x.dim() for d in dim]
    name = emit.op("Unsqueeze", x, emit.ints([-1]))
    name = _transform(emit, name, last, inverse=False, onesided=onesided)
    for axis in others:
        name = _transform(emit, name, axis, inverse=False)
    lengths = [x.shape[d] for d in dim]
    return _scaled(emit, name, x.dtype, normalization, lengths, inverse=False)


def between_complex(
    emit: Emit, out: Tensor, x: Tensor, dim: Sequence[int], normalization: int, forward: bool
) -> str:
    """Of complex numbers, there or back."""
    name = emit.value(x)
    for axis in dim:
        name = _transform(emit, name, axis % x.dim(), inverse=not forward)
    lengths = [x.shape[d] for d in dim]
    dtype = REAL_OF[x.dtype]
    return _scaled(emit, name, dtype, normalization, lengths, inverse=not forward)


def to_real(
    emit: Emit, out: Tensor, x: Tensor, dim: Sequence[int], normalization: int, last_dim_size: int
) -> str:
    """Back to real numbers: the half that is not kept is the other's mirror, conjugated."""
    *others, last = [d % x.dim() for d in dim]
    name, dtype = emit.value(x), out.dtype
    for axis in others:
        name = _transform(emit, name, axis, inverse=True)
    where = emit.ints([last])
    kept = last_dim_size // 2 + 1
    name = emit.op("Slice", name, emit.ints([0]), emit.ints([kept]), where)
    mirrored = last_dim_size - kept
    if mirrored > 0:
        ends = emit.ints([0])
        back = emit.op("Slice", name, emit.ints([mirrored]), ends, where, emit.ints([-1]))
        signs = emit.constant(torch.tensor([1.0, -1.0], dtype=dtype, device="cpu"))
        name = emit.op("Concat", name, emit.op("Mul", back, signs), axis=last)
    name = _transform(emit, name, last, inverse=True)
    name = emit.op("Gather", name, emit.scalar(0, torch.int64), axis=-1)
    lengths = [*[x.shape[d] for d in others], last_dim_size]
    return _scaled(emit, name, dtype, normalization, lengths, inverse=True)


RULES: Mapping[Any, Any] = {
    aten._fft_r2c.default: from_real,
    aten._fft_c2c.default: between_complex,
    aten._fft_c2r.default: to_real,
}
