"""What the runtime's weights of bytes hold: elements of fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from talaria_widget.frontends.onnx.types import Shape


@dataclass(frozen=True, slots=True)
class Packed:
    """The elements in a tensor of bytes: their shape, and the bits of each."""

    shape: Shape
    bits: int


Unpack = Callable[[Mapping[str, Any], int, Shape], Packed | None]
"""Of a node's attributes, the weight's slot and its shape in bytes; `None`: one byte each."""


def blocks(given: Mapping[str, Any], slot: int, shape: Shape) -> Packed:
    """MatMulNBits and its like: N x K elements, the last block of a row filled up."""
    return Packed((given["N"], given["K"]), given.get("bits", 4))


def rows(given: Mapping[str, Any], slot: int, shape: Shape) -> Packed | None:
    """A table or matrix whose last axis packs elements."""
    bits = given.get("bits") or given.get("expert_weight_bits") or 4
    layer = {2: "fc1", 5: "fc2", 8: "fc3"}.get(slot)
    bits = given.get(f"{layer}_expert_weight_bits") or bits
    return Packed((*shape[:-1], shape[-1] * 8 // bits), bits) if bits < 8 else None
