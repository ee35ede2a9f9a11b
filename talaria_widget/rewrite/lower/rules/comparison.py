"""Numbers compared, kept within limits, and chosen by truths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import Emit
from talaria_widget.rewrite.lower.rules.elementwise import overloads

aten = torch.ops.aten
Tensor = torch.Tensor
Operand = torch.Tensor | float


def compare(kind: str, *, negated: bool = False) -> Callable[..., str]:
    """A comparison, in the type that both operands promote to."""

    def rule(emit: Emit, out: torch.Tensor, a: Operand, b: Operand) -> str:
        dtype = torch.result_type(a, b)
        if dtype is torch.bool and kind != "Equal":
            dtype = torch.int32
        found = emit.op(kind, emit.operand(a, dtype), emit.operand(b, dtype))
        return emit.op("Not", found) if negated else found

    return rule


def logical(kind: str, bitwise: str | None = None) -> Callable[..., str]:
    """And, Or, Xor: of truths, or of the bits of integers."""

    def rule(emit: Emit, out: torch.Tensor, a: Operand, b: Operand) -> str:
        chosen = bitwise if bitwise and out.dtype is not torch.bool else kind
        return emit.op(chosen, emit.operand(a, out.dtype), emit.operand(b, out.dtype))

    return rule


def negate(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """Not: of truths, or of bits."""
    if out.dtype is not torch.bool:
        return emit.op("BitwiseNot", x)
    return emit.op("Not", emit.cast(x, torch.bool))


def where(emit: Emit, out: torch.Tensor, condition: torch.Tensor, a: Operand, b: Operand) -> str:
    """One of two."""
    chosen = emit.cast(condition, torch.bool)
    return emit.op("Where", chosen, emit.operand(a, out.dtype), emit.operand(b, out.dtype))


def masked_fill(
    emit: Emit, out: torch.Tensor, x: torch.Tensor, mask: torch.Tensor, value: Operand
) -> str:
    """A value where a mask holds."""
    return where(emit, out, mask, value, x)


def clamp(
    emit: Emit,
    out: torch.Tensor,
    x: torch.Tensor,
    min: Operand | None = None,
    max: Operand | None = None,
) -> str:
    """Numbers kept between two limits."""
    tensors = isinstance(min, torch.Tensor) or isinstance(max, torch.Tensor)
    name = emit.cast(x, out.dtype)
    if not tensors and out.dtype.is_floating_point:
        limits = [None if m is None else emit.operand(m, out.dtype) for m in (min, max)]
        return emit.op("Clip", name, *limits)
    if min is not None:
        name = emit.op("Max", name, emit.operand(min, out.dtype))
    return name if max is None else emit.op("Min", name, emit.operand(max, out.dtype))


def clamp_min(emit: Emit, out: torch.Tensor, x: torch.Tensor, min: Operand) -> str:
    """Numbers of at least a limit."""
    return clamp(emit, out, x, min)


def clamp_max(emit: Emit, out: torch.Tensor, x: torch.Tensor, max: Operand) -> str:
    """Numbers of at most a limit."""
    return clamp(emit, out, x, None, max)


def isfinite(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """Whether numbers are neither infinite nor none."""
    return emit.op("Not", emit.op("Or", emit.op("IsInf", x), emit.op("IsNaN", x)))


_COMPARE = {
    "eq": ("Equal", False), "ne": ("Equal", True), "lt": ("Less", False),
    "le": ("LessOrEqual", False), "gt": ("Greater", False), "ge": ("GreaterOrEqual", False),
}  # fmt: skip


_BITWISE = {
    "bitwise_and": ("And", "BitwiseAnd"), "bitwise_or": ("Or", "BitwiseOr"),
    "bitwise_xor": ("Xor", "BitwiseXor"),
}  # fmt: skip


RULES: Mapping[Any, Any] = {
    **{
        k: v
        for n, given in _COMPARE.items()
        for k, v in overloads(n, compare(given[0], negated=given[1])).items()
    },
    **{k: v for n, given in _BITWISE.items() for k, v in overloads(n, logical(*given)).items()},
    aten.logical_and.default: lambda emit, out, a, b: emit.op(
        "And", emit.cast(a, torch.bool), emit.cast(b, torch.bool)
    ),
    aten.logical_or.default: lambda emit, out, a, b: emit.op(
        "Or", emit.cast(a, torch.bool), emit.cast(b, torch.bool)
    ),
    aten.logical_xor.default: lambda emit, out, a, b: emit.op(
        "Xor", emit.cast(a, torch.bool), emit.cast(b, torch.bool)
    ),
    aten.logical_not.default: lambda emit, out, x: emit.op("Not", emit.cast(x, torch.bool)),
    aten.bitwise_not.default: negate,
    aten.__and__.Tensor: logical("And", "BitwiseAnd"),
    aten.__or__.Tensor: logical("Or", "BitwiseOr"),
    aten.__xor__.Tensor: logical("Xor", "BitwiseXor"),
    aten.__and__.Scalar: logical("And", "BitwiseAnd"),
    aten.__or__.Scalar: logical("Or", "BitwiseOr"),
    aten.isnan.default: lambda emit, out, x: emit.op("IsNaN", x),
    aten.isinf.default: lambda emit, out, x: emit.op("IsInf", x),
    aten.isfinite.default: isfinite,
    **{getattr(aten.where, o): where for o in ("self", "Scalar", "ScalarSelf", "ScalarOther")},
    aten.masked_fill.Scalar: masked_fill,
    aten.masked_fill.Tensor: masked_fill,
    aten.clamp.default: clamp,
    aten.clamp.Tensor: clamp,
    aten.clip.default: clamp,
    aten.clamp_min.default: clamp_min,
    aten.clamp_min.Tensor: clamp_min,
    aten.clamp_max.default: clamp_max,
    aten.clamp_max.Tensor: clamp_max,
}
