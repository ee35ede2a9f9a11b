"""Look up a tensor of an op; whatever the graph does not know raises `LookupError`.

`count` turns that one exception into `None`, so that a counter is only its formula.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from talaria_widget.graph import Graph, Op, Tensor


def tensor(graph: Graph, name: str) -> Tensor:
    """The tensor of that name.

    Raises:
        LookupError: There is none (an optional input left out has the empty name).
    """
    return graph.tensors[name]


def shape(graph: Graph, name: str) -> tuple[int, ...]:
    """The shape of a tensor.

    Raises:
        LookupError: Nothing is known of it.
    """
    known = graph.tensors[name].shape
    if known is None:
        raise LookupError(f"the shape of {name!r} is unknown")
    return known


def size(graph: Graph, name: str) -> int:
    """The elements of a tensor.

    Raises:
        LookupError: Its shape is unknown.
    """
    return prod(shape(graph, name))


def output_size(graph: Graph, op: Op) -> int:
    """The elements of the op's first output.

    Raises:
        LookupError: It has none, or its shape is unknown.
    """
    return size(graph, op.outputs[0])


def input_size(graph: Graph, op: Op) -> int:
    """The elements of the op's first input, which a folded model may keep among its weights.

    Raises:
        LookupError: It has none, or its shape is unknown.
    """
    return size(graph, (*op.inputs, *op.weights)[0])


def is_complex(graph: Graph, names: Iterable[str]) -> bool:
    """Whether one of these tensors holds complex numbers."""
    found = (graph.tensors.get(name) for name in names)
    return any(known is not None and known.dtype.startswith("complex") for known in found)
