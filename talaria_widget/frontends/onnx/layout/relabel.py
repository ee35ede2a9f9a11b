"""A node with its bodies, under the names its values have in the flat list."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from talaria_widget.frontends.onnx.layout.steps import Context
from talaria_widget.frontends.onnx.layout.validate import bodies


def relabelled(node: onnx.NodeProto, context: Context) -> onnx.NodeProto:
    """A copy of a node, bodies and all, that reads what the list calls by other names."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    if context.names or context.references:
        _relabel(copy, context.names, context.references)
    return copy


def _relabel(
    node: onnx.NodeProto,
    names: Mapping[str, str],
    references: Mapping[str, onnx.AttributeProto],
) -> None:
    for field in (node.input, node.output):
        field[:] = [names.get(name, name) for name in field]
    dropped = []
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            given = references.get(attribute.ref_attr_name)
            if given is None:
                dropped.append(attribute)
                continue
            name = attribute.name
            attribute.CopyFrom(given)
            attribute.name = name
        for body in bodies(attribute):
            _relabel_body(body, names, references)
    for attribute in dropped:
        node.attribute.remove(attribute)


def _relabel_body(
    body: onnx.GraphProto,
    names: Mapping[str, str],
    references: Mapping[str, onnx.AttributeProto],
) -> None:
    own = {value.name for value in body.input}
    own |= {tensor.name for tensor in body.initializer}
    own |= {name for node in body.node for name in node.output}
    outer = {name: fresh for name, fresh in names.items() if name not in own}
    for node in body.node:
        _relabel(node, outer, references)
    for value in body.output:
        value.name = outer.get(value.name, value.name)
