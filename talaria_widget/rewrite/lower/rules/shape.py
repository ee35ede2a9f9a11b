"""Views, copies, and tensors put together, taken apart and padded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit
from talaria_widget.rewrite.lower.rules.elementwise import same

aten = torch.ops.aten
Tensor = torch.Tensor
_LAST = 2**31 - 1


def reshape(emit: Emit, out: Tensor, x: Tensor, *_: Any, **__: Any) -> str:
    """Whatever gives the same elements in another shape."""
    if x.dtype is not out.dtype:
        raise CannotLower("bits are read as another type")
    return emit.value(x) if x.shape == out.shape else emit.reshape(x, out.shape)


def unsqueeze(emit: Emit, out: Tensor, x: Tensor, dim: int) -> str:
    """A new axis of one."""
    return emit.op("Unsqueeze", x, emit.ints([dim % out.dim()]))


def squeeze(emit: Emit, out: Tensor, x: Tensor, dim: int | Sequence[int] | None = None) -> str:
    """Axes of one left out."""
    if x.shape == out.shape:
        return emit.value(x)
    wanted = range(x.dim()) if dim is None else [dim] if isinstance(dim, int) else dim
    axes = sorted({axis % x.dim() for axis in wanted if x.shape[axis] == 1})
    return emit.op("Squeeze", x, emit.ints(axes))


def transpose(emit: Emit, out: Tensor, x: Tensor, first: int, second: int) -> str:
    """Two axes in each other's place."""
    perm = list(range(x.dim()))
    if not perm:
        return emit.value(x)
    perm[first], perm[second] = perm[second], perm[first]
    return emit.op("Transpose", x, perm=perm)


def turn(emit: Emit, out: Tensor, x: Tensor) -> str:
    """A matrix turned; a vector stays."""
    return emit.op("Transpose", x, perm=[1, 0]) if x.dim() == 2 else emit.value(x)


def permute(emit: Emit, out: Tensor, x: Tensor, dims: Sequence[int]) -> str:
    """Axes in another order."""
    return emit.op("Transpose", x, perm=[dim % x.dim() for dim in dims])


def expand(emit: Emit, out: Tensor, x: Tensor, *_: Any, **__: Any) -> str:
    """Axes of one repeated."""
    return emit.value(x) if x.shape == out.shape else emit.op("Expand", x, emit.ints(out.shape))


def slice_(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> str:
    """Every so many elements of a part of an axis."""
    if x.shape == out.shape:
        return emit.value(x)
    size = x.shape[dim]
    first, last, _ = slice(start, end, step).indices(size)
    given = [emit.ints([first]), emit.ints([last]), emit.ints([dim % x.dim()])]
    return emit.op("Slice", x, *given, emit.ints([step]) if step != 1 else None)


def select(emit: Emit, out: Tensor, x: Tensor, dim: int, index: int) -> str:
    """One place of an axis, which goes."""
    place = emit.scalar(index % x.shape[dim], torch.int64)
    return emit.op("Gather", x, place, axis=dim % x.dim())


def split(
    emit: Emit, out: Sequence[Tensor], x: Tensor, sizes: Any, dim: int = 0
) -> tuple[str, ...]:
    """Parts of an axis."""
    if len(out) == 1:
        return (emit.value(x),)
    lengths = emit.ints([part.shape[dim] for part in out])
    return emit.ops("Split", len(out), x, lengths, axis=dim % x.dim())


def unbind(emit: Emit, out: Sequence[Tensor], x: Tensor, dim: int = 0) -> tuple[str, ...]:
    """Each place of an axis, which goes."""
    places = [emit.scalar(i, torch.int64) for i in range(len(out))]
    return tuple([emit.op("Gather", x, place, axis=dim % x.dim()) for place in places])


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


def copy(emit: Emit, out: Tensor, x: Tensor, source: Tensor, *_: Any, **__: Any) -> str:
    """Another tensor's values in this one's shape and type."""
    name = emit.cast(source, out.dtype)
    return name if source.shape == out.shape else emit.op("Expand", name, emit.ints(out.shape))


def as_strided(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    storage_offset: int | None = None,
) -> str:
    """Elements by their places in memory, which a tensor without gaps fills."""
    offset = x.storage_offset() if storage_offset is None else storage_offset
    if tuple(size) == x.shape and tuple(stride) == x.stride() and offset == x.storage_offset():
        return emit.value(x)
    whole = x if _is_dense(x) else emit.root(x)
    if not _is_dense(whole):
        raise CannotLower("as_strided of memory with gaps")
    offset -= whole.storage_offset()
    reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if offset < 0 or reach >= whole.numel():
        raise CannotLower("as_strided beyond what was written")
    with torch._C._DisablePythonDispatcher():
        count = torch.arange(whole.numel())
        places = count.as_strided(tuple(size), tuple(stride), offset).clone()
    order = _in_memory(whole)
    name = emit.value(whole)
    if order != list(range(whole.dim())):
        name = emit.op("Transpose", name, perm=order)
    flat = emit.reshape(name, (-1,))
    return emit.op("Gather", flat, emit.constant(places.contiguous()), axis=0)


def _in_memory(x: Tensor) -> list[int]:
    """The axes as they lie in memory, the slowest first."""
    return sorted(range(x.dim()), key=lambda axis: (-x.stride()[axis], axis))


def _is_dense(x: Tensor) -> bool:
    """Whether a tensor's elements fill its memory, in whatever order of axes."""
    step = 1
    for axis in reversed(_in_memory(x)):
        if x.shape[axis] != 1 and x.stride()[axis] != step:
            return False
        step *= x.shape[axis]
    return True


def unfold(emit: Emit, out: Tensor, x: Tensor, dimension: int, size: int, step: int) -> str:
    """Windows of an axis; what is in a window becomes the last axis."""
    axis = dimension % x.dim()
    with torch._C._DisablePythonDispatcher():
        places = torch.arange(x.shape[axis]).unfold(0, size, step).contiguous()
    windows = emit.op("Gather", x, emit.constant(places), axis=axis)
    rank = x.dim() + 1
    perm = [i for i in range(rank) if i != axis + 1] + [axis + 1]
    return windows if perm == list(range(rank)) else emit.op("Transpose", windows, perm=perm)


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


_RESHAPES = (
    aten.view.default,
    aten.reshape.default,
    aten._unsafe_view.default,
    aten._reshape_alias.default,
    aten.flatten.using_ints,
    aten.unflatten.int,
    aten.view_as.default,
    aten.reshape_as.default,
    aten.ravel.default,
)
_SAME = (
    aten.contiguous.default,
    aten.clone.default,
    aten.detach.default,
    aten.alias.default,
    aten.lift_fresh.default,
    aten.lift_fresh_copy.default,
    aten.to.dtype,
    aten.to.dtype_layout,
    aten.to.device,
    aten.to.other,
    aten._to_copy.default,
    aten.type_as.default,
    aten.positive.default,
)
RULES: Mapping[Any, Any] = {
    **dict.fromkeys(_RESHAPES, reshape),
    **dict.fromkeys(_SAME, same),
    aten.unsqueeze.default: unsqueeze,
    aten.squeeze.default: squeeze,
    aten.squeeze.dim: squeeze,
    aten.squeeze.dims: squeeze,
    aten.transpose.int: transpose,
    aten.swapaxes.default: transpose,
    aten.swapdims.default: transpose,
    aten.t.default: turn,
    aten.permute.default: permute,
    aten.expand.default: expand,
    aten.expand_as.default: expand,
    aten.broadcast_to.default: expand,
    aten.slice.Tensor: slice_,
    aten.select.int: select,
    aten.split.Tensor: split,
    aten.split.sizes: split,
    aten.split_with_sizes.default: split,
    aten.chunk.default: split,
    aten.unsafe_chunk.default: split,
    aten.unsafe_split.Tensor: split,
    aten.tensor_split.sections: split,
    aten.tensor_split.indices: split,
    aten.unbind.int: unbind,
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
    aten.copy.default: copy,
    aten.as_strided.default: as_strided,
    aten.unfold.default: unfold,
    aten.pixel_shuffle.default: pixel_shuffle,
    aten.pixel_unshuffle.default: pixel_unshuffle,
    aten.tril.default: triangle(upper=False),
    aten.triu.default: triangle(upper=True),
}
