"""What an op reads and what it owns: its inputs, its weights, and those that are packed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import onnx

from talaria_widget.frontends.onnx.built import Built, enter_input, enter_stored
from talaria_widget.frontends.onnx.operators.operators import Operator
from talaria_widget.frontends.onnx.operators.packed import Unpack
from talaria_widget.frontends.onnx.shapes.stored import Stored
from talaria_widget.graph import Role, Storage


def operands(
    built: Built, node: onnx.NodeProto, operator: Operator, given: Mapping[str, Any]
) -> tuple[list[str], list[str], list[str]]:
    """The op's inputs and its weights, main one first; and all of them in the order of data."""
    known = built.known
    inputs: list[str] = []
    weights: list[tuple[int, str]] = []
    scales: dict[str, None] = {}
    order: list[str] = []
    slots = operator.data if operator.data is not None else range(len(node.input))
    for slot in slots:
        name = node.input[slot] if slot < len(node.input) else ""
        if not name:
            continue
        entry = known.stored.get(name)
        if entry is not None and _owned(entry, slot, operator):
            axis = operator.weights.get(slot)
            role: Role = "weight" if axis is not None else "parameter"
            if slot in operator.buffers:
                role = "buffer"
            enter_stored(built, entry, role, axis)
            if role == "weight" and operator.unpack is not None and entry.source_dtype == "uint8":
                _unpack(built, entry, operator.unpack, slot, given)
            scales.update(dict.fromkeys(entry.scales))
            weights.append((0 if role == "weight" else 1, entry.source))
            order.append(entry.source)
            continue
        inputs.append(enter_input(built, name, entry))
        order.append(inputs[-1])
    for name in scales:
        if name in known.stored:
            enter_stored(built, known.stored[name], "buffer", None)
            weights.append((2, known.stored[name].source))
    weights.sort(key=lambda pair: pair[0])
    return inputs, list(dict.fromkeys(name for _, name in weights)), order


def _owned(entry: Stored, slot: int, operator: Operator) -> bool:
    """Whether a stored tensor is the op's own, rather than a constant of the code."""
    if slot in operator.weights or slot in operator.buffers:
        return True
    if operator.kind in ("conv", "conv_transpose", "linear", "norm", "recurrent", "attention"):
        return len(entry.shape) > 0
    return entry.heavy


def _unpack(
    built: Built, entry: Stored, unpack: Unpack, slot: int, given: Mapping[str, Any]
) -> None:
    """Show a weight of bytes as the elements in it: the same bytes, what fills them up beside."""
    try:
        packed = unpack(given, slot, entry.source_shape)
    except (LookupError, TypeError, ZeroDivisionError):
        return
    if packed is None:
        return
    beside = prod(entry.source_shape) - prod(packed.shape) * packed.bits // 8
    if beside < 0:
        return
    tensor = built.tensors[entry.source]
    dtype = "uint4" if packed.bits == 4 else entry.source_dtype
    storage = Storage(packed.bits, overhead_bytes=beside)
    built.tensors[entry.source] = replace(tensor, shape=packed.shape, dtype=dtype, storage=storage)
