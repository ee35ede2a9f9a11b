"""Take out what is known before a run: constants, sizes, and what is computed from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod
from typing import Any

import numpy as np
import onnx

from talaria_widget.frontends.onnx.layout.names import from_code
from talaria_widget.frontends.onnx.layout.steps import Step
from talaria_widget.frontends.onnx.shapes.known import (
    COMPUTED,
    Known,
    keep,
    keep_sparse,
    learn_value,
)
from talaria_widget.frontends.onnx.shapes.sizes import is_modest
from talaria_widget.frontends.onnx.shapes.stored import fresh, view
from talaria_widget.frontends.onnx.shapes.values import Array, evaluate
from talaria_widget.frontends.onnx.types import dtype_name, target

_STANDARD = ("", "ai.onnx")
_PAIR = frozenset({("com.microsoft", "QuantizeLinear"), ("com.microsoft", "DequantizeLinear")})
# What a malformed node may raise while it is read; the node then stays as it is.
_MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def fold(known: Known, declared: Collection[str]) -> None:
    """Take out the steps whose output is known before the run.

    What follows from the inputs given is learnt too, and its steps remain.
    """
    remaining = []
    for step in known.steps:
        if step.role not in ("node", "alias") or not _may_be_known(known, step.node):
            remaining.append(step)
        elif _is_known(known, step.node, step.given, declared):
            if step.role == "node":
                known.folded[target(step.node)] += 1
        else:
            _guess(known, step.node, step.given)
            remaining.append(step)
    known.steps = remaining


def _may_be_known(known: Known, node: onnx.NodeProto) -> bool:
    """Whether a node reads nothing, a size, or anything that is known."""
    if not _is_readable(node):
        return False
    if not node.input or node.op_type in ("Shape", "Size"):
        return True
    return any(n in known.values or n in known.stored or n in known.guesses for n in node.input)


def _is_readable(node: onnx.NodeProto) -> bool:
    """Whether what the node does is known here: before opset 21 the runtime has its own pair."""
    return node.domain in _STANDARD or (node.domain, node.op_type) in _PAIR


def _is_known(
    known: Known, node: onnx.NodeProto, given: Mapping[str, Any], declared: Collection[str]
) -> bool:
    if len(node.output) != 1:
        return False
    if node.op_type == "Constant":
        _constant(known, node, given)
        return True
    if not node.input:
        return False
    try:
        return _size(known, node, given) or _computed(known, node, given, declared)
    except _MALFORMED:
        return False


def _constant(known: Known, node: onnx.NodeProto, given: Mapping[str, Any]) -> None:
    name = node.output[0]
    value = given.get("value")
    if isinstance(value, onnx.TensorProto):
        keep(known, name, value, constant=from_code(name))
    elif "sparse_value" in given:
        keep_sparse(known, name, given["sparse_value"])
    else:
        literal = np.asarray(next(iter(given.values()), 0))
        if literal.dtype.kind == "f":
            literal = literal.astype(np.float32)
        if literal.dtype.kind in "fi":
            learn_value(known, name, literal)
        else:
            known.shapes[name], known.dtypes[name] = literal.shape, "string"


def _size(known: Known, node: onnx.NodeProto, given: Mapping[str, Any]) -> bool:
    """Shape and Size of what has a known shape."""
    shape = known.shapes.get(node.input[0])
    if shape is None or node.op_type not in ("Shape", "Size"):
        return False
    value: Any = prod(shape)
    if node.op_type == "Shape":
        value = shape[given.get("start", 0) : given.get("end", len(shape))]
    learn_value(known, node.output[0], np.asarray(value, np.int64))
    return True


def _computed(
    known: Known, node: onnx.NodeProto, given: Mapping[str, Any], declared: Collection[str]
) -> bool:
    """Whether the node is arithmetic on known small values, or a view of a weight."""
    name = node.output[0]
    if node.op_type == "ConstantOfShape" and node.input[0] in known.values:
        _fill(known, node, given, trained=name in declared or node.input[0] in declared)
        return True
    seen = view(node, given, known.stored, known.values)
    if seen is not None:
        known.stored[name] = seen
        known.shapes[name], known.dtypes[name] = seen.shape, seen.dtype
    result = None
    if all(not n or (n in known.values and not _heavy(known, n)) for n in node.input):
        result = _evaluated(node, given, [known.values[n] if n else None for n in node.input])
    if result is not None:
        learn_value(known, name, result)
    return seen is not None or result is not None


def _evaluated(
    node: onnx.NodeProto, given: Mapping[str, Any], values: list[Array | None]
) -> Array | None:
    if not is_modest(node.op_type, values, given):
        return None
    return evaluate(node.op_type, values, given)


def _guess(known: Known, node: onnx.NodeProto, given: Mapping[str, Any]) -> None:
    """What the node's output is on the inputs that were given."""
    if len(node.output) != 1 or node.output[0] in known.guesses or not node.input:
        return
    if not any(name in known.guesses for name in node.input):
        return
    values = [known.value(name) if name else None for name in node.input]
    if any(n and v is None for n, v in zip(node.input, values, strict=True)):
        return
    try:
        result = _evaluated(node, given, values)
    except _MALFORMED:
        return
    if result is not None:
        known.guesses[node.output[0]] = result
        known.shapes[node.output[0]], known.dtypes[node.output[0]] = result.shape, str(result.dtype)


def _heavy(known: Known, name: str) -> bool:
    return name in known.stored and known.stored[name].heavy


def _fill(known: Known, node: onnx.NodeProto, given: Mapping[str, Any], trained: bool) -> None:
    """A tensor of one number; files stripped of their weights make them of declared inputs."""
    name, sizes = node.output[0], known.values[node.input[0]]
    code = given["value"].data_type if "value" in given else onnx.TensorProto.FLOAT
    shape = tuple(int(n) for n in sizes.ravel())
    if any(n < 0 for n in shape):
        raise ValueError(shape)
    known.stored[name] = fresh(name, shape, dtype_name(code), constant=not trained)
    known.shapes[name], known.dtypes[name] = shape, dtype_name(code)
    if not trained:
        known.storage[name] = COMPUTED
    small = None if trained else evaluate("ConstantOfShape", [sizes], given)
    if small is not None:
        known.values[name] = small


def is_folded(known: Known, step: Step) -> bool:
    """Whether every value a step makes is known on the inputs given."""
    names = [name for name in step.node.output if name]
    return bool(names) and all(name in known.guesses for name in names)
