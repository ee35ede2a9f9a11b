"""Activations, softmax and dropout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

aten = torch.ops.aten


def gelu(emit: Emit, out: torch.Tensor, x: torch.Tensor, *, approximate: str = "none") -> str:
    """GELU, by the error function or by tanh."""
    return emit.op("Gelu", x, approximate=approximate)


def silu(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """`x * sigmoid(x)`."""
    return emit.op("Mul", x, emit.op("Sigmoid", x))


def hardswish(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """`x * clip(x / 6 + 1 / 2, 0, 1)`: ONNX Runtime takes HardSwish apart and loses its name."""
    return emit.op("Mul", x, hardsigmoid(emit, out, x))


def hardsigmoid(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """`clip(x / 6 + 1 / 2, 0, 1)`."""
    return emit.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)


def hardtanh(
    emit: Emit, out: torch.Tensor, x: torch.Tensor, min_val: float = -1, max_val: float = 1
) -> str:
    """Numbers kept between two limits."""
    return emit.op("Clip", x, emit.scalar(min_val, out.dtype), emit.scalar(max_val, out.dtype))


def leaky_relu(emit: Emit, out: torch.Tensor, x: torch.Tensor, negative_slope: float = 0.01) -> str:
    """Relu with a slope below zero."""
    return emit.op("LeakyRelu", x, alpha=float(negative_slope))


def elu(
    emit: Emit,
    out: torch.Tensor,
    x: torch.Tensor,
    alpha: float = 1,
    scale: float = 1,
    input_scale: float = 1,
) -> str:
    """ELU; with scales, what SELU and CELU are made of."""
    if scale == 1 and input_scale == 1:
        return emit.op("Elu", x, alpha=float(alpha))
    zero = emit.scalar(0.0, out.dtype)
    inner = emit.op("Mul", emit.op("Min", x, zero), emit.scalar(input_scale, out.dtype))
    grown = emit.op("Sub", emit.op("Exp", inner), emit.scalar(1.0, out.dtype))
    below = emit.op("Mul", grown, emit.scalar(alpha * scale, out.dtype))
    above = emit.op("Mul", emit.op("Relu", x), emit.scalar(scale, out.dtype))
    return emit.op("Add", above, below)


def prelu(emit: Emit, out: torch.Tensor, x: torch.Tensor, weight: torch.Tensor) -> str:
    """Relu with learned slopes: one for all, or one for each channel."""
    slope = emit.value(weight)
    if weight.numel() > 1 and x.dim() > 2:
        slope = emit.reshape(slope, (-1, *[1] * (x.dim() - 2)))
    return emit.op("PRelu", x, slope)


def softplus(
    emit: Emit, out: torch.Tensor, x: torch.Tensor, beta: float = 1, threshold: float = 20
) -> str:
    """`log(1 + exp(beta x)) / beta`; above the threshold the two are equal to 1e-9."""
    if beta == 1:
        return emit.op("Softplus", x)
    scaled = emit.op("Softplus", emit.op("Mul", x, emit.scalar(beta, out.dtype)))
    return emit.op("Div", scaled, emit.scalar(beta, out.dtype))


def mish(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """`x * tanh(softplus(x))`."""
    return emit.op("Mul", x, emit.op("Tanh", emit.op("Softplus", x)))


def log_sigmoid(emit: Emit, out: torch.Tensor, x: torch.Tensor) -> str:
    """`-softplus(-x)`."""
    return emit.op("Neg", emit.op("Softplus", emit.op("Neg", x)))


def threshold(
    emit: Emit, out: torch.Tensor, x: torch.Tensor, threshold: float, value: float
) -> str:
    """Numbers above a threshold, and a value for the others."""
    above = emit.op("Greater", x, emit.scalar(threshold, out.dtype))
    return emit.op("Where", above, x, emit.scalar(value, out.dtype))


def shrink(*, soft: bool) -> Callable[..., str]:
    """Numbers near zero become zero; softly, the others come nearer."""

    def rule(emit: Emit, out: torch.Tensor, x: torch.Tensor, lambd: float = 0.5) -> str:
        return emit.op("Shrink", x, lambd=float(lambd), bias=float(lambd) if soft else 0.0)

    return rule


def glu(emit: Emit, out: torch.Tensor, x: torch.Tensor, dim: int = -1) -> str:
    """One half times the sigmoid of the other."""
    first, second = emit.ops("Split", 2, x, axis=dim, num_outputs=2)
    return emit.op("Mul", first, emit.op("Sigmoid", second))


def softmax(kind: str) -> Callable[..., str]:
    """Softmax or its logarithm, in the result's type."""

    def rule(emit: Emit, out: torch.Tensor, x: torch.Tensor, dim: int, *_: Any, **__: Any) -> str:
        return emit.op(kind, emit.cast(x, out.dtype), axis=dim)

    return rule


def dropout(emit: Emit, out: torch.Tensor, x: torch.Tensor, p: float, train: bool) -> str:
    """Nothing, unless the model trains."""
    if train and p:
        raise CannotLower("dropout is in training mode: call model.eval() first")
    return emit.value(x)


RULES: Mapping[Any, Any] = {
    aten.gelu.default: gelu,
    aten.silu.default: silu,
    aten.hardswish.default: hardswish,
    aten.hardsigmoid.default: hardsigmoid,
    aten.hardtanh.default: hardtanh,
    aten.relu6.default: lambda emit, out, x: hardtanh(emit, out, x, 0.0, 6.0),
    aten.leaky_relu.default: leaky_relu,
    aten.elu.default: elu,
    aten.celu.default: lambda emit, out, x, alpha=1.0: elu(emit, out, x, alpha, 1, 1 / alpha),
    aten.selu.default: lambda emit, out, x: emit.op("Selu", x),
    aten.prelu.default: prelu,
    aten._prelu_kernel.default: prelu,
    aten.softplus.default: softplus,
    aten.mish.default: mish,
    aten.log_sigmoid.default: log_sigmoid,
    aten.threshold.default: threshold,
    aten.hardshrink.default: shrink(soft=False),
    aten.softshrink.default: shrink(soft=True),
    aten.glu.default: glu,
    aten.softmax.int: softmax("Softmax"),
    aten._softmax.default: softmax("Softmax"),
    aten.log_softmax.int: softmax("LogSoftmax"),
    aten._log_softmax.default: softmax("LogSoftmax"),
    aten.dropout.default: dropout,
    aten.feature_dropout.default: dropout,
    aten.alpha_dropout.default: dropout,
    aten.feature_alpha_dropout.default: dropout,
}
