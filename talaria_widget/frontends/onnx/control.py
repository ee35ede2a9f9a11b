"""What the branches of If, Loop and Scan hold: operations, and stored tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import onnx

from talaria_widget.frontends.onnx.stored import Stored, stored_tensor
from talaria_widget.frontends.onnx.types import attributes, target


def branches(given: Mapping[str, Any]) -> Iterator[onnx.GraphProto]:
    """The graphs among a node's attributes, and those inside them."""
    for value in given.values():
        if isinstance(value, onnx.GraphProto):
            yield value
            for node in value.node:
                yield from branches(attributes(node))


def outer_names(given: Mapping[str, Any]) -> list[str]:
    """What the branches read from the graph around them, in order of first use."""
    inside: set[str] = set()
    read: dict[str, None] = {}
    for graph in branches(given):
        inside.update(value.name for value in graph.input)
        inside.update(tensor.name for tensor in graph.initializer)
        for node in graph.node:
            inside.update(node.output)
            read.update(dict.fromkeys(node.input))
        read.update(dict.fromkeys(value.name for value in graph.output))
    return [name for name in read if name and name not in inside]


def held(owner: str, given: Mapping[str, Any]) -> list[Stored]:
    """The trained tensors inside the branches, each named after its owner and branch."""
    found = []
    for position, graph in enumerate(branches(given)):
        pairs = [(tensor.name, tensor) for tensor in graph.initializer]
        for node in graph.node:
            if node.op_type == "Constant" and "value" in (inner := attributes(node)):
                pairs.append((node.output[0], inner["value"]))
        entries = (stored_tensor(f"{owner}/{position}/{name}", tensor) for name, tensor in pairs)
        found += [entry for entry in entries if entry.heavy and prod(entry.shape) > 1]
    return found


def operations(given: Mapping[str, Any]) -> Counter[str]:
    """How many operations the branches hold, by operator."""
    return Counter(
        target(node)
        for graph in branches(given)
        for node in graph.node
        if node.op_type != "Constant"
    )
