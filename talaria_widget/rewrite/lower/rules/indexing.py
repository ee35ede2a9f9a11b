"""Elements taken by their indices, and put at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

aten = torch.ops.aten
DEPENDS = "the shape of a result depends on data: how much work follows is that of this input"
Tensor = torch.Tensor


def index_select(emit: Emit, out: Tensor, x: Tensor, dim: int, index: Tensor) -> str:
    """Places of an axis."""
    if index.dim() == 0:
        index_name = emit.reshape(index, (1,))
        return emit.op("Gather", x, index_name, axis=dim % x.dim())
    return emit.op("Gather", x, index, axis=dim % x.dim())


def gather(emit: Emit, out: Tensor, x: Tensor, dim: int, index: Tensor, **_: Any) -> str:
    """An element of an axis for each place."""
    return emit.op("GatherElements", x, index, axis=dim % x.dim())


def _scatter(reduction: str | None = None) -> Callable[..., str]:
    def rule(
        emit: Emit, out: Tensor, x: Tensor, dim: int, index: Tensor, src: Any, **_: Any
    ) -> str:
        if isinstance(src, Tensor):
            updates = emit.cast(src, out.dtype)
            if src.shape != index.shape:
                updates = emit.op(
                    "Slice", updates, emit.ints([0] * src.dim()), emit.ints(index.shape)
                )
        else:
            number = emit.scalar(src, out.dtype)
            updates = emit.op("Expand", number, emit.ints(index.shape))
        extra = {} if reduction is None else {"reduction": reduction}
        return emit.op("ScatterElements", x, index, updates, axis=dim % x.dim(), **extra)

    return rule


def index(emit: Emit, out: Tensor, x: Tensor, indices: Sequence[Tensor | None]) -> str:
    """Elements by tensors of indices, one for each axis or none."""
    axes, found = _positions(emit, x, indices)
    if len(axes) == 1:
        return emit.op("Gather", x, found[0][0], axis=axes[0])
    shape = torch.broadcast_shapes(*[shape for _, shape in found])
    adjacent = axes == list(range(axes[0], axes[0] + len(axes)))
    rest = [axis for axis in range(x.dim()) if axis not in axes]
    name = emit.value(x)
    if axes != list(range(len(axes))):
        name = emit.op("Transpose", name, perm=[*axes, *rest])
    taken = emit.op("GatherND", name, _joined(emit, found, shape))
    if adjacent and axes[0] > 0:
        rank, before = len(shape), axes[0]
        perm = [*range(rank, rank + before), *range(rank), *range(rank + before, out.dim())]
        taken = emit.op("Transpose", taken, perm=perm)
    return taken


def _joined(emit: Emit, found: Sequence[tuple[str, tuple[int, ...]]], shape: Sequence[int]) -> str:
    """Indices of several axes side by side on a last axis."""
    last = emit.ints([-1])
    spread = [
        name if tuple(own) == tuple(shape) else emit.op("Expand", name, emit.ints(shape))
        for name, own in found
    ]
    parts = [emit.op("Unsqueeze", name, last) for name in spread]
    return parts[0] if len(parts) == 1 else emit.op("Concat", *parts, axis=-1)


def _positions(
    emit: Emit, x: Tensor, indices: Sequence[Tensor | None]
) -> tuple[list[int], list[tuple[str, tuple[int, ...]]]]:
    """The axes that are indexed and what by; a mask counts as the places where it holds."""
    axes: list[int] = []
    found: list[tuple[str, tuple[int, ...]]] = []
    axis = 0
    for item in indices:
        if item is None:
            axis += 1
        elif item.dtype in (torch.bool, torch.uint8):
            known = emit.known(item)
            if known is None:
                raise CannotLower("an index by a mask that depends on data")
            with torch._C._DisablePythonDispatcher():
                places = known.bool().nonzero(as_tuple=True)
            for place in places:
                axes.append(axis)
                found.append((emit.constant(place), (place.shape[0],)))
                axis += 1
        else:
            axes.append(axis)
            found.append((emit.value(item), tuple(item.shape)))
            axis += 1
    return axes, found


def index_by(emit: Emit, out: Tensor, x: Tensor, indices: Sequence[Tensor | None]) -> str:
    """Elements by indices, or by one mask over the first axes that depends on data."""
    masks = [i for i in indices if i is not None and i.dtype in (torch.bool, torch.uint8)]
    if len(masks) == len(indices) == 1 and emit.known(masks[0]) is None:
        return masked_select(emit, out, x, masks[0])
    return index(emit, out, x, indices)


def masked_select(emit: Emit, out: Tensor, x: Tensor, mask: Tensor) -> str:
    """Elements, or rows, where a mask holds: their number depends on data."""
    emit.note(DEPENDS)
    places = emit.op("NonZero", emit.cast(mask, torch.bool))
    return emit.op("GatherND", x, emit.op("Transpose", places, perm=[1, 0]))


def nonzero(emit: Emit, out: Tensor, x: Tensor) -> str:
    """The places of what is not zero: their number depends on data."""
    emit.note(DEPENDS)
    return emit.op("Transpose", emit.op("NonZero", x), perm=[1, 0])


def index_put(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    indices: Sequence[Tensor | None],
    values: Tensor,
    accumulate: bool = False,
) -> str:
    """Values put at indices."""
    masks = [i for i in indices if i is not None and i.dtype in (torch.bool, torch.uint8)]
    if len(masks) == len(indices) == 1 and emit.known(masks[0]) is None:
        return _put_mask(emit, out, x, masks[0], values, accumulate)
    axes, found = _positions(emit, x, indices)
    shape = tuple(torch.broadcast_shapes(*[shape for _, shape in found]))
    rest = [axis for axis in range(x.dim()) if axis not in axes]
    perm = [*axes, *rest]
    turned = perm != list(range(x.dim()))
    if turned and axes != list(range(axes[0], axes[0] + len(axes))):
        raise CannotLower("values put at indices of axes that lie apart")
    name = emit.op("Transpose", x, perm=perm) if turned else emit.value(x)
    at = axes[0] if turned else 0
    sides = [x.shape[axis] for axis in rest]
    wide = (*sides[:at], *shape, *sides[at:])
    updates = emit.cast(values, out.dtype)
    if tuple(values.shape) != wide:
        updates = emit.op("Expand", updates, emit.ints(wide))
    if at:
        rank = len(shape)
        order = [*range(at, at + rank), *range(at), *range(at + rank, len(wide))]
        updates = emit.op("Transpose", updates, perm=order)
    extra = {"reduction": "add"} if accumulate else {}
    made = emit.op("ScatterND", name, _joined(emit, found, shape), updates, **extra)
    if not turned:
        return made
    return emit.op("Transpose", made, perm=[perm.index(axis) for axis in range(x.dim())])


def _put_mask(
    emit: Emit, out: Tensor, x: Tensor, mask: Tensor, values: Tensor, accumulate: bool
) -> str:
    """One value wherever a mask holds, or one for each place where it does."""
    if accumulate:
        raise CannotLower("values added where a mask holds that depends on data")
    if values.numel() != 1:
        emit.note(DEPENDS)
        places = emit.op("NonZero", emit.cast(mask, torch.bool))
        where = emit.op("Transpose", places, perm=[1, 0])
        return emit.op("ScatterND", x, where, emit.cast(values, out.dtype))
    spread = emit.value(mask)
    if mask.dim() < x.dim():
        spread = emit.reshape(mask, (*mask.shape, *[1] * (x.dim() - mask.dim())))
    return emit.op("Where", emit.as_type(spread, torch.bool), emit.cast(values, out.dtype), x)


def index_add(
    emit: Emit, out: Tensor, x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> str:
    """Rows added at their indices."""
    return _rows(emit, out, x, dim, index, source, alpha, {"reduction": "add"})


def index_copy(emit: Emit, out: Tensor, x: Tensor, dim: int, index: Tensor, source: Tensor) -> str:
    """Rows put at their indices."""
    return _rows(emit, out, x, dim, index, source, 1, {})


def _rows(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    alpha: float,
    extra: dict[str, str],
) -> str:
    axis = dim % x.dim()
    shape = [1] * x.dim()
    shape[axis] = -1
    where = emit.op("Expand", emit.reshape(index, shape), emit.ints(source.shape))
    updates = emit.cast(source, out.dtype)
    if alpha != 1:
        updates = emit.op("Mul", updates, emit.scalar(alpha, out.dtype))
    return emit.op("ScatterElements", x, where, updates, axis=axis, **extra)


RULES: Mapping[Any, Any] = {
    aten.index_select.default: index_select,
    aten.gather.default: gather,
    aten.scatter.src: _scatter(),
    aten.scatter.value: _scatter(),
    aten.scatter_add.default: _scatter("add"),
    aten.index.Tensor: index_by,
    aten.masked_select.default: masked_select,
    aten.nonzero.default: nonzero,
    aten.index_put.default: index_put,
    aten.index_add.default: index_add,
    aten.index_copy.default: index_copy,
}
