"""Make our ops of the nodes that remain to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import onnx

from talaria_widget.frontends.onnx.built import Built, enter, enter_outputs, resolve
from talaria_widget.frontends.onnx.edges import edge_of_body, metadata
from talaria_widget.frontends.onnx.layout.flat import label_of
from talaria_widget.frontends.onnx.layout.names import (
    module_classes,
    module_path,
    scoped,
    source_line,
    unique,
    weight_stem,
)
from talaria_widget.frontends.onnx.layout.steps import Step
from talaria_widget.frontends.onnx.operands import operands
from talaria_widget.frontends.onnx.operators.operators import (
    OPERATORS,
    UNKNOWN,
    Operator,
    specialise,
)
from talaria_widget.frontends.onnx.operators.settings import Shapes
from talaria_widget.frontends.onnx.operators.tables import tables
from talaria_widget.frontends.onnx.shapes.known import Known
from talaria_widget.frontends.onnx.types import target
from talaria_widget.graph import OWN_ATTRIBUTES, Op


def build(known: Known) -> Built:
    """One op per node that does something; the others are counted as noise by operator."""
    built = Built(known, noise=Counter(known.folded))
    for step in known.steps:
        if step.role == "alias":
            built.renamed[step.node.output[0]] = resolve(built, step.node.input[0])
        elif step.role != "node":
            edge_of_body(built, step)
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


def _op(built: Built, step: Step) -> Op:
    known, node, given = built.known, step.node, step.given
    full = target(node)
    stored = {
        slot: known.stored[name].shape
        for slot, name in enumerate(node.input)
        if name in known.stored and known.stored[name].numeric
    }
    operator = specialise(node.op_type, OPERATORS.get(full, UNKNOWN), given, stored)
    inputs, weights, order = operands(built, node, operator, given)
    label = label_of(node)
    for table in tables(node, label, given):
        enter(built, table)
        weights.append(table.name)
    shapes = [known.shapes.get(name) for name in node.input]
    values = {
        name: value
        for slot, name in operator.values.items()
        if (value := _single(known, node, slot)) is not None
    }
    results = [known.shapes.get(name) for name in node.output]
    attrs = _attributes(operator, {**given, **values}, shapes, results)
    if operator.kind == "unknown":  # whoever counts it may want its own
        attrs |= {
            f"{name}_" if name in OWN_ATTRIBUTES else name: value
            for name, value in given.items()
            if isinstance(value, int | float | str | list | tuple)
        }
    attrs["node"] = label
    if step.context.times != 1:
        attrs["times"] = step.context.times
    if step.context.repeats:
        attrs["body"] = True
    inside = tuple(name for name in weights if name not in known.main and _owns(built, name))
    if inside:
        attrs["inside"] = inside
    if any(_is_decoded(known, node, slot) for slot in operator.weights):
        attrs["decoded"] = True
    if operator.kind == "matmul" and weights:
        attrs["operands"] = tuple(order)
    if operator.caveat:
        known.note(f"{node.op_type}: {operator.caveat}")
    enter_outputs(built, node)
    written = metadata(node)
    built.modules.update(module_classes(written))
    stem = weight_stem(weights[0]) if weights and _owns(built, weights[0]) else None
    return Op(
        name=node.name,
        kind=operator.kind,
        target=full,
        path=scoped(step.context.scope, module_path(node, written, stem)),
        source=source_line(written),
        inputs=tuple(inputs),
        outputs=tuple(name for name in node.output if name),
        weights=tuple(weights),
        attrs=attrs,
    )


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
