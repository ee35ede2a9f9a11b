"""Arithmetic, comparisons and activations, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from talaria_widget.rewrite.lower.dtypes import REAL_OF
from talaria_widget.rewrite.lower.emit import Emit

aten = torch.ops.aten
Operand = torch.Tensor | float


def _floating(out: torch.Tensor) -> bool:
    return out.dtype.is_floating_point


def unary(kind: str) -> Callable[..., str]:
    """A node of one operand, computed in the result's type."""
    return lambda emit, out, x: emit.op(kind, emit.cast(x, out.dtype))


def binary(kind: str) -> Callable[..., str]:
    """A node of two operands, computed in the result's type."""

    def rule(emit: Emit, out: torch.Tensor, a: Operand, b: Operand) -> str:
        return emit.op(kind, emit.operand(a, out.dtype), emit.operand(b, out.dtype))

    return rule


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


def add(kind: str, *, swapped: bool = False) -> Callable[..., str]:
    """`a + alpha * b` or `a - alpha * b`."""

    def rule(
        emit: Emit, out: torch.Tensor, a: Operand, b: Operand, alpha: float = 1, **given: Any
    ) -> str:
        alpha = given.get("alpha", alpha)
        if swapped:
            a, b = b, a
        if out.dtype is torch.bool:
            return emit.op("Or", emit.operand(a, torch.bool), emit.operand(b, torch.bool))
        first, second = emit.operand(a, out.dtype), emit.operand(b, out.dtype)
        if alpha != 1:
            scaled = "first" if swapped else "second"
            factor = emit.scalar(alpha, out.dtype)
            if scaled == "first":
                first = emit.op("Mul", first, factor)
            else:
                second = emit.op("Mul", second, factor)
        return emit.op(kind, first, second)

    return rule


def multiply(emit: Emit, out: torch.Tensor, a: Operand, b: Operand) -> str:
    """A product; of truths, And."""
    kind = "And" if out.dtype is torch.bool else "Mul"
    return emit.op(kind, emit.operand(a, out.dtype), emit.operand(b, out.dtype))


def divide(
    emit: Emit, out: torch.Tensor, a: Operand, b: Operand, rounding_mode: str | None = None
) -> str:
    """A quotient, rounded down or to zero where that is asked."""
    first, second = emit.operand(a, out.dtype), emit.operand(b, out.dtype)
    if rounding_mode is None:
        return emit.op("Div", first, second)
    if _floating(out):
        quotient = emit.op("Div", first, second)
        return _truncate(emit, quotient) if rounding_mode == "trunc" else emit.op("Floor", quotient)
    if rounding_mode == "trunc":
        return emit.op("Div", first, second)
    # ONNX divides integers towards zero; without the remainder the quotient is exact.
    rest = emit.op("Mod", first, second)
    return emit.op("Div", emit.op("Sub", first, rest), second)


def _truncate(emit: Emit, x: str) -> str:
    return emit.op("Mul", emit.op("Sign", x), emit.op("Floor", emit.op("Abs", x)))


def floor_divide(emit: Emit, out: torch.Tensor, a: Operand, b: Operand) -> str:
    """A quotient rounded down."""
    return divide(emit, out, a, b, "floor")


def remainder(emit: Emit, out: torch.Tensor, a: Operand, b: Operand) -> str:
    """What is left, with the divisor's sign."""
    first, second = emit.operand(a, out.dtype), emit.operand(b, out.dtype)
    if not _floating(out):
        return emit.op("Mod", first, second)
    whole = emit.op("Floor", emit.op("Div", first, second))
    return emit.op("Sub", first, emit.op("Mul", whole, second))


def fmod(emit: Emit, out: torch.Tensor, a: Operand, b: Operand) -> str:
    """What is left, with the dividend's sign."""
    return emit.op("Mod", emit.operand(a, out.dtype), emit.operand(b, out.dtype), fmod=1)


def power(emit: Emit, out: torch.Tensor, a: Operand, b: Operand) -> str:
    """A power; squares and roots as what they are."""
    first = emit.operand(a, out.dtype)
    if not isinstance(b, torch.Tensor) and b == 2:
        return emit.op("Mul", first, first)
    if not isinstance(b, torch.Tensor) and b == 0.5:
        return emit.op("Sqrt", first)
    return emit.op("Pow", first, emit.operand(b, out.dtype))


def square(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """A number times itself."""
    name = emit.value(x)
    return emit.op("Mul", name, name)


def rsqrt(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """One over a root."""
    return emit.op("Reciprocal", emit.op("Sqrt", emit.cast(x, out.dtype)))


def scaled_log(base: float) -> Callable[..., str]:
    """A logarithm to a base."""

    def rule(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
        found = emit.op("Log", emit.cast(x, out.dtype))
        return emit.op("Mul", found, emit.scalar(1 / math.log(base), out.dtype))

    return rule


def log1p(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """`log(1 + x)`."""
    return emit.op("Log", emit.op("Add", emit.cast(x, out.dtype), emit.scalar(1.0, out.dtype)))


def expm1(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """`exp(x) - 1`."""
    return emit.op("Sub", emit.op("Exp", emit.cast(x, out.dtype)), emit.scalar(1.0, out.dtype))


def exp2(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """A power of two."""
    return emit.op("Pow", emit.scalar(2.0, out.dtype), emit.cast(x, out.dtype))


def erfc(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """`1 - erf(x)`."""
    return emit.op("Sub", emit.scalar(1.0, out.dtype), emit.op("Erf", x))


def trunc(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """A number rounded to zero."""
    return _truncate(emit, emit.value(x)) if _floating(out) else emit.value(x)


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
    if not tensors and _floating(out):
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


def addcmul(
    emit: Emit,
    out: torch.Tensor,
    x: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    value: float = 1,
) -> str:
    """`x + value * a * b`."""
    product = emit.op("Mul", emit.cast(a, out.dtype), emit.cast(b, out.dtype))
    if value != 1:
        product = emit.op("Mul", product, emit.scalar(value, out.dtype))
    return emit.op("Add", emit.cast(x, out.dtype), product)


def lerp(emit: Emit, out: torch.Tensor, a: torch.Tensor, b: torch.Tensor, weight: Operand) -> str:
    """A point on the way from one to another."""
    way = emit.op("Mul", emit.op("Sub", b, a), emit.operand(weight, out.dtype))
    return emit.op("Add", a, way)


def isfinite(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """Whether numbers are neither infinite nor none."""
    return emit.op("Not", emit.op("Or", emit.op("IsInf", x), emit.op("IsNaN", x)))


def same(emit: Emit, out: torch.Tensor, x: torch.Tensor, *_: Any, **__: Any) -> str:
    """The tensor itself, as another type where the result has one."""
    if out.dtype.is_complex:
        return as_pairs(emit, out, x)
    return emit.cast(x, out.dtype)


def as_pairs(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """Real numbers as complex ones: pairs whose second is zero."""
    real = emit.op("Unsqueeze", emit.cast(x, REAL_OF[out.dtype]), emit.ints([-1]))
    pads = emit.ints([0] * (2 * x.dim() + 1) + [1])
    return emit.op("Pad", real, pads)


_UNARY = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exp": "Exp", "log": "Log",
    "sqrt": "Sqrt", "neg": "Neg", "abs": "Abs", "erf": "Erf", "floor": "Floor", "ceil": "Ceil",
    "round": "Round", "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin", "acos": "Acos",
    "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh", "acosh": "Acosh",
    "atanh": "Atanh", "sign": "Sign", "reciprocal": "Reciprocal",
}  # fmt: skip
_COMPARE = {
    "eq": ("Equal", False), "ne": ("Equal", True), "lt": ("Less", False),
    "le": ("LessOrEqual", False), "gt": ("Greater", False), "ge": ("GreaterOrEqual", False),
}  # fmt: skip
_LOGICAL = {
    "logical_and": ("And", None), "logical_or": ("Or", None), "logical_xor": ("Xor", None),
}  # fmt: skip
_BITWISE = {
    "bitwise_and": ("And", "BitwiseAnd"), "bitwise_or": ("Or", "BitwiseOr"),
    "bitwise_xor": ("Xor", "BitwiseXor"),
}  # fmt: skip


def _overloads(name: str, rule: Any) -> dict[Any, Any]:
    packet = getattr(aten, name)
    wanted = ("default", "Tensor", "Scalar", "Scalar_Tensor", "Tensor_Scalar", "Tensor_Tensor")
    return {getattr(packet, o): rule for o in packet.overloads() if o in wanted}


RULES: Mapping[Any, Any] = {
    **{getattr(aten, name).default: unary(kind) for name, kind in _UNARY.items()},
    **{k: v for n, given in _COMPARE.items() for k, v in _overloads(
        n, compare(given[0], negated=given[1])).items()},
    **{k: v for n, given in _BITWISE.items() for k, v in _overloads(n, logical(*given)).items()},
    aten.logical_and.default: lambda emit, out, a, b: emit.op(
        "And", emit.cast(a, torch.bool), emit.cast(b, torch.bool)),
    aten.logical_or.default: lambda emit, out, a, b: emit.op(
        "Or", emit.cast(a, torch.bool), emit.cast(b, torch.bool)),
    aten.logical_xor.default: lambda emit, out, a, b: emit.op(
        "Xor", emit.cast(a, torch.bool), emit.cast(b, torch.bool)),
    aten.logical_not.default: lambda emit, out, x: emit.op("Not", emit.cast(x, torch.bool)),
    aten.bitwise_not.default: negate,
    aten.__and__.Tensor: logical("And", "BitwiseAnd"),
    aten.__or__.Tensor: logical("Or", "BitwiseOr"),
    aten.__xor__.Tensor: logical("Xor", "BitwiseXor"),
    aten.__and__.Scalar: logical("And", "BitwiseAnd"),
    aten.__or__.Scalar: logical("Or", "BitwiseOr"),
    **_overloads("add", add("Add")),
    **_overloads("sub", add("Sub")),
    **_overloads("subtract", add("Sub")),
    **_overloads("rsub", add("Sub", swapped=True)),
    **_overloads("mul", multiply),
    **_overloads("multiply", multiply),
    **_overloads("div", divide),
    **_overloads("divide", divide),
    **_overloads("true_divide", divide),
    aten.div.Tensor_mode: divide,
    aten.div.Scalar_mode: divide,
    **_overloads("floor_divide", floor_divide),
    **_overloads("remainder", remainder),
    **_overloads("fmod", fmod),
    **_overloads("pow", power),
    **_overloads("float_power", power),
    aten.maximum.default: binary("Max"),
    aten.minimum.default: binary("Min"),
    aten.max.other: binary("Max"),
    aten.min.other: binary("Min"),
    aten.square.default: square,
    aten.rsqrt.default: rsqrt,
    aten.log2.default: scaled_log(2),
    aten.log10.default: scaled_log(10),
    aten.log1p.default: log1p,
    aten.expm1.default: expm1,
    aten.exp2.default: exp2,
    aten.erfc.default: erfc,
    aten.trunc.default: trunc,
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
    aten.addcmul.default: addcmul,
    aten.lerp.Scalar: lerp,
    aten.lerp.Tensor: lerp,
}  # fmt: skip
