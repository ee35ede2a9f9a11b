"""Lay a model out as one flat list of steps: bodies and local functions stand where they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import onnx

from talaria_widget.frontends.onnx.names import quoted, scoped
from talaria_widget.frontends.onnx.order import in_order
from talaria_widget.frontends.onnx.steps import (
    Body,
    Carry,
    Choice,
    Context,
    FunctionKey,
    Loop,
    Part,
    Repeat,
    Step,
    alias,
)
from talaria_widget.frontends.onnx.types import attributes, target
from talaria_widget.frontends.onnx.validate import bodies
from talaria_widget.graph import UnsupportedModelError

_STANDARD = ("", "ai.onnx")
# Their bodies are a few operations on each of their own numbers, and are counted with them.
_MODIFIED = frozenset({"FlexAttention"})
_GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


@dataclass(slots=True)
class Flat:
    """The steps of a model, and what its bodies store.

    `hints` are the types that the file declares for values inside bodies. `folded` has the
    calls of local functions, which compute nothing beside what stands in their bodies.
    """

    functions: Mapping[FunctionKey, onnx.FunctionProto]
    steps: list[Step] = field(default_factory=list)
    stored: dict[str, onnx.TensorProto] = field(default_factory=dict)
    sparse: dict[str, onnx.SparseTensorProto] = field(default_factory=dict)
    hints: dict[str, onnx.TypeProto] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)


def flatten(model: onnx.ModelProto) -> Flat:
    """The steps of a model in order; its extent has been found to be finite.

    Raises:
        UnsupportedModelError: A control-flow node lacks its body, or does not fit it.
    """
    flat = Flat({(f.domain, f.name, f.overload): f for f in model.functions})
    graph = model.graph
    flat.taken.update(value.name for value in graph.input)
    flat.taken.update(tensor.name for tensor in graph.initializer)
    flat.taken.update(sparse.values.name for sparse in graph.sparse_initializer)
    flat.taken.update(name for node in graph.node for name in node.output)
    flat.stored.update((tensor.name, tensor) for tensor in graph.initializer)
    flat.sparse.update((sparse.values.name, sparse) for sparse in graph.sparse_initializer)
    _nodes(flat, in_order(graph), Context())
    flat.read.update(value.name for value in graph.output)
    return flat


def renamed(node: onnx.NodeProto, context: Context) -> onnx.NodeProto:
    """The node as it is called here: its values renamed, its references to a call filled in.

    Bodies are left out, save where nothing changes.
    """
    names = context.names
    same = not any(name in names for name in (*node.input, *node.output))
    if same and not any(attribute.ref_attr_name for attribute in node.attribute):
        return node
    fresh = onnx.NodeProto(
        op_type=node.op_type,
        domain=node.domain,
        overload=node.overload,
        name=node.name,
        input=[names.get(name, name) for name in node.input],
        output=[names.get(name, name) for name in node.output],
        metadata_props=node.metadata_props,
    )
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            if attribute.type not in _GRAPHS:
                fresh.attribute.append(attribute)
        elif attribute.ref_attr_name in context.references:
            fresh.attribute.append(context.references[attribute.ref_attr_name])
            fresh.attribute[-1].name = attribute.name
    return fresh


def label_of(node: onnx.NodeProto) -> str:
    """What a reader knows a node by: its name, or its first output."""
    return node.name or next(filter(None, node.output), node.op_type)


def _nodes(flat: Flat, nodes: Iterable[onnx.NodeProto], context: Context) -> None:
    for node in nodes:
        here = renamed(node, context)
        flat.read.update(here.input)
        key = (node.domain, node.op_type, node.overload)
        if key in flat.functions:
            _call(flat, here, flat.functions[key], key, context)
            continue
        if node.op_type in _MODIFIED:
            flat.calls.extend(_inside(node))
        if node.op_type in _MODIFIED or not _has_bodies(node):
            flat.steps.append(Step(here, attributes(here), context))
        else:
            _control(flat, node, here, context)


def _has_bodies(node: onnx.NodeProto) -> bool:
    """Whether a node runs bodies, or ought to."""
    ought = node.op_type in ("If", "Loop", "Scan") and node.domain in _STANDARD
    return ought or any(attribute.type in _GRAPHS for attribute in node.attribute)


def _inside(node: onnx.NodeProto) -> Iterator[str]:
    """The operators in a node's bodies, and in theirs."""
    for attribute in node.attribute:
        for graph in bodies(attribute):
            for inner in graph.node:
                yield target(inner)
                yield from _inside(inner)


def _call(
    flat: Flat,
    node: onnx.NodeProto,
    function: onnx.FunctionProto,
    key: FunctionKey,
    context: Context,
) -> None:
    """Put a local function's nodes in place of its call."""
    label = label_of(node)
    target = ".".join(filter(None, key))
    if len(node.input) > len(function.input) or len(node.output) > len(function.output):
        raise UnsupportedModelError(
            f"node {quoted(label)} passes {len(node.input)} inputs to function {quoted(target)}, "
            f"which takes {len(function.input)}: export or download the model again."
        )
    flat.calls.append(target)
    names = dict.fromkeys(function.input, "")
    names.update(zip(function.input, node.input, strict=False))
    ends = zip(function.output, node.output, strict=False)
    bound = {inner: outer for inner, outer in ends if outer}
    made = {name for inner in function.node for name in inner.output if name}
    # A function may hand an input straight on, or one value twice.
    direct = {inner: outer for inner, outer in bound.items() if inner not in made}
    names.update((inner, outer) for inner, outer in bound.items() if inner in made)
    for name in made - bound.keys():
        _register(flat, names, name, label)
    given = {a.name: a for a in function.attribute_proto}
    given.update((a.name, a) for a in node.attribute)
    scope = (*context.scope, label)
    flat.modules[scoped(scope, "")] = function.name
    inside = replace(
        context,
        scope=scope,
        names=names,
        references=given,
    )
    _nodes(flat, in_order(function), inside)
    for inner, outer in direct.items():
        flat.steps.append(alias(outer, names.get(inner, inner), context))


def _register(flat: Flat, names: dict[str, str], name: str, owner: str) -> None:
    """Enter a name that a body makes; another where this one is taken."""
    fresh, count = name, 1
    while fresh in flat.taken:
        fresh = f"{owner}/{name}" if count == 1 else f"{owner}/{name}#{count}"
        count += 1
    flat.taken.add(fresh)
    if fresh != name or name in names:
        names[name] = fresh


def _control(flat: Flat, node: onnx.NodeProto, here: onnx.NodeProto, context: Context) -> None:
    graphs = {a.name: a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH}
    op_type = node.op_type if node.domain in _STANDARD else ""
    if op_type == "If":
        _choice(flat, node, here, _wanted(here, graphs, "then_branch", "else_branch"), context)
    elif op_type == "Loop":
        _loop(flat, node, here, _wanted(here, graphs, "body")[0], context)
    elif op_type == "Scan":
        _scan(flat, node, here, _wanted(here, graphs, "body")[0], context)
    else:
        many = [g for a in node.attribute if a.type == onnx.AttributeProto.GRAPHS for g in a.graphs]
        named = [*graphs.items(), *((f"body_{i}", g) for i, g in enumerate(many))]
        _opaque(flat, node, here, named, context)


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
        _register(flat, names, name, owner)
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
) -> None:
    label = label_of(node)
    bodies = []
    for branch, graph in zip(("then_branch", "else_branch"), graphs, strict=True):
        repeat = Repeat("branch")
        inside, _, outputs = _enter(flat, graph, label, branch, repeat, context)
        _fit(node, len(node.output), len(outputs), "outputs")
        flat.modules[scoped(inside.scope, "")] = "If"
        _nodes(flat, in_order(graph), inside)
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
    _around(flat, node, graph, loop, inside, context)


def _scan(
    flat: Flat,
    original: onnx.NodeProto,
    node: onnx.NodeProto,
    graph: onnx.GraphProto,
    context: Context,
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
    _around(flat, node, graph, loop, inside, context)


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
    _nodes(flat, in_order(graph), inside)
    flat.steps.append(Step(leaving, {}, context, "leave", loop))


def _opaque(
    flat: Flat,
    original: onnx.NodeProto,
    node: onnx.NodeProto,
    graphs: Sequence[tuple[str, onnx.GraphProto]],
    context: Context,
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
        _nodes(flat, in_order(graph), inside)
    flat.steps.insert(position, Step(entering, {}, context, "enter", loop))
    leaving = onnx.NodeProto(op_type=node.op_type, domain=node.domain, name=node.name)
    leaving.input.extend(dict.fromkeys(results))
    leaving.output.extend(name for name in node.output if name)
    flat.steps.append(Step(leaving, {}, context, "leave", loop))
