"""Arithmetic, element by element."""

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


def overloads(name: str, rule: Any) -> dict[Any, Any]:
    """A rule for each form of an operator that takes tensors and numbers."""
    packet = getattr(aten, name)
    wanted = ("default", "Tensor", "Scalar", "Scalar_Tensor", "Tensor_Scalar", "Tensor_Tensor")
    return {getattr(packet, o): rule for o in packet.overloads() if o in wanted}


RULES: Mapping[Any, Any] = {
    **{getattr(aten, name).default: unary(kind) for name, kind in _UNARY.items()},
    **overloads("add", add("Add")),
    **overloads("sub", add("Sub")),
    **overloads("subtract", add("Sub")),
    **overloads("rsub", add("Sub", swapped=True)),
    **overloads("mul", multiply),
    **overloads("multiply", multiply),
    **overloads("div", divide),
    **overloads("divide", divide),
    **overloads("true_divide", divide),
    aten.div.Tensor_mode: divide,
    aten.div.Scalar_mode: divide,
    **overloads("floor_divide", floor_divide),
    **overloads("remainder", remainder),
    **overloads("fmod", fmod),
    **overloads("pow", power),
    **overloads("float_power", power),
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
    aten.addcmul.default: addcmul,
    aten.lerp.Scalar: lerp,
    aten.lerp.Tensor: lerp,
}  # fmt: skip
