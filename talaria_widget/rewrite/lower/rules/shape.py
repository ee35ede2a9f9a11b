"""Views and copies, and tensors taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit
from talaria_widget.rewrite.lower.rules.elementwise import same

aten = torch.ops.aten
Tensor = torch.Tensor


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
    aten.copy.default: copy,
    aten.as_strided.default: as_strided,
    aten.unfold.default: unfold,
}
