"""Convolutions, plain and transposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

aten = torch.ops.aten
Size = int | Sequence[int]


def full(value: Size, rank: int) -> list[int]:
    """A setting for each spatial axis."""
    items = [value] if isinstance(value, int) else list(value)
    return items * rank if len(items) == 1 else items


def batched(emit: Emit, x: torch.Tensor, rank: int) -> tuple[str, bool]:
    """A tensor with a batch axis, and whether it lacked one."""
    if x.dim() == rank + 2:
        return emit.value(x), False
    return emit.op("Unsqueeze", x, emit.ints([0])), True


def unbatched(emit: Emit, name: str, lacked: bool) -> str:
    """Without the batch axis again."""
    return emit.op("Squeeze", name, emit.ints([0])) if lacked else name


def conv(rank: int) -> Callable[..., str]:
    """A convolution over so many axes."""

    def rule(
        emit: Emit,
        out: torch.Tensor,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
    ) -> str:
        strides, dilations = full(stride, rank), full(dilation, rank)
        kernel = list(weight.shape[2:])
        if isinstance(padding, str):
            pads = _named_padding(padding, kernel, dilations)
        else:
            pads = full(padding, rank) * 2
        name, lacked = batched(emit, x, rank)
        made = emit.op(
            "Conv",
            name,
            weight,
            bias,
            kernel_shape=kernel,
            strides=strides,
            pads=pads,
            dilations=dilations,
            group=groups,
        )
        return unbatched(emit, made, lacked)

    return rule


def _named_padding(padding: str, kernel: list[int], dilations: list[int]) -> list[int]:
    if padding == "valid":
        return [0] * 2 * len(kernel)
    total = [d * (k - 1) for k, d in zip(kernel, dilations, strict=True)]
    return [t // 2 for t in total] + [t - t // 2 for t in total]


def conv_transpose(rank: int) -> Callable[..., str]:
    """A transposed convolution over so many axes."""

    def rule(
        emit: Emit,
        out: torch.Tensor,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        dilation: Size = 1,
    ) -> str:
        name, lacked = batched(emit, x, rank)
        made = emit.op(
            "ConvTranspose",
            name,
            weight,
            bias,
            kernel_shape=list(weight.shape[2:]),
            strides=full(stride, rank),
            pads=full(padding, rank) * 2,
            output_padding=full(output_padding, rank),
            dilations=full(dilation, rank),
            group=groups,
        )
        return unbatched(emit, made, lacked)

    return rule


def convolution(
    emit: Emit,
    out: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Size,
    padding: Size,
    dilation: Size,
    transposed: bool,
    output_padding: Size,
    groups: int,
) -> str:
    """Either."""
    rank = weight.dim() - 2
    if rank < 1:
        raise CannotLower("a convolution without axes has no form in ONNX")
    if transposed:
        rule = conv_transpose(rank)
        return rule(emit, out, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(rank)(emit, out, x, weight, bias, stride, padding, dilation, groups)


RULES: Mapping[Any, Any] = {
    aten.conv1d.default: conv(1),
    aten.conv1d.padding: conv(1),
    aten.conv2d.default: conv(2),
    aten.conv2d.padding: conv(2),
    aten.conv3d.default: conv(3),
    aten.conv3d.padding: conv(3),
    aten.conv_transpose1d.default: conv_transpose(1),
    aten.conv_transpose2d.input: conv_transpose(2),
    aten.conv_transpose3d.input: conv_transpose(3),
    aten.convolution.default: convolution,
}
