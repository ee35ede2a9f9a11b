"""The one device a traced model believes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from talaria_widget.frontends.torch.trace.recording import Call, Ref, Value


def answer(word: str, device: torch.device) -> Any:
    """What a tensor says of where it lives."""
    if word == "device":
        return device
    if word == "get_device":
        return -1 if device.index is None else device.index
    return word == f"is_{device.type}"


def without_device(
    word: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of `to`, `cuda` or `cpu` with the device taken out.

    Only the tensor is left where nothing but a device was asked for; `to(other)` becomes
    `to(other.dtype)`.
    """
    if word != "to":
        return args[:1], {}
    kept = [
        item.dtype if isinstance(item, torch.Tensor) else item
        for item in args[1:]
        if isinstance(item, torch.Tensor | torch.dtype)
    ]
    named = {
        name: value
        for name, value in kwargs.items()
        if name in ("dtype", "memory_format", "copy") and value not in (None, False)
    }
    if "other" in kwargs:
        named["dtype"] = kwargs["other"].dtype
    return (args[0], *kept), named


def selects(call: Call, values: Sequence[Value]) -> bool:
    """Whether the shape of an ordinary call's result depends on its arguments' data."""
    if call.target == "torch.Tensor.__getitem__":
        index = call.args[1]
        # A reference is a tuple itself.
        parts = index if isinstance(index, tuple) and not isinstance(index, Ref) else (index,)
        return any(_is_mask(part, values) for part in parts)
    word = call.target.rsplit(".", 1)[-1]
    if word == "nms":
        return True
    if word == "where":
        return len(call.args) == 1 and not call.kwargs
    if word == "repeat_interleave":
        repeats = call.args[1] if len(call.args) > 1 else call.kwargs.get("repeats")
        return isinstance(repeats, Ref) and call.kwargs.get("output_size") is None
    if word == "tensor_split":
        return any(isinstance(part, Ref) for part in (*call.args[1:], *call.kwargs.values()))
    if word == "one_hot":
        return len(call.args) < 2 and "num_classes" not in call.kwargs
    return False


def _is_mask(part: Any, values: Sequence[Value]) -> bool:
    return isinstance(part, Ref) and values[part.value].dtype in (torch.bool, torch.uint8)
