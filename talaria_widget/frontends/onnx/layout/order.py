"""The nodes of a graph in an order that runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx

from talaria_widget.frontends.onnx.layout.names import quoted
from talaria_widget.graph import UnsupportedModelError


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """What a node reads, its bodies included; names that the bodies make themselves too."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        bodies = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
        for body in bodies:
            for inner in body.node:
                yield from reads(inner)
            yield from (value.name for value in body.output)


def in_order(graph: onnx.GraphProto | onnx.FunctionProto) -> Sequence[onnx.NodeProto]:
    """The nodes as they are where that order runs, else sorted; ties keep the file's order.

    Raises:
        UnsupportedModelError: A node needs what it makes itself.
    """
    maker = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    needs = [[maker[name] for name in reads(node) if name in maker] for node in graph.node]
    if all(source < i for i, sources in enumerate(needs) for source in sources):
        return list(graph.node)
    ordered: list[onnx.NodeProto] = []
    state = [0] * len(needs)
    for first in range(len(needs)):
        stack = [first]
        while stack:
            i = stack[-1]
            if state[i] == 0:
                state[i] = 1
                waiting = [source for source in needs[i] if state[source] != 2]
                if any(state[source] == 1 for source in waiting):
                    node = graph.node[i]
                    raise UnsupportedModelError(
                        f"node {quoted(node.name or node.op_type)} needs what it makes itself, so "
                        "the graph is a circle: export or download the model again."
                    )
                stack.extend(sorted(waiting, reverse=True))
                continue
            stack.pop()
            if state[i] == 1:
                state[i] = 2
                ordered.append(graph.node[i])
    return ordered
