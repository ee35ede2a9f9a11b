"""The element types of torch and of ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from onnx import TensorProto

ONNX_TYPES: Mapping[torch.dtype, int] = MappingProxyType(
    {
        torch.float32: TensorProto.FLOAT,
        torch.float64: TensorProto.DOUBLE,
        torch.float16: TensorProto.FLOAT16,
        torch.int64: TensorProto.INT64,
        torch.int32: TensorProto.INT32,
        torch.int16: TensorProto.INT16,
        torch.int8: TensorProto.INT8,
        torch.uint8: TensorProto.UINT8,
        torch.bool: TensorProto.BOOL,
    }
)
"""bfloat16 is left out: ONNX Runtime has no matrix product in it on CPUs."""

REAL_OF: Mapping[torch.dtype, torch.dtype] = MappingProxyType(
    {torch.complex64: torch.float32, torch.complex128: torch.float64}
)
"""Complex numbers are kept as pairs of these, on a last axis of two."""
