"""Make our ops of the nodes that remain to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import onnx

from talaria_widget.frontends.onnx.flat import label_of
from talaria_widget.frontends.onnx.known import COMPUTED, Known
from talaria_widget.frontends.onnx.names import (
    module_classes,
    module_path,
    scoped,
    source_line,
    unique,
    weight_stem,
)
from talaria_widget.frontends.onnx.operators import OPERATORS, UNKNOWN, Operator, specialise
from talaria_widget.frontends.onnx.packed import Unpack
from talaria_widget.frontends.onnx.settings import Shapes
from talaria_widget.frontends.onnx.steps import Choice, Loop, Step
from talaria_widget.frontends.onnx.stored import Stored
from talaria_widget.frontends.onnx.tables import tables
from talaria_widget.frontends.onnx.types import target
from talaria_widget.graph import Kind, Op, Role, Storage, Tensor

_RANK: Mapping[str, int] = {"constant": 0, "buffer": 1, "parameter": 2, "weight": 3}


@dataclass(slots=True)
class Built:
    """The ops and tensors of a graph while they are being made."""

    known: Known
    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    noise: Counter[str] = field(default_factory=Counter)
    renamed: dict[str, str] = field(default_factory=dict)


def build(known: Known) -> Built:
    """One op per node that does something; the others are counted as noise by operator."""
    built = Built(known, noise=Counter(known.folded))
    for step in known.steps:
        if step.role == "alias":
            built.renamed[step.node.output[0]] = resolve(built, step.node.input[0])
        elif step.role != "node":
            _edge_of_body(built, step)
        elif _does_nothing(step.node, known):
            built.renamed[step.node.output[0]] = resolve(built, step.node.input[0])
            built.noise[target(step.node)] += 1
        else:
            built.ops.append(_op(built, step))
    users: Counter[str] = Counter()
    for op in built.ops:
        users.update(op.weights)
    names = unique([_name(built, op, users) for op in built.ops])
    built.ops = [replace(op, name=name) for op, name in zip(built.ops, names, strict=True)]
    return built


def resolve(built: Built, name: str) -> str:
    """The tensor that a name stands for once nodes that do nothing are gone."""
    return built.renamed.get(name, name)


def _does_nothing(node: onnx.NodeProto, known: Known) -> bool:
    if node.domain not in ("", "ai.onnx") or not node.input or not node.output:
        return False
    if node.op_type == "Cast":
        before = known.dtypes.get(node.input[0])
        return before is not None and before == known.dtypes.get(node.output[0])
    if node.op_type == "Dropout":
        training = known.values.get(node.input[2]) if len(node.input) > 2 else None
        return (len(node.input) < 3 or not node.input[2]) or (training is not None and not training)
    return node.op_type == "Identity"


def _op(built: Built, step: Step) -> Op:
    known, node, given = built.known, step.node, step.given
    full = target(node)
    stored = {
        slot: known.stored[name].shape
        for slot, name in enumerate(node.input)
        if name in known.stored and known.stored[name].numeric
    }
    operator = specialise(node.op_type, OPERATORS.get(full, UNKNOWN), given, stored)
    inputs, weights, order = _operands(built, node, operator, given)
    label = label_of(node)
    for table in tables(node, label, given):
        _enter(built, table)
        weights.append(table.name)
    shapes = [known.shapes.get(name) for name in node.input]
    values = {
        name: value
        for slot, name in operator.values.items()
        if (value := _single(known, node, slot)) is not None
    }
    results = [known.shapes.get(name) for name in node.output]
    attrs = _attributes(operator, {**given, **values}, shapes, results)
    attrs["node"] = label
    if step.context.times != 1:
        attrs["times"] = step.context.times
    if any(_is_decoded(known, node, slot) for slot in operator.weights):
        attrs["decoded"] = True
    if operator.kind == "matmul" and weights:
        attrs["operands"] = tuple(order)
    _enter_outputs(built, node)
    metadata = _metadata(node)
    built.modules.update(module_classes(metadata))
    stem = weight_stem(weights[0]) if weights and _owns(built, weights[0]) else None
    return Op(
        name=node.name,
        kind=operator.kind,
        target=full,
        path=scoped(step.context.scope, module_path(node, metadata, stem)),
        source=source_line(metadata),
        inputs=tuple(inputs),
        outputs=tuple(name for name in node.output if name),
        weights=tuple(weights),
        attrs=attrs,
    )


def _edge_of_body(built: Built, step: Step) -> None:
    """The op of an If, a Loop or a Scan, whose bodies stand beside it.

    What comes before a body hands it its slices; what comes after stacks what it made. A second
    op of one node says `part`.
    """
    known, node, loop = built.known, step.node, step.detail
    outputs = tuple(name for name in node.output if name)
    attrs: dict[str, Any] = {"node": label_of(node), "inlined": True}
    if isinstance(loop, Choice):
        assert loop.taken is not None
        attrs["taken"] = loop.taken.name
        inputs, outputs = [loop.condition], ()
    else:
        assert isinstance(loop, Loop)
        inputs = list(dict.fromkeys(name for name in node.input if name))
        attrs["node"] = label_of(loop.original)
        if step.role == "enter":
            for carry in loop.carries:
                if carry.start:
                    built.renamed[carry.body] = resolve(built, carry.start)
            attrs["inlined"] = loop.is_known
            read = {name for later in known.steps for name in later.node.input}
            outputs = tuple(name for name in outputs if name in read and name not in known.values)
        else:
            outputs += tuple(c.output for c in loop.carries if c.output and not c.settled)
            inputs += [c.result for c in loop.carries if c.output and not c.settled]
            if not outputs:
                return
            attrs = {"node": label_of(loop.original), "part": True, "free": False}
    if step.context.times != 1:
        attrs["times"] = step.context.times
    kind: Kind = "movement" if "part" in attrs else "control"
    names = [_enter_input(built, name, known.stored.get(name)) for name in inputs]
    for name in outputs:
        _enter(built, Tensor(name, known.shapes.get(name), known.dtypes.get(name, "unknown")))
    metadata = _metadata(node)
    built.ops.append(
        Op(
            name=node.name or attrs["node"],
            kind=kind,
            target=target(node),
            path=scoped(step.context.scope, module_path(node, metadata, None)),
            source=source_line(metadata),
            inputs=tuple(dict.fromkeys(names)),
            outputs=outputs,
            attrs=attrs,
        )
    )


def _metadata(node: onnx.NodeProto) -> dict[str, str]:
    texts = ((entry.key, entry.value) for entry in node.metadata_props)
    return {k: v for k, v in texts if isinstance(k, str) and isinstance(v, str)}


def _enter_outputs(built: Built, node: onnx.NodeProto) -> None:
    known = built.known
    for name in filter(None, node.output):
        _enter(built, Tensor(name, known.shapes.get(name), known.dtypes.get(name, "unknown")))


def _attributes(
    operator: Operator, given: Mapping[str, Any], inputs: Shapes, outputs: Shapes
) -> dict[str, Any]:
    """Our attributes; none where a required one of theirs is missing, so that work is unknown."""
    try:
        return operator.attributes(given, inputs, outputs)
    except (AttributeError, LookupError, TypeError, ValueError):
        return {}


def _is_decoded(known: Known, node: onnx.NodeProto, slot: int) -> bool:
    """Whether the weight in an input slot is integers that a DequantizeLinear turns to numbers."""
    entry = known.stored.get(node.input[slot]) if slot < len(node.input) else None
    return entry is not None and entry.decoded


def _single(known: Known, node: onnx.NodeProto, slot: int) -> float | None:
    """The number in an input slot, where it is known and one."""
    name = node.input[slot] if slot < len(node.input) else ""
    value = known.value(name) if name else None
    if value is None or value.size != 1 or value.dtype.kind not in "iuf":
        return None
    number: float = value.ravel()[0].item()
    return number


def _owns(built: Built, name: str) -> bool:
    return built.tensors[name].role == "weight"


def _name(built: Built, op: Op, users: Mapping[str, int]) -> str:
    """The weight's stem; where that says nothing, or several ops share it, the path or the node.

    Exporters store equal tensors once, so that unrelated ops may share a bias of zeros.
    """
    owns = bool(op.weights) and _owns(built, op.weights[0])
    trained = [name for name in op.weights if built.tensors[name].role != "buffer"]
    stems = (weight_stem(name) for name in trained if owns or users[name] == 1)
    stem = next((stem for stem in stems if stem is not None), None)
    if owns and stem is not None and users[op.weights[0]] > 1:
        stem = op.path or stem
    path = op.path if owns or op.kind == "norm" else None
    return stem or path or op.name or f"{op.kind}@{op.outputs[0] if op.outputs else ''}"


def _operands(
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
            _enter_stored(built, entry, role, axis)
            if role == "weight" and operator.unpack is not None and entry.source_dtype == "uint8":
                _unpack(built, entry, operator.unpack, slot, given)
            scales.update(dict.fromkeys(entry.scales))
            weights.append((0 if role == "weight" else 1, entry.source))
            order.append(entry.source)
            continue
        inputs.append(_enter_input(built, name, entry))
        order.append(inputs[-1])
    for name in scales:
        if name in known.stored:
            _enter_stored(built, known.stored[name], "buffer", None)
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


def _enter_input(built: Built, name: str, entry: Stored | None) -> str:
    known = built.known
    resolved = resolve(built, name)
    is_constant = entry is not None or name in known.values
    role: Role = "constant" if is_constant else "activation"
    shape, dtype = known.shapes.get(resolved), known.dtypes.get(resolved, "unknown")
    storage = known.storage.get(resolved if entry is None else entry.source)
    _enter(built, Tensor(resolved, shape, dtype, role, storage=storage))
    return resolved


def _enter(built: Built, tensor: Tensor) -> None:
    built.tensors.setdefault(tensor.name, tensor)


def _enter_stored(built: Built, entry: Stored, role: Role, axis: int | None) -> None:
    """A tensor that one op uses as a weight is a weight, whatever others make of it."""
    earlier = built.tensors.get(entry.source)
    if earlier is not None and _RANK.get(earlier.role, 0) >= _RANK[role]:
        return
    channel = None if axis is None else entry.source_axis(axis)
    # A weight that a file makes of one number is a weight that somebody stripped from it.
    storage = built.known.storage.get(entry.source)
    built.tensors[entry.source] = Tensor(
        entry.source,
        entry.source_shape,
        entry.source_dtype,
        role,
        channel,
        None if storage == COMPUTED else storage,
    )


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
