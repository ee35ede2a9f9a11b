"""The tables that a node keeps in its attributes: trees, coefficients, support vectors."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import onnx

from talaria_widget.frontends.onnx.types import dtype_name
from talaria_widget.graph import Role, Tensor

_DOMAIN = "ai.onnx.ml"


def tables(node: onnx.NodeProto, label: str, given: Mapping[str, Any]) -> list[Tensor]:
    """What a node of the classical domain stores, by attribute: numbers, and text as bytes.

    Numbers to compute with are parameters; the structure of trees and the names of classes are
    buffers.
    """
    if node.domain != _DOMAIN:
        return []
    found = (_table(f"{label}/{name}", value) for name, value in given.items())
    return [tensor for tensor in found if tensor is not None]


def _table(name: str, value: Any) -> Tensor | None:
    if isinstance(value, onnx.TensorProto):
        dtype, shape = dtype_name(value.data_type), tuple(value.dims)
        return Tensor(name, shape, dtype, _role(dtype)) if prod(shape) > 1 else None
    if not isinstance(value, list) or len(value) < 2:
        return None
    if all(isinstance(item, float) for item in value):
        return Tensor(name, (len(value),), "float32", "parameter")
    if all(isinstance(item, int) for item in value):
        return Tensor(name, (len(value),), "int64", "buffer")
    if all(isinstance(item, bytes) for item in value):
        return Tensor(name, (sum(map(len, value)),), "uint8", "buffer")
    return None


def _role(dtype: str) -> Role:
    return "parameter" if dtype.startswith("float") else "buffer"
