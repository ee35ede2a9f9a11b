"""Find every shape, and with it what is known before a run: constants, and views of them.

Shapes come from onnx's own inference on a skeleton of the model (no weight data in it), in
rounds: what a round teaches about sizes lets more of the small values be evaluated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx

from talaria_widget.frontends.onnx.inputs import Bound
from talaria_widget.frontends.onnx.names import from_code
from talaria_widget.frontends.onnx.standins import stand_in
from talaria_widget.frontends.onnx.stored import Stored, fresh, stored_tensor, view
from talaria_widget.frontends.onnx.types import (
    DTYPES,
    Shape,
    array,
    attributes,
    dtype_name,
    static_shape,
    target,
)
from talaria_widget.frontends.onnx.values import LIMIT, Array, evaluate

_ROUNDS = 12
_CODE = {name: code for code, name in reversed(list(DTYPES.items()))}


@dataclass(slots=True)
class Known:
    """What is known of a graph's values; filled in rounds while it is being read."""

    shapes: dict[str, Shape] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)
    values: dict[str, Array] = field(default_factory=dict)
    stored: dict[str, Stored] = field(default_factory=dict)
    folded: Counter[str] = field(default_factory=Counter)
    nodes: list[tuple[onnx.NodeProto, dict[str, Any]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def learn(model: onnx.ModelProto, bound: Bound) -> Known:
    """Fold what is constant and infer the rest.

    Returns:
        The shapes, dtypes, small values and stored tensors by name; the nodes that remain
        to run, with their attributes; and the folded ones, counted by operator.
    """
    graph = model.graph
    known = Known()
    known.shapes.update({n: s for n, s in bound.shapes.items() if s is not None})
    known.dtypes.update(bound.dtypes)
    for tensor in graph.initializer:
        _keep(known, tensor.name, tensor)
    known.nodes = [(node, attributes(node)) for node in graph.node]
    declared = {value.name for value in graph.input}
    _fold(known, declared)
    wanted = [name for node, _ in known.nodes for name in node.output if name]
    for _ in range(_ROUNDS):
        before = len(known.shapes), len(known.nodes)
        _infer(model, known, bound)
        _fold(known, declared)
        missing = any(name not in known.shapes for name in wanted)
        if not missing or before == (len(known.shapes), len(known.nodes)):
            break
    _declared(graph, known, bound.symbols)
    return known


def _keep(known: Known, name: str, tensor: onnx.TensorProto, constant: bool = False) -> None:
    """Enter a stored tensor, and its value where that is small and at hand."""
    entry = replace(stored_tensor(name, tensor), constant=constant)
    known.stored[name] = entry
    known.shapes[name], known.dtypes[name] = entry.shape, entry.dtype
    size = int(np.prod(entry.shape, dtype=object))
    here = tensor.data_location != onnx.TensorProto.EXTERNAL
    if (
        here
        and tensor.data_type != onnx.TensorProto.STRING
        and size <= (8 if entry.heavy else LIMIT)
    ):
        known.values[name] = array(tensor)


def _fold(known: Known, declared: Iterable[str]) -> None:
    """Take out the nodes whose output is known before the run."""
    remaining = []
    for node, given in known.nodes:
        if _constant(known, node, given) or _computed(known, node, given, declared):
            known.folded[target(node)] += 1
        else:
            remaining.append((node, given))
    known.nodes = remaining


def _constant(known: Known, node: onnx.NodeProto, given: Mapping[str, Any]) -> bool:
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
        return False
    name = node.output[0]
    if "value" in given:
        _keep(known, name, given["value"], constant=from_code(name))
    elif "sparse_value" in given:
        sparse = given["sparse_value"]
        entry = fresh(name, tuple(sparse.dims), dtype_name(sparse.values.data_type))
        known.stored[name] = entry
        known.shapes[name], known.dtypes[name] = entry.shape, entry.dtype
    else:
        literal = np.asarray(next(iter(given.values()), 0))
        if literal.dtype.kind == "f":
            literal = literal.astype(np.float32)
        if literal.dtype.kind in "fi":
            _value(known, name, literal)
    return True


def _value(known: Known, name: str, value: Array) -> None:
    known.values[name] = value
    known.shapes[name] = value.shape
    known.dtypes[name] = str(value.dtype)


def _computed(
    known: Known, node: onnx.NodeProto, given: Mapping[str, Any], declared: Iterable[str]
) -> bool:
    """Whether the node is a size, arithmetic on known small values, or a view of a weight."""
    if node.domain not in ("", "ai.onnx") or len(node.output) != 1:
        return False
    name = node.output[0]
    if node.op_type in ("Shape", "Size") and node.input[0] in known.shapes:
        shape = known.shapes[node.input[0]]
        cut = shape[given.get("start", 0) : given.get("end", len(shape))]
        size = int(np.prod(shape, dtype=object))
        _value(known, name, np.asarray(cut if node.op_type == "Shape" else size, np.int64))
        return True
    if node.op_type == "ConstantOfShape" and node.input[0] in known.values:
        _fill(known, node, given, trained=name in declared or node.input[0] in declared)
        return True
    seen = view(node, given, known.stored, known.values)
    if seen is not None:
        known.stored[name] = seen
        known.shapes[name], known.dtypes[name] = seen.shape, seen.dtype
    result = None
    if node.input and all(
        not n or (n in known.values and not _heavy(known, n)) for n in node.input
    ):
        values = [known.values[n] if n else None for n in node.input]
        result = evaluate(node.op_type, values, given)
    if result is not None:
        _value(known, name, result)
    return seen is not None or result is not None


def _heavy(known: Known, name: str) -> bool:
    return name in known.stored and known.stored[name].heavy


def _fill(known: Known, node: onnx.NodeProto, given: Mapping[str, Any], trained: bool) -> None:
    """A tensor of one number; files stripped of their weights make them of declared inputs."""
    name, sizes = node.output[0], known.values[node.input[0]]
    code = given["value"].data_type if "value" in given else onnx.TensorProto.FLOAT
    shape = tuple(int(n) for n in sizes.ravel())
    known.stored[name] = fresh(name, shape, dtype_name(code), constant=not trained)
    known.shapes[name], known.dtypes[name] = shape, dtype_name(code)
    small = None if trained else evaluate("ConstantOfShape", [sizes], given)
    if small is not None:
        known.values[name] = small


def _infer(model: onnx.ModelProto, known: Known, bound: Bound) -> None:
    """One round of onnx's shape inference; a failure leaves shapes unknown and is noted."""
    try:
        inferred = onnx.shape_inference.infer_shapes(
            _skeleton(model, known, bound), check_type=False, strict_mode=False, data_prop=True
        )
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError) as error:
        note = f"shape inference stopped: {str(error).splitlines()[0][:200]}"
        if note not in known.notes:
            known.notes.append(note)
        return
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        code = value.type.tensor_type.elem_type
        if code:
            known.dtypes[value.name] = dtype_name(code)
        shape = static_shape(value.type)
        if shape is not None and value.name not in known.stored:
            known.shapes.setdefault(value.name, shape)


def _skeleton(model: onnx.ModelProto, known: Known, bound: Bound) -> onnx.ModelProto:
    """The nodes that remain, on inputs that have their shapes; no weight data."""
    # Before IR version 4 inference ignores initialisers that are no inputs.
    skeleton = onnx.ModelProto(ir_version=max(8, model.ir_version))
    skeleton.opset_import.extend(model.opset_import)
    graph = skeleton.graph
    graph.name = "skeleton"
    used: set[str] = set()
    for node, given in known.nodes:
        stand, extra = stand_in(node, given)
        graph.node.append(stand)
        graph.input.extend(extra)
        used.update(node.input)
        used.update(_outer_names(given))
    for name, shape in bound.shapes.items():
        graph.input.append(_info(name, bound.dtypes[name], shape))
    for name in used:
        if name in known.values:
            graph.initializer.append(onnx.numpy_helper.from_array(known.values[name], name))
        elif name in known.stored:
            entry = known.stored[name]
            graph.input.append(_info(name, entry.dtype, entry.shape))
    for value in model.graph.output:
        output = graph.output.add(name=value.name)
        if value.type.HasField("tensor_type"):
            output.type.tensor_type.elem_type = value.type.tensor_type.elem_type
        else:
            output.type.CopyFrom(value.type)
    return skeleton


def _outer_names(given: Mapping[str, Any]) -> set[str]:
    """What the branches of a control-flow node may read from outside."""
    names: set[str] = set()
    for value in given.values():
        if isinstance(value, onnx.GraphProto):
            for node in value.node:
                names.update(node.input)
                names.update(_outer_names(attributes(node)))
            names.update(output.name for output in value.output)
    return names


def _info(name: str, dtype: str, shape: Shape | None) -> onnx.ValueInfoProto:
    code = _CODE.get(dtype, onnx.TensorProto.FLOAT)
    return onnx.helper.make_tensor_value_info(name, code, shape)


def _declared(graph: onnx.GraphProto, known: Known, symbols: Mapping[str, int]) -> None:
    """Where inference has a hole, believe what the file says, if its dimensions are known."""
    for value in (*graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if value.name in known.shapes or not tensor.HasField("shape"):
            continue
        dims = [
            d.dim_value if d.dim_value > 0 else symbols.get(d.dim_param) for d in tensor.shape.dim
        ]
        sizes = [n for n in dims if n is not None]
        if len(sizes) == len(dims):
            known.shapes[value.name] = tuple(sizes)
            known.dtypes.setdefault(value.name, dtype_name(tensor.elem_type))
