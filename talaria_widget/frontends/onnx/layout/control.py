"""Lay out nodes that run bodies: If, Loop, Scan, and others of which less is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import onnx

from talaria_widget.frontends.onnx.layout.flat import GRAPHS, STANDARD, Flat, label_of, register
from talaria_widget.frontends.onnx.layout.names import quoted, scoped
from talaria_widget.frontends.onnx.layout.order import in_order
from talaria_widget.frontends.onnx.layout.steps import (
    Body,
    Carry,
    Choice,
    Context,
    Loop,
    Part,
    Repeat,
    Step,
)
from talaria_widget.frontends.onnx.types import attributes
from talaria_widget.graph import UnsupportedModelError

Lay = Callable[[Flat, Iterable[onnx.NodeProto], Context], None]
"""What lays out the nodes of a body."""


def has_bodies(node: onnx.NodeProto) -> bool:
    """Whether a node runs bodies, or ought to."""
    ought = node.op_type in ("If", "Loop", "Scan") and node.domain in STANDARD
    return ought or any(attribute.type in GRAPHS for attribute in node.attribute)


def control(
    flat: Flat, node: onnx.NodeProto, here: onnx.NodeProto, context: Context, lay: Lay
) -> None:
    """Lay out a node and its bodies; `here` is the node as its values are called in the list."""
    graphs = {a.name: a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH}
    op_type = node.op_type if node.domain in STANDARD else ""
    if op_type == "If":
        _choice(flat, node, here, _wanted(here, graphs, "then_branch", "else_branch"), context, lay)
    elif op_type == "Loop":
        _loop(flat, node, here, _wanted(here, graphs, "body")[0], context, lay)
    elif op_type == "Scan":
        _scan(flat, node, here, _wanted(here, graphs, "body")[0], context, lay)
    else:
        many = [g for a in node.attribute if a.type == onnx.AttributeProto.GRAPHS for g in a.graphs]
        named = [*graphs.items(), *((f"body_{i}", g) for i, g in enumerate(many))]
        _opaque(flat, node, here, named, context, lay)


def _wanted(
    node: onnx.NodeProto, graphs: Mapping[str, onnx.GraphProto], *names: str
) -> list[onnx.GraphProto]:
    missing = next((name for name in names if name not in graphs), None)
    if missing is not None:
        raise UnsupportedModelError(
            f"{node.op_type} {quoted(label_of(node))} has no {missing}, so the file is corrupt: "
            "export or download it again."
        )
    return [graphs[name] for name in names]


def _enter(
    flat: Flat, graph: onnx.GraphProto, label: str, branch: str, repeat: Repeat, context: Context
) -> tuple[Context, list[str], list[str]]:
    """Register a body's names and what it stores; its context, inputs and outputs as named here."""
    names = dict(context.names)
    made = [value.name for value in graph.input]
    made += [tensor.name for tensor in graph.initializer]
    made += [sparse.values.name for sparse in graph.sparse_initializer]
    made += [name for node in graph.node for name in node.output]
    owner = f"{label}/{branch}"
    for name in dict.fromkeys(filter(None, made)):
        register(flat, names, name, owner)
    for tensor in graph.initializer:
        flat.stored[names.get(tensor.name, tensor.name)] = tensor
    for sparse in graph.sparse_initializer:
        flat.sparse[names.get(sparse.values.name, sparse.values.name)] = sparse
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.HasField("type"):
            flat.hints.setdefault(names.get(value.name, value.name), value.type)
    scope = (*context.scope, label, branch) if branch != "body" else (*context.scope, label)
    inside = replace(context, scope=scope, repeats=(*context.repeats, repeat), names=names)
    inputs = [names.get(value.name, value.name) for value in graph.input]
    outputs = [names.get(value.name, value.name) for value in graph.output]
    flat.read.update(outputs)
    return inside, inputs, outputs


def _choice(
    flat: Flat,
    original: onnx.NodeProto,
    node: onnx.NodeProto,
    graphs: Sequence[onnx.GraphProto],
    context: Context,
    lay: Lay,
) -> None:
    label = label_of(node)
    bodies = []
    for branch, graph in zip(("then_branch", "else_branch"), graphs, strict=True):
        repeat = Repeat("branch")
        inside, _, outputs = _enter(flat, graph, label, branch, repeat, context)
        _fit(node, len(node.output), len(outputs), "outputs")
        flat.modules[scoped(inside.scope, "")] = "If"
        lay(flat, in_order(graph), inside)
        bodies.append(Body(branch, repeat, tuple(outputs)))
    if not node.input or not node.input[0]:
        _fit(node, 1, 0, "conditions")
    choice = Choice(original, node.input[0], (bodies[0], bodies[1]))
    flat.steps.append(Step(node, {}, context, "choice", choice))


def _fit(node: onnx.NodeProto, has: int, takes: int, what: str) -> None:
    if has > takes:
        raise UnsupportedModelError(
            f"{node.op_type} {quoted(label_of(node))} has {has} {what} where its body has "
            f"{takes}, so the file is corrupt: export or download it again."
        )


def _loop(
    flat: Flat,
    original: onnx.NodeProto,
    node: onnx.NodeProto,
    graph: onnx.GraphProto,
    context: Context,
    lay: Lay,
) -> None:
    """A Loop: trip count, condition and carried values go in; the last and the stacked come out."""
    label, repeat = label_of(node), Repeat("loop")
    inside, inputs, outputs = _enter(flat, graph, label, "body", repeat, context)
    given = [*node.input, "", ""]
    starts = list(node.input[2:])
    if len(inputs) != len(starts) + 2 or len(outputs) < len(starts) + 1:
        _fit(node, len(node.input) + 1, len(inputs), "inputs")
        _fit(node, len(starts) + 1, len(outputs), "carried values")
        starts = starts + [""] * (len(inputs) - 2 - len(starts))
    results = outputs[1:]
    _fit(node, len(node.output), len(results), "outputs")
    ends = [*node.output, *[""] * (len(results) - len(node.output))]
    carried = len(starts)
    loop = Loop(
        original,
        repeat,
        trips=given[0],
        condition=given[1],
        counter=inputs[0],
        entered=inputs[1],
        goes_on=outputs[0],
        carries=tuple(
            Carry(*names)
            for names in zip(starts, inputs[2:], results[:carried], ends[:carried], strict=True)
        ),
        written=tuple(
            Part(whole, slice_, 0)
            for whole, slice_ in zip(ends[carried:], results[carried:], strict=True)
        ),
    )
    _around(flat, node, graph, loop, inside, context, lay)


def _scan(
    flat: Flat,
    original: onnx.NodeProto,
    node: onnx.NodeProto,
    graph: onnx.GraphProto,
    context: Context,
    lay: Lay,
) -> None:
    """A Scan: carried values, then tensors that the body reads and writes slice by slice."""
    label, repeat = label_of(node), Repeat("loop")
    inside, inputs, outputs = _enter(flat, graph, label, "body", repeat, context)
    given = attributes(node)
    count = given.get("num_scan_inputs")
    # The first form of the operator has a batch axis and an input of lengths in front.
    batched = len(node.input) == len(inputs) + 1
    wholes = list(node.input[1:] if batched else node.input)
    if not isinstance(count, int) or not 0 < count <= len(wholes) or len(wholes) != len(inputs):
        _fit(node, len(wholes) + 1, len(inputs), "inputs")
        raise UnsupportedModelError(
            f"Scan {quoted(label)} has {len(wholes)} inputs, num_scan_inputs={count} and a body of "
            f"{len(inputs)} inputs, so the file is corrupt: export or download it again."
        )
    carried = len(wholes) - count
    _fit(node, carried, len(outputs), "carried values")
    _fit(node, len(node.output), len(outputs), "outputs")
    ends = [*node.output, *[""] * (len(outputs) - len(node.output))]
    first = 1 if batched else 0
    read_axes = _axes(given, "scan_input_axes", count, first)
    write_axes = _axes(given, "scan_output_axes", len(outputs) - carried, first)
    loop = Loop(
        original,
        repeat,
        carries=tuple(
            Carry(*names)
            for names in zip(
                wholes[:carried], inputs[:carried], outputs[:carried], ends[:carried], strict=True
            )
        ),
        read=tuple(
            Part(whole, slice_, axis)
            for whole, slice_, axis in zip(
                wholes[carried:], inputs[carried:], read_axes, strict=True
            )
        ),
        written=tuple(
            Part(whole, slice_, axis)
            for whole, slice_, axis in zip(
                ends[carried:], outputs[carried:], write_axes, strict=True
            )
        ),
    )
    _around(flat, node, graph, loop, inside, context, lay)


def _axes(given: Mapping[str, object], name: str, count: int, default: int) -> list[int]:
    axes = given.get(name)
    if isinstance(axes, list) and len(axes) == count and all(isinstance(n, int) for n in axes):
        return axes
    return [default] * count


def _around(
    flat: Flat,
    node: onnx.NodeProto,
    graph: onnx.GraphProto,
    loop: Loop,
    inside: Context,
    context: Context,
    lay: Lay,
) -> None:
    """A body between what goes in and what comes out."""
    flat.modules[scoped(inside.scope, "")] = node.op_type
    reads = [n for n in (loop.trips, loop.condition, *(part.whole for part in loop.read)) if n]
    opens = [n for n in (loop.counter, loop.entered, *(part.slice for part in loop.read)) if n]
    closes = [part for part in loop.written if part.whole]
    entering, leaving = onnx.NodeProto(), onnx.NodeProto()
    for edge, inputs, outputs in (
        (entering, reads, opens),
        (leaving, [p.slice for p in closes], [p.whole for p in closes]),
    ):
        edge.op_type, edge.domain, edge.name = node.op_type, node.domain, node.name
        edge.metadata_props.extend(node.metadata_props)
        edge.input.extend(inputs)
        edge.output.extend(outputs)
    flat.steps.append(Step(entering, {}, context, "enter", loop))
    lay(flat, in_order(graph), inside)
    flat.steps.append(Step(leaving, {}, context, "leave", loop))


def _opaque(
    flat: Flat,
    original: onnx.NodeProto,
    node: onnx.NodeProto,
    graphs: Sequence[tuple[str, onnx.GraphProto]],
    context: Context,
    lay: Lay,
) -> None:
    """A node that runs bodies in a way of its own: how often, and on what, is not known."""
    label, repeat = label_of(node), Repeat("loop")
    entering = onnx.NodeProto(op_type=node.op_type, domain=node.domain, name=node.name)
    entering.input.extend(name for name in node.input if name)
    loop = Loop(original, repeat, is_known=False)
    position = len(flat.steps)
    results: list[str] = []
    for branch, graph in graphs:
        inside, inputs, outputs = _enter(flat, graph, label, branch, repeat, context)
        entering.output.extend(inputs)
        results += outputs
        flat.modules[scoped(inside.scope, "")] = node.op_type
        lay(flat, in_order(graph), inside)
    flat.steps.insert(position, Step(entering, {}, context, "enter", loop))
    leaving = onnx.NodeProto(op_type=node.op_type, domain=node.domain, name=node.name)
    leaving.input.extend(dict.fromkeys(results))
    leaving.output.extend(name for name in node.output if name)
    flat.steps.append(Step(leaving, {}, context, "leave", loop))
