"""What a write to a view makes of the tensor that it is a view of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import Emit
from talaria_widget.rewrite.lower.memory import Cell, Step

aten = torch.ops.aten
_RESHAPES = frozenset(
    (
        aten.view.default,
        aten._unsafe_view.default,
        aten.reshape.default,
        aten.unsqueeze.default,
        aten.squeeze.default,
        aten.squeeze.dim,
        aten.squeeze.dims,
        aten.flatten.using_ints,
        aten.unflatten.int,
        aten.detach.default,
        aten.alias.default,
        aten.contiguous.default,
        aten.view_as.default,
    )
)
_TURNS = frozenset((aten.transpose.int, aten.permute.default, aten.t.default))


def inverse(emit: Emit, step: Step, parent: Cell, old: Callable[[], str], new: str) -> str:
    """The parent's new value, where its view `step` has the value `new` now.

    `old` gives the parent's value of before.
    """
    shape = tuple(parent.twin.shape)
    if step.function in _RESHAPES:
        return emit.reshape(new, shape)
    places = _places(step, parent.twin)
    if step.function in _TURNS:
        return emit.op("Transpose", new, perm=_turn_back(step, len(shape)))
    part = _part(step, parent.twin)
    if part is not None:
        return _join(emit, shape, part, old, new)
    flat = emit.op("Reshape", old(), emit.ints([-1]))
    where = emit.constant(places.reshape(-1, 1))
    scattered = emit.op("ScatterND", flat, where, emit.op("Reshape", new, emit.ints([-1])))
    return emit.reshape(scattered, shape)


def _places(step: Step, parent: torch.Tensor) -> torch.Tensor:
    """Where each element of a view lies in its parent, counted in the parent's order."""
    with torch._C._DisablePythonDispatcher():
        count = torch.arange(parent.numel()).view(parent.shape)
        if step.function is aten.as_strided.default:
            real = torch.empty_strided(parent.shape, parent.stride(), dtype=torch.int64)
            real.copy_(count)
            size, stride, offset = step.args[-3:]
            return real.as_strided(size, stride, offset - parent.storage_offset()).contiguous()
        result: Any = step.function(count, *step.args[1:], **step.kwargs)
    found = result if step.index is None else result[step.index]
    return torch.as_tensor(found).contiguous()


def _turn_back(step: Step, rank: int) -> list[int]:
    with torch._C._DisablePythonDispatcher():
        turned = step.function(
            torch.empty(tuple(range(2, rank + 2))), *step.args[1:], **step.kwargs
        )
    forward = [size - 2 for size in turned.shape]
    return [forward.index(axis) for axis in range(rank)]


def _part(step: Step, parent: torch.Tensor) -> tuple[int, int, int, bool] | None:
    """The axis, start and end of a view that is one part of an axis, and whether it drops it."""
    if step.function is aten.select.int:
        axis, at = step.args[1] % parent.dim(), step.args[2]
        at %= parent.shape[axis]
        return axis, at, at + 1, True
    if step.function is aten.slice.Tensor:
        given = (*step.args[1:], *(0, None, None, 1)[len(step.args) - 1 :])
        axis, start, end, stride = given[0] % parent.dim(), given[1], given[2], given[3]
        if stride == 1:
            return (axis, *slice(start, end).indices(parent.shape[axis])[:2], False)
    return None


def _join(
    emit: Emit,
    shape: tuple[int, ...],
    part: tuple[int, int, int, bool],
    old: Callable[[], str],
    new: str,
) -> str:
    """What stands before and behind on the axis, with the new part between them."""
    axis, start, end, dropped = part
    if dropped:
        new = emit.op("Unsqueeze", new, emit.ints([axis]))
    if end <= start:
        return old()
    pieces = [new]
    if start > 0:
        before = emit.op("Slice", old(), emit.ints([0]), emit.ints([start]), emit.ints([axis]))
        pieces.insert(0, before)
    if end < shape[axis]:
        ends = emit.ints([shape[axis]])
        pieces.append(emit.op("Slice", old(), emit.ints([end]), ends, emit.ints([axis])))
    return pieces[0] if len(pieces) == 1 else emit.op("Concat", *pieces, axis=axis)
