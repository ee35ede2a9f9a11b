"""Automatic mixed precision, which torch applies to real tensors but not to meta ones."""

from __future__ import annotations

from typing import Any

import torch

from talaria_widget.frontends.torch.trace.structure import replace

_LOWER = frozenset(
    [
        "linear",
        "matmul",
        "bmm",
        "mm",
        "baddbmm",
        "addmm",
        "addbmm",
        "mv",
        "einsum",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "scaled_dot_product_attention",
        "bilinear",
        "multi_head_attention_forward",
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
        "chain_matmul",
        "prelu",
    ]
)
_RAISE = frozenset(
    [
        "layer_norm",
        "group_norm",
        "softmax",
        "log_softmax",
        "exp",
        "log",
        "pow",
        "sum",
        "prod",
        "cumsum",
        "norm",
        "cosine_similarity",
        "cross_entropy",
        "nll_loss",
        "mse_loss",
        "l1_loss",
        "binary_cross_entropy_with_logits",
        "softplus",
        "rsqrt",
    ]
)
_RAISE_ON_CPU = frozenset(
    [
        "mse_loss",
        "nll_loss",
        "cross_entropy",
        "binary_cross_entropy_with_logits",
        "cosine_similarity",
    ]
)


def active(device: torch.device) -> torch.dtype | None:
    """The lower precision that autocast is set to now, or `None` where it is off."""
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return None


def cast(word: str, args: Any, device: torch.device, lower: torch.dtype) -> Any:
    """The twins of a call's arguments in the precision that autocast would give them."""
    raised = _RAISE_ON_CPU if device.type == "cpu" else _RAISE
    if word in _LOWER:
        wanted = lower
    elif word in raised:
        wanted = torch.float32
    else:
        return args

    def change(tensor: torch.Tensor) -> torch.Tensor:
        eligible = tensor.is_floating_point() and tensor.dtype != torch.float64
        return tensor.to(wanted) if eligible else tensor

    return replace(args, change)
