"""What ONNX calls things, in our words: dtypes, shapes, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from talaria_widget.graph import UnsupportedModelError

Shape = tuple[int, ...]

_CODES = onnx.TensorProto
DTYPES: Mapping[int, str] = {
    _CODES.FLOAT: "float32",
    _CODES.UINT8: "uint8",
    _CODES.INT8: "int8",
    _CODES.UINT16: "uint16",
    _CODES.INT16: "int16",
    _CODES.INT32: "int32",
    _CODES.INT64: "int64",
    _CODES.STRING: "string",
    _CODES.BOOL: "bool",
    _CODES.FLOAT16: "float16",
    _CODES.DOUBLE: "float64",
    _CODES.UINT32: "uint32",
    _CODES.UINT64: "uint64",
    _CODES.COMPLEX64: "complex64",
    _CODES.COMPLEX128: "complex128",
    _CODES.BFLOAT16: "bfloat16",
    _CODES.FLOAT8E4M3FN: "float8",
    _CODES.FLOAT8E4M3FNUZ: "float8",
    _CODES.FLOAT8E5M2: "float8",
    _CODES.FLOAT8E5M2FNUZ: "float8",
    _CODES.UINT4: "uint4",
    _CODES.INT4: "int4",
    _CODES.FLOAT4E2M1: "float4",
    # A scale of blocks; and what onnx has known since 1.20 only.
    _CODES.FLOAT8E8M0: "float8",
    **{
        code: name
        for code, name in ((25, "uint2"), (26, "int2"), (27, "float6"), (28, "float6"))
        if code in _CODES.DataType.values()
    },
}


def dtype_name(code: int) -> str:
    """Our name of an ONNX element type; "unknown" for one that has none."""
    return DTYPES.get(code, "unknown")


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The attributes of a node, strings decoded; tensors and graphs as they are.

    Raises:
        UnsupportedModelError: An attribute has no known type.
    """
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        try:
            value = onnx.helper.get_attribute_value(attribute)
        except ValueError as error:
            raise UnsupportedModelError(
                f"attribute {attribute.name!r} of node {node.name or node.op_type!r} is corrupt: "
                "export or download the model again."
            ) from error
        is_text = isinstance(value, bytes)
        found[attribute.name] = value.decode("utf-8", "replace") if is_text else value
    return found


def array(tensor: onnx.TensorProto) -> np.ndarray[Any, np.dtype[Any]]:
    """The numbers of a small stored tensor.

    Raises:
        UnsupportedModelError: Its bytes do not fit its shape and type.
    """
    try:
        return onnx.numpy_helper.to_array(tensor)
    except (LookupError, TypeError, ValueError) as error:
        raise UnsupportedModelError(
            f"tensor {tensor.name!r} is corrupt: export or download the model again."
        ) from error


def target(node: onnx.NodeProto) -> str:
    """The operator's full name: bare in the standard domain, else with its domain."""
    if node.domain in ("", "ai.onnx"):
        return node.op_type
    return f"{node.domain}.{node.op_type}"
