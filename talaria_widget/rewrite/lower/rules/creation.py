"""Tensors made of a shape and a number, too large to be stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import Emit

aten = torch.ops.aten


def filled(value: float) -> Callable[..., str]:
    """A tensor of one number."""

    def rule(emit: Emit, out: torch.Tensor, *_: Any, **__: Any) -> str:
        return spread(emit, out, value)

    return rule


def spread(emit: Emit, out: torch.Tensor, value: Any) -> str:
    """One number in the result's shape."""
    return emit.op("Expand", emit.operand(value, out.dtype), emit.ints(out.shape))


def full(emit: Emit, out: torch.Tensor, size: Any, value: Any, **_: Any) -> str:
    """A tensor of a given number; what stands before it gives the shape."""
    return spread(emit, out, value)


def new_full(
    emit: Emit, out: torch.Tensor, x: torch.Tensor, size: Any, value: Any, **_: Any
) -> str:
    """The same, of another tensor's type."""
    return spread(emit, out, value)


def arange(emit: Emit, out: torch.Tensor, *given: float, **_: Any) -> str:
    """Numbers at equal distances."""
    first, last, step = (0, given[0], 1) if len(given) == 1 else (*given, 1)[:3]
    return emit.op("Range", *[emit.scalar(number, out.dtype) for number in (first, last, step)])


RULES: Mapping[Any, Any] = {
    **{
        getattr(aten, f"{prefix}{name}{suffix}").default: filled(value)
        for name, value in (("zeros", 0), ("ones", 1), ("empty", 0))
        for prefix, suffix in (("", "_like"), ("new_", ""))
    },
    aten.zeros.default: filled(0),
    aten.ones.default: filled(1),
    aten.empty.memory_format: filled(0),
    aten.empty_strided.default: filled(0),
    aten.new_empty_strided.default: filled(0),
    aten.zero.default: filled(0),
    aten.fill.Scalar: full,
    aten.fill.Tensor: full,
    aten.full.default: full,
    aten.full_like.default: full,
    aten.new_full.default: new_full,
    aten.arange.default: arange,
    aten.arange.start: arange,
    aten.arange.start_step: arange,
}
