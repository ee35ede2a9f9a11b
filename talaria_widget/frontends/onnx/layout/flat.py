"""A model as a flat list while it is being laid out, and what a name becomes in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx

from talaria_widget.frontends.onnx.layout.steps import Context, FunctionKey, Step

GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
STANDARD = ("", "ai.onnx")


@dataclass(slots=True)
class Flat:
    """The steps of a model, and what its bodies store.

    `hints` are the types that the file declares for values inside bodies. `calls` has the
    calls of local functions, which compute nothing beside what stands in their bodies. `main`
    has the names of the graph that is none of those bodies.
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
    main: frozenset[str] = frozenset()


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
            if attribute.type not in GRAPHS:
                fresh.attribute.append(attribute)
        elif attribute.ref_attr_name in context.references:
            fresh.attribute.append(context.references[attribute.ref_attr_name])
            fresh.attribute[-1].name = attribute.name
    return fresh


def label_of(node: onnx.NodeProto) -> str:
    """What a reader knows a node by: its name, or its first output."""
    return node.name or next(filter(None, node.output), node.op_type)


def register(flat: Flat, names: dict[str, str], name: str, owner: str) -> None:
    """Enter a name that a body makes; another where this one is taken."""
    fresh, count = name, 1
    while fresh in flat.taken:
        fresh = f"{owner}/{name}" if count == 1 else f"{owner}/{name}#{count}"
        count += 1
    flat.taken.add(fresh)
    if fresh != name or name in names:
        names[name] = fresh
