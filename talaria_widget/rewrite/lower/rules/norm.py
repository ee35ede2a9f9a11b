"""Normalisation layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

aten = torch.ops.aten
Tensor = torch.Tensor
Maybe = torch.Tensor | None


def batch_norm(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    weight: Maybe,
    bias: Maybe,
    running_mean: Maybe,
    running_var: Maybe,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> str:
    """With stored statistics; with none kept, those of the batch."""
    if running_mean is None or running_var is None:
        return _of_batch(emit, out, x, weight, bias, eps)
    if training:
        raise CannotLower("batch_norm is in training mode: call model.eval() first")
    channels = running_mean.shape[0]
    scale = _vector(emit, weight, 1.0, channels, x.dtype)
    shift = _vector(emit, bias, 0.0, channels, x.dtype)
    return emit.op(
        "BatchNormalization", x, scale, shift, running_mean, running_var, epsilon=float(eps)
    )


def _vector(
    emit: Emit, given: Maybe, otherwise: float, channels: int, dtype: torch.dtype
) -> Tensor | str:
    if given is not None:
        return given
    return emit.constant(torch.full((channels,), otherwise, dtype=dtype, device="cpu"))


def _of_batch(emit: Emit, out: Tensor, x: Tensor, weight: Maybe, bias: Maybe, eps: float) -> str:
    axes = [axis for axis in range(x.dim()) if axis != 1]
    centred, spread = _moments(emit, emit.value(x), axes, eps, out.dtype)
    made = emit.op("Div", centred, spread)
    return _affine(emit, made, weight, bias, (-1, *[1] * (x.dim() - 2)))


def _moments(
    emit: Emit, name: str, axes: Sequence[int], eps: float, dtype: torch.dtype
) -> tuple[str, str]:
    """What is left of the mean, and the standard deviation."""
    over = emit.ints(list(axes))
    centred = emit.op("Sub", name, emit.op("ReduceMean", name, over, keepdims=1))
    variance = emit.op("ReduceMean", emit.op("Mul", centred, centred), over, keepdims=1)
    return centred, emit.op("Sqrt", emit.op("Add", variance, emit.scalar(eps, dtype)))


def _affine(emit: Emit, name: str, weight: Maybe, bias: Maybe, shape: Sequence[int]) -> str:
    if weight is not None:
        name = emit.op("Mul", name, emit.reshape(weight, shape))
    return name if bias is None else emit.op("Add", name, emit.reshape(bias, shape))


def layer_norm(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Maybe = None,
    bias: Maybe = None,
    eps: float = 1e-5,
    cudnn_enable: bool = False,
) -> str:
    """Over the last axes."""
    scale: Tensor | str | None = weight
    if scale is None:
        ones = torch.ones(tuple(normalized_shape), dtype=x.dtype, device="cpu")
        scale = emit.constant(ones)
    axis = -len(normalized_shape)
    return emit.op("LayerNormalization", x, scale, bias, axis=axis, epsilon=float(eps))


def group_norm(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    num_groups: int,
    weight: Maybe = None,
    bias: Maybe = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> str:
    """Over groups of channels: an InstanceNormalization of the groups."""
    batch, channels, *space = x.shape
    grouped = emit.reshape(x, (batch, num_groups, channels // num_groups * prod(space)))
    ones = emit.constant(torch.ones(num_groups, dtype=x.dtype, device="cpu"))
    zeros = emit.constant(torch.zeros(num_groups, dtype=x.dtype, device="cpu"))
    made = emit.op("InstanceNormalization", grouped, ones, zeros, epsilon=float(eps))
    return _affine(emit, emit.reshape(made, x.shape), weight, bias, (-1, *[1] * len(space)))


def instance_norm(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    weight: Maybe,
    bias: Maybe,
    running_mean: Maybe,
    running_var: Maybe,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> str:
    """Over the axes behind the channels."""
    if not use_input_stats:
        return batch_norm(
            emit, out, x, weight, bias, running_mean, running_var, False, momentum, eps
        )
    if running_mean is not None:
        raise CannotLower("instance_norm is in training mode: call model.eval() first")
    channels = x.shape[1]
    scale = _vector(emit, weight, 1.0, channels, x.dtype)
    shift = _vector(emit, bias, 0.0, channels, x.dtype)
    return emit.op("InstanceNormalization", x, scale, shift, epsilon=float(eps))


def rms_norm(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Maybe = None,
    eps: float | None = None,
) -> str:
    """By the root of the mean square."""
    dtype = out.dtype
    name = emit.value(x)
    axes = emit.ints(list(range(-len(normalized_shape), 0)))
    mean = emit.op("ReduceMean", emit.op("Mul", name, name), axes, keepdims=1)
    small = torch.finfo(dtype).eps if eps is None else eps
    root = emit.op("Sqrt", emit.op("Add", mean, emit.scalar(small, dtype)))
    made = emit.op("Div", name, root)
    return made if weight is None else emit.op("Mul", made, weight)


def weight_norm(emit: Emit, out: Any, v: Tensor, g: Tensor, dim: int = 0) -> str | tuple[str, str]:
    """A weight of the length that another parameter says, along every axis but one."""
    axes = emit.ints([axis for axis in range(v.dim()) if axis != dim % v.dim()])
    length = emit.op("ReduceL2", v, axes, keepdims=1)
    made = emit.op("Mul", v, emit.op("Div", g, length))
    return (made, length) if isinstance(out, list | tuple) else made


RULES: Mapping[Any, Any] = {
    aten._weight_norm.default: weight_norm,
    aten._weight_norm_interface.default: weight_norm,
    aten.batch_norm.default: batch_norm,
    aten.layer_norm.default: layer_norm,
    aten.group_norm.default: group_norm,
    aten.instance_norm.default: instance_norm,
    aten.rms_norm.default: rms_norm,
}
