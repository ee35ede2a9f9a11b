"""The bytes an op reads and writes, as its tensors are stored."""

from __future__ import annotations

from collections.abc import Iterable

from talaria_widget.graph import Graph, Op

Traffic = tuple[int | None, int | None, int | None]


def traffic(graph: Graph, op: Op) -> Traffic:
    """Bytes of weights, of other inputs, and of outputs; `None` where one is unknown.

    Each tensor counts once, however often the op names it. An alias moves nothing, nor does
    control flow whose bodies stand in the graph. Other
    data movement reads what it writes and no more (a slice does not read the whole), an
    embedding reads the rows it is asked for, and a mixture of experts at most one expert per row.
    """
    if op.is_view or op.attrs.get("inlined"):
        return 0, 0, 0
    weights = _sum(graph, op.weights)
    read, written = _sum(graph, op.inputs), _sum(graph, op.outputs)
    if "routed" in op.attrs:
        read, weights = (_routed(graph, op, part) for part in (op.inputs, op.weights))
    if op.kind == "embedding":
        return _rows(graph, op, weights), read, written
    if op.kind == "movement" and written is not None:
        weights = None if weights is None else min(weights, written)
        read = None if read is None else min(read, written)
    return weights, read, written


def _routed(graph: Graph, op: Op, names: tuple[str, ...]) -> int | None:
    """Bytes of operands where of a stack of experts no more are read than there are rows."""
    rows, experts = op.attrs["routed"]
    total = 0
    for name in names:
        nbytes = _sum(graph, (name,))
        if nbytes is None:
            return None
        stacked = len(graph.tensors[name].shape or ()) == 3
        total += nbytes * min(rows, experts) // experts if stacked else nbytes
    return total


def _sum(graph: Graph, names: Iterable[str]) -> int | None:
    total = 0
    for name in dict.fromkeys(names):
        tensor = graph.tensors.get(name)
        nbytes = tensor.nbytes if tensor is not None else None
        if nbytes is None:
            return None
        total += nbytes
    return total


def _rows(graph: Graph, op: Op, table_bytes: int | None) -> int | None:
    """Bytes of one row per index, at most the table."""
    if not op.weights or not op.inputs or table_bytes is None:
        return table_bytes
    rows = (graph.tensors[op.weights[0]].shape or (0,))[0]
    indices = graph.tensors[op.inputs[0]].size
    if indices is None or not rows:
        return None
    return min(table_bytes, table_bytes * indices // rows)
