"""Lay a model out as one flat list of steps: bodies and local functions stand where they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import onnx

from talaria_widget.frontends.onnx.layout.control import control, has_bodies
from talaria_widget.frontends.onnx.layout.flat import Flat, label_of, register, renamed
from talaria_widget.frontends.onnx.layout.names import quoted, scoped
from talaria_widget.frontends.onnx.layout.order import in_order
from talaria_widget.frontends.onnx.layout.steps import Context, FunctionKey, Step, alias
from talaria_widget.frontends.onnx.layout.validate import bodies
from talaria_widget.frontends.onnx.types import attributes, target
from talaria_widget.graph import UnsupportedModelError

# Their bodies are a few operations on each of their own numbers, and are counted with them.
_MODIFIED = frozenset({"FlexAttention"})


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
    flat.main = frozenset(flat.taken)
    flat.stored.update((tensor.name, tensor) for tensor in graph.initializer)
    flat.sparse.update((sparse.values.name, sparse) for sparse in graph.sparse_initializer)
    _nodes(flat, in_order(graph), Context())
    flat.read.update(value.name for value in graph.output)
    return flat


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
        if node.op_type in _MODIFIED or not has_bodies(node):
            flat.steps.append(Step(here, attributes(here), context))
        else:
            control(flat, node, here, context, _nodes)


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
        register(flat, names, name, label)
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
