"""Pooling, over windows and down to a size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit
from talaria_widget.rewrite.lower.rules.conv import Size, batched, full, unbatched

aten = torch.ops.aten
Tensor = torch.Tensor


def _windows(kernel_size: Size, stride: Size, rank: int) -> tuple[list[int], list[int]]:
    """How large windows are, and how far apart: side by side where nothing is said."""
    kernel = full(kernel_size, rank)
    return kernel, full(stride, rank) if stride != () and stride != [] else kernel


def _ends(
    size: Sequence[int],
    out: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    """What must be added behind each axis so that as many windows fit as torch makes.

    torch rounds up so that a window starts inside the input or its padding; ONNX's
    `ceil_mode` does not know that rule, so the padding says it.
    """
    found = []
    for i, count in enumerate(out):
        needed = (count - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1
        found.append(max(needed - size[i] - pads[i], pads[i]))
    return found


def max_pool(rank: int) -> Callable[..., str]:
    """The largest of each window."""

    def rule(
        emit: Emit,
        out: Tensor,
        x: Tensor,
        kernel_size: Size,
        stride: Size = (),
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> str:
        kernel, strides = _windows(kernel_size, stride, rank)
        before, dilations = full(padding, rank), full(dilation, rank)
        ends = before
        if ceil_mode:
            ends = _ends(x.shape[-rank:], out.shape[-rank:], kernel, strides, before, dilations)
        name, lacked = batched(emit, x, rank)
        if any(e >= k for e, k in zip(ends, kernel, strict=True)):
            raise CannotLower("max_pool whose last window lies in its padding")
        made = emit.op(
            "MaxPool",
            name,
            kernel_shape=kernel,
            strides=strides,
            pads=[*before, *ends],
            dilations=dilations,
        )
        return unbatched(emit, made, lacked)

    return rule


def max_pool_with_indices(rank: int) -> Callable[..., tuple[str, str]]:
    """The largest of each window, and where it lies in its channel."""

    def rule(
        emit: Emit,
        out: Sequence[Tensor],
        x: Tensor,
        kernel_size: Size,
        stride: Size = (),
        padding: Size = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> tuple[str, str]:
        if ceil_mode or x.dim() != rank + 2:
            raise CannotLower("max_pool with indices and sizes rounded up")
        kernel, strides = _windows(kernel_size, stride, rank)
        made, places = emit.ops(
            "MaxPool",
            2,
            x,
            kernel_shape=kernel,
            strides=strides,
            pads=full(padding, rank) * 2,
            dilations=full(dilation, rank),
        )
        area = emit.scalar(prod(x.shape[2:]), torch.int64)
        return made, emit.op("Mod", places, area)

    return rule


def avg_pool(rank: int) -> Callable[..., str]:
    """The mean of each window."""

    def rule(
        emit: Emit,
        out: Tensor,
        x: Tensor,
        kernel_size: Size,
        stride: Size = (),
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> str:
        kernel, strides = _windows(kernel_size, stride, rank)
        before = full(padding, rank)
        plain = [
            (s + 2 * p - k) // t + 1
            for s, p, k, t in zip(x.shape[-rank:], before, kernel, strides, strict=True)
        ]
        if list(out.shape[-rank:]) != plain:
            ends = _ends(x.shape[-rank:], out.shape[-rank:], kernel, strides, before, [1] * rank)
            if any(before) and count_include_pad:
                raise CannotLower("avg_pool with padding and sizes rounded up")
            count_include_pad = False
        else:
            ends = before
        name, lacked = batched(emit, x, rank)
        made = emit.op(
            "AveragePool",
            name,
            kernel_shape=kernel,
            strides=strides,
            pads=[*before, *ends],
            count_include_pad=int(count_include_pad or divisor_override is not None),
        )
        if divisor_override is not None:
            factor = prod(kernel) / divisor_override
            made = emit.op("Mul", made, emit.scalar(factor, out.dtype))
        return unbatched(emit, made, lacked)

    return rule


def adaptive(rank: int, pooled: str, whole: str, reduced: str) -> Callable[..., str]:
    """Pooled to a size: of even windows where there are such, else part by part."""

    def rule(emit: Emit, out: Tensor, x: Tensor, output_size: Any) -> str:
        before, after = list(x.shape[-rank:]), list(out.shape[-rank:])
        if before == after:
            return emit.op("Identity", x)
        name, lacked = batched(emit, x, rank)
        if all(size == 1 for size in after):
            return unbatched(emit, emit.op(whole, name), lacked)
        if all(b % a == 0 for b, a in zip(before, after, strict=True)):
            kernel = [b // a for b, a in zip(before, after, strict=True)]
            made = emit.op(pooled, name, kernel_shape=kernel, strides=kernel)
            return unbatched(emit, made, lacked)
        for axis, (size, wanted) in enumerate(zip(before, after, strict=True), start=2):
            name = _by_parts(emit, name, reduced, axis, size, wanted)
        return unbatched(emit, name, lacked)

    return rule


def _by_parts(emit: Emit, name: str, reduced: str, axis: int, size: int, wanted: int) -> str:
    """Window i reaches from floor(i size / wanted) to ceil((i + 1) size / wanted)."""
    if size == wanted:
        return name
    where, parts = emit.ints([axis]), []
    for i in range(wanted):
        start, end = i * size // wanted, -((-(i + 1) * size) // wanted)
        part = emit.op("Slice", name, emit.ints([start]), emit.ints([end]), where)
        parts.append(emit.op(reduced, part, where, keepdims=1))
    return parts[0] if wanted == 1 else emit.op("Concat", *parts, axis=axis)


def adaptive_max(rank: int) -> Callable[..., tuple[str | None, ...]]:
    """The largest of each part; where it lies is not to be had."""
    rule = adaptive(rank, "MaxPool", "GlobalMaxPool", "ReduceMax")

    def both(emit: Emit, out: Sequence[Tensor], x: Tensor, output_size: Any) -> Any:
        return rule(emit, out[0], x, output_size), None

    return both


RULES: Mapping[Any, Any] = {
    **{getattr(aten, f"max_pool{n}d").default: max_pool(n) for n in (1, 2, 3)},
    aten.max_pool2d_with_indices.default: max_pool_with_indices(2),
    aten.max_pool3d_with_indices.default: max_pool_with_indices(3),
    **{getattr(aten, f"avg_pool{n}d").default: avg_pool(n) for n in (1, 2, 3)},
    **{
        getattr(aten, f"adaptive_avg_pool{n}d").default: adaptive(
            n, "AveragePool", "GlobalAveragePool", "ReduceMean"
        )
        for n in (1, 2, 3)
    },
    **{getattr(aten, f"adaptive_max_pool{n}d").default: adaptive_max(n) for n in (1, 2, 3)},
}
