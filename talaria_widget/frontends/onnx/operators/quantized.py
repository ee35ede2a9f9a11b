"""Find the ops that compute in 8-bit integers though their nodes take and give floats.

A file in QDQ form says in what format each value is kept, by a QuantizeLinear and a
DequantizeLinear around it; a runtime takes an op, the DequantizeLinears before it and the
QuantizeLinear behind it as one integer kernel.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from talaria_widget.graph import Op, Tensor

BYTES = frozenset({"int8", "uint8"})
# What ONNX Runtime fuses so (onnxruntime/core/optimizer/qdq_transformer/selectors_actions,
# qdq_selector_action_transformer.cc): kernels that compute, and those that only move.
_LAYERS = frozenset({"conv", "matmul", "gemm"})
_COMPUTING = "add averagepool concat globalaveragepool leakyrelu mul sigmoid softmax where"
_MOVING = (
    "depthtospace expand flatten gather maxpool reshape resize slice spacetodepth split squeeze "
    "tile transpose unsqueeze"
)
_FUSED = frozenset({*_LAYERS, *_COMPUTING.split(), *_MOVING.split()})
# A product may hand floats on; everything else is quantized again.
_OPEN_ENDED = frozenset({"matmul", "gemm"})
_LIMITS = frozenset({"relu", "clip"})


@dataclass(frozen=True, slots=True)
class _Edges:
    ops: Sequence[Op]
    tensors: Mapping[str, Tensor]
    maker: Mapping[str, int]
    readers: Mapping[str, Sequence[int]]
    outputs: Collection[str]


def with_precision(
    ops: Sequence[Op], tensors: Mapping[str, Tensor], outputs: Collection[str]
) -> tuple[Op, ...]:
    """The ops, with `precision` among the attributes of those that compute in 8-bit integers."""
    if not any(op.word == "dequantizelinear" for op in ops) and not _has_bytes(ops, tensors):
        return tuple(ops)
    maker = {name: i for i, op in enumerate(ops) for name in op.outputs}
    readers: dict[str, list[int]] = {}
    for i, op in enumerate(ops):
        for name in dict.fromkeys(op.inputs):
            readers.setdefault(name, []).append(i)
    edges = _Edges(ops, tensors, maker, readers, outputs)
    return tuple(
        replace(op, attrs={**op.attrs, "precision": "int8"}) if _in_bytes(edges, op) else op
        for op in ops
    )


def _has_bytes(ops: Sequence[Op], tensors: Mapping[str, Tensor]) -> bool:
    return any(tensors[name].dtype in BYTES for op in ops for name in op.inputs)


def _in_bytes(edges: _Edges, op: Op) -> bool:
    tensors = edges.tensors
    if "precision" in op.attrs or op.target.startswith("com."):
        return False
    data = [name for name in op.inputs if tensors[name].role in ("input", "activation")]
    if op.kind == "pool" and data and all(tensors[name].dtype in BYTES for name in data):
        return True
    if op.word in _LAYERS and not _stored_in_bytes(tensors, op):
        return False
    if op.word not in _FUSED:
        return False
    if op.word in ("gather", "where") and data:
        data = [name for name in data if tensors[name].floating]
    if not data or not all(_is_dequantized(edges, name) for name in data):
        return False
    return all(_is_quantized(edges, op, name) for name in op.outputs)


def _stored_in_bytes(tensors: Mapping[str, Tensor], op: Op) -> bool:
    """Whether a layer's weight is integers, or quantized before the run; or it has none."""
    mains = [tensors[name] for name in op.weights if tensors[name].role == "weight"]
    scaled = any(tensors[name].role == "buffer" for name in op.weights)
    return all(main.dtype in BYTES or (main.floating and scaled) for main in mains)


def _is_dequantized(edges: _Edges, name: str) -> bool:
    maker = edges.maker.get(name)
    if maker is None or edges.ops[maker].word != "dequantizelinear":
        return False
    return edges.tensors[edges.ops[maker].inputs[0]].dtype in BYTES


def _is_quantized(edges: _Edges, op: Op, name: str) -> bool:
    """Whether a result goes to one QuantizeLinear and nowhere else, past a limit perhaps."""
    readers = edges.readers.get(name, ())
    alone = len(readers) == 1 and name not in edges.outputs
    after = edges.ops[readers[0]] if alone else None
    if after is not None and after.word in _LIMITS and op.word in _LAYERS | {"add"}:
        return _is_quantized(edges, after, after.outputs[0])
    if after is not None and after.word == "quantizelinear":
        return edges.tensors[after.outputs[0]].dtype in BYTES
    return op.word in _OPEN_ENDED
