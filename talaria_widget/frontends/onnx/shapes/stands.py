"""Standard nodes that stand in for the runtime's, so that onnx can infer their shapes: parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import helper

Extra = list[onnx.ValueInfoProto]
Stands = tuple[list[onnx.NodeProto], Extra]
"""The nodes, and the types of inputs that they need beside."""


def make(op_type: str, inputs: Sequence[str], output: str, **given: Any) -> onnx.NodeProto:
    """A node of one output."""
    return helper.make_node(op_type, list(inputs), [output], **given)


def integers(output: str, *values: int) -> onnx.NodeProto:
    """A Constant node of a few integers."""
    return helper.make_node("Constant", [], [output], value_ints=list(values))


def has(node: onnx.NodeProto, slot: int) -> bool:
    """Whether the node reads this slot."""
    return slot < len(node.input) and bool(node.input[slot])


def wanted(node: onnx.NodeProto, slot: int) -> bool:
    """Whether the node gives this output."""
    return slot < len(node.output) and bool(node.output[slot])
