"""Tensors put together, padded, repeated and turned around."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

aten = torch.ops.aten
Tensor = torch.Tensor


_LAST = 2**31 - 1


def cat(emit: Emit, out: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> str:
    """One after another; empty vectors count for nothing, as torch has it."""
    kept = [t for t in tensors if not (t.dim() == 1 and t.shape[0] == 0 and out.dim() != 1)]
    names = [emit.cast(t, out.dtype) for t in kept if 0 not in t.shape] or [
        emit.cast(kept[0], out.dtype)
    ]
    return names[0] if len(names) == 1 else emit.op("Concat", *names, axis=dim % out.dim())


def stack(emit: Emit, out: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> str:
    """One after another on a new axis."""
    axis = dim % out.dim()
    where = emit.ints([axis])
    parts = [emit.op("Unsqueeze", emit.cast(t, out.dtype), where) for t in tensors]
    return parts[0] if len(parts) == 1 else emit.op("Concat", *parts, axis=axis)


_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    pads: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
) -> str:
    """More on each end, or less: torch counts from the last axis."""
    rank = x.dim()
    before, after = [0] * rank, [0] * rank
    for i in range(len(pads) // 2):
        before[rank - 1 - i], after[rank - 1 - i] = pads[2 * i], pads[2 * i + 1]
    fill = emit.scalar(value or 0, x.dtype) if mode == "constant" else None
    if x.dtype is torch.bool:
        as_ints = emit.as_type(x, torch.int32)
        number = emit.scalar(int(value or 0), torch.int32)
        filled = emit.op("Pad", as_ints, emit.ints(before + after), number, mode=_MODES[mode])
        return emit.as_type(filled, torch.bool)
    return emit.op("Pad", x, emit.ints(before + after), fill, mode=_MODES[mode])


def pad_as(mode: str) -> Callable[..., str]:
    """Padding of one kind."""
    return lambda emit, out, x, pads: pad(emit, out, x, pads, mode)


def repeat(emit: Emit, out: Tensor, x: Tensor, repeats: Sequence[int]) -> str:
    """The whole, so many times along each axis."""
    grown = emit.value(x)
    if len(repeats) > x.dim():
        grown = emit.reshape(x, (*[1] * (len(repeats) - x.dim()), *x.shape))
    return emit.op("Tile", grown, emit.ints(repeats))


def flip(emit: Emit, out: Tensor, x: Tensor, dims: Sequence[int]) -> str:
    """Axes backwards."""
    axes = [dim % x.dim() for dim in dims]
    count = len(axes)
    last, ends = emit.ints([-1] * count), emit.ints([-_LAST] * count)
    return emit.op("Slice", x, last, ends, emit.ints(axes), emit.ints([-1] * count))


def roll(emit: Emit, out: Tensor, x: Tensor, shifts: Any, dims: Any = ()) -> str:
    """What leaves an axis at its end comes in at its start."""
    shifts = [shifts] if isinstance(shifts, int) else list(shifts)
    dims = [dims] if isinstance(dims, int) else list(dims)
    name, shape = emit.value(x), list(x.shape)
    if not dims:
        name, shape, dims = emit.reshape(x, (-1,)), [x.numel()], [0]
    for shift, dim in zip(shifts, dims, strict=True):
        size = shape[dim]
        cut = (size - shift) % size if size else 0
        if cut == 0:
            continue
        axis = emit.ints([dim % len(shape)])
        tail = emit.op("Slice", name, emit.ints([cut]), emit.ints([size]), axis)
        head = emit.op("Slice", name, emit.ints([0]), emit.ints([cut]), axis)
        name = emit.op("Concat", tail, head, axis=dim % len(shape))
    return name if len(shape) == x.dim() else emit.reshape(name, out.shape)


def pixel_shuffle(emit: Emit, out: Tensor, x: Tensor, factor: int) -> str:
    """Channels become space."""
    if x.dim() != 4:
        raise CannotLower("pixel_shuffle of other than four axes")
    return emit.op("DepthToSpace", x, blocksize=factor, mode="CRD")


def pixel_unshuffle(emit: Emit, out: Tensor, x: Tensor, factor: int) -> str:
    """Space becomes channels."""
    *batch, channels, height, width = x.shape
    rank = len(batch)
    split_up = emit.reshape(
        x, (*batch, channels, height // factor, factor, width // factor, factor)
    )
    order = [0, 2, 4, 1, 3]
    perm = [*range(rank), *[rank + i for i in order]]
    return emit.reshape(emit.op("Transpose", split_up, perm=perm), out.shape)


def triangle(*, upper: bool) -> Callable[..., str]:
    """What lies above or below a diagonal."""

    def rule(emit: Emit, out: Tensor, x: Tensor, diagonal: int = 0) -> str:
        return emit.op("Trilu", x, emit.scalar(diagonal, torch.int64), upper=int(upper))

    return rule


RULES: Mapping[Any, Any] = {
    aten.cat.default: cat,
    aten.concat.default: cat,
    aten.stack.default: stack,
    aten.constant_pad_nd.default: lambda emit, out, x, pads, value=0: pad(
        emit, out, x, pads, "constant", value
    ),
    aten.pad.default: pad,
    **{getattr(aten, f"reflection_pad{n}d").default: pad_as("reflect") for n in (1, 2, 3)},
    **{getattr(aten, f"replication_pad{n}d").default: pad_as("replicate") for n in (1, 2, 3)},
    aten.repeat.default: repeat,
    aten.flip.default: flip,
    aten.roll.default: roll,
    aten.pixel_shuffle.default: pixel_shuffle,
    aten.pixel_unshuffle.default: pixel_unshuffle,
    aten.tril.default: triangle(upper=False),
    aten.triu.default: triangle(upper=True),
}
