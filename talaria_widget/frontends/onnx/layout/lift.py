"""Nodes of the first operator sets as the sixth has them: before it, few shapes are inferred."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx

from talaria_widget.frontends.onnx.types import DTYPES

FIRST = 6
"""The operator set from which onnx infers the shapes of nearly all operators."""
_CODES = {onnx.TensorProto.DataType.Name(code): code for code in DTYPES}
_Given = Mapping[str, Any]
_Lifted = tuple[onnx.NodeProto, list[onnx.TensorProto]]


def lift(node: onnx.NodeProto, given: _Given) -> _Lifted:
    """The node as operator set 6 has it, and the stored tensors that it then reads."""
    rule = _RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    return rule(node, given) if rule is not None else (node, [])


def _reshape(node: onnx.NodeProto, given: _Given) -> _Lifted:
    """The shape was an attribute before operator set 5."""
    if "shape" not in given:
        return node, []
    name = f"{node.output[0]}:shape"
    shape = onnx.numpy_helper.from_array(np.asarray(given["shape"], np.int64), name)
    return onnx.helper.make_node("Reshape", [node.input[0], name], node.output), [shape]


def _concat(node: onnx.NodeProto, given: _Given) -> _Lifted:
    """The axis was 1 unless said before operator set 4."""
    return _made(node, axis=given.get("axis", 1)), []


def _pad(node: onnx.NodeProto, given: _Given) -> _Lifted:
    """The sizes had another name in operator set 1."""
    return _made(node, pads=given.get("pads", given.get("paddings"))), []


def _cast(node: onnx.NodeProto, given: _Given) -> _Lifted:
    """The type was text before operator set 6."""
    to = given.get("to")
    return _made(node, to=_CODES.get(to, 0) if isinstance(to, str) else to), []


def _made(node: onnx.NodeProto, **attributes: Any) -> onnx.NodeProto:
    return onnx.helper.make_node(node.op_type, list(node.input), list(node.output), **attributes)


_RULES: Mapping[str, Callable[[onnx.NodeProto, _Given], _Lifted]] = {
    "Reshape": _reshape,
    "Concat": _concat,
    "Pad": _pad,
    "Cast": _cast,
}
