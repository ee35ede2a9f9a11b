"""Refuse a file whose structure cannot be true, in one sentence, before anything reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from math import prod

import onnx

from talaria_widget.frontends.onnx.layout.names import quoted
from talaria_widget.frontends.onnx.types import dtype_name
from talaria_widget.graph import DTYPE_BITS, UnsupportedModelError

DEPTH = 30
"""How deep bodies may stand in one another; a message that nests deeper cannot be parsed."""
_LARGEST = 2**50
_LATEST = 2**31 - 1
_AGAIN = "export or download the model again."
_TYPES = onnx.AttributeProto
# Where a tensor keeps its numbers if not in `raw_data`, and how many entries one element takes.
_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
_TWO_ENTRIES = (onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128)


def validate(model: onnx.ModelProto, label: str) -> None:
    """Check names, edges, sizes and attributes, in bodies and functions too.

    Raises:
        UnsupportedModelError: The graph is empty or cannot be true; the message says what is
            wrong, and where.
    """
    if not model.graph.node:
        raise UnsupportedModelError(
            f"{label} holds no operations: pass a model that computes something."
        )
    if not model.opset_import:
        raise UnsupportedModelError(
            f"{label} names no operator set, so it is cut short: export or download it again."
        )
    _texts(label, (model.graph.name, *(entry.domain for entry in model.opset_import)))
    opsets = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    early = next((name for name, version in opsets.items() if version < 1), None)
    if early is not None:
        raise UnsupportedModelError(
            f"{label} asks for version {opsets[early]} of operator set {quoted(early)}, which "
            f"never was: {_AGAIN}"
        )
    _graph(model.graph, set(), opsets, label, 0)
    for function in model.functions:
        _texts(label, (function.name, function.domain, *function.input, *function.output))
        visible = set(function.input)
        _scope(function.node, visible, function.output, opsets, label, 0)


def _graph(
    graph: onnx.GraphProto, outer: set[str], opsets: dict[str, int], label: str, depth: int
) -> None:
    if depth > DEPTH:
        raise UnsupportedModelError(
            f"{label} has bodies that stand more than {DEPTH} deep in one another: {_AGAIN}"
        )
    for tensor in graph.initializer:
        _tensor(tensor, label)
    for sparse in graph.sparse_initializer:
        _sparse(sparse, label)
    values = (*graph.input, *graph.output)
    _texts(label, (value.name for value in (*values, *graph.value_info)))
    visible = outer | {value.name for value in graph.input}
    visible |= {tensor.name for tensor in graph.initializer}
    visible |= {sparse.values.name for sparse in graph.sparse_initializer}
    ends = [value.name for value in graph.output]
    _scope(graph.node, visible, ends, opsets, label, depth)


def _scope(
    nodes: Iterable[onnx.NodeProto],
    visible: set[str],
    ends: Iterable[str],
    opsets: dict[str, int],
    label: str,
    depth: int,
) -> None:
    """Nodes that read only what somebody makes, and make what nobody else does."""
    made: set[str] = set()
    for node in nodes:
        _texts(label, (node.name, node.op_type, node.domain, *node.input, *node.output))
        for name in filter(None, node.output):
            if name in made:
                raise UnsupportedModelError(
                    f"{label} makes tensor {quoted(name)} twice, so it is corrupt: {_AGAIN}"
                )
            made.add(name)
    visible = visible | made
    wanted = (name for node in nodes for name in node.input)
    missing = next((n for n in (*wanted, *ends) if n and n not in visible), None)
    if missing is not None:
        raise UnsupportedModelError(
            f"{label} reads tensor {quoted(missing)}, which nothing makes, so it is corrupt or "
            "cut short: export or download it again."
        )
    for node in nodes:
        _attributes(node, visible, opsets, label, depth)


def _attributes(
    node: onnx.NodeProto, visible: set[str], opsets: dict[str, int], label: str, depth: int
) -> None:
    expected = _schema(node.op_type, node.domain, opsets.get(node.domain or "ai.onnx", _LATEST))
    named: set[str] = set()
    for attribute in node.attribute:
        _texts(label, (attribute.name, attribute.ref_attr_name))
        if attribute.name in named:
            raise UnsupportedModelError(
                f"{node.op_type} {quoted(node.name)} in {label} has attribute "
                f"{quoted(attribute.name)} twice, so it is corrupt: {_AGAIN}"
            )
        named.add(attribute.name)
        wanted = expected.get(attribute.name)
        if wanted is not None and attribute.type not in (wanted, _TYPES.UNDEFINED):
            raise UnsupportedModelError(
                f"attribute {quoted(attribute.name)} of {node.op_type} {quoted(node.name)} in "
                f"{label} is of type {_type_name(attribute.type)} and should be "
                f"{_type_name(wanted)}: {_AGAIN}"
            )
        for tensor in [attribute.t] if attribute.HasField("t") else attribute.tensors:
            _tensor(tensor, label)
            if tensor.data_location == onnx.TensorProto.EXTERNAL and node.op_type != "Constant":
                raise UnsupportedModelError(
                    f"attribute {quoted(attribute.name)} of {node.op_type} {quoted(node.name)} in "
                    f"{label} keeps its data in another file, which only weights may: {_AGAIN}"
                )
        if attribute.HasField("sparse_tensor"):
            _sparse(attribute.sparse_tensor, label)
        for graph in bodies(attribute):
            _graph(graph, visible, opsets, label, depth + 1)


def bodies(attribute: onnx.AttributeProto) -> Iterator[onnx.GraphProto]:
    """The graphs that an attribute holds."""
    if attribute.type == _TYPES.GRAPH:
        yield attribute.g
    elif attribute.type == _TYPES.GRAPHS:
        yield from attribute.graphs


@cache
def _schema(op_type: str, domain: str, version: int) -> dict[str, int]:
    """The type of each attribute that the standard gives this operator, at this version first."""
    if domain not in ("", "ai.onnx", "ai.onnx.ml"):
        return {}
    found: dict[str, int] = {}
    for at in (version, _LATEST):
        name = "" if domain == "ai.onnx" else domain
        while at > 0:
            try:
                schema = onnx.defs.get_schema(op_type, min(at, _LATEST), name)
            except onnx.defs.SchemaError:
                break
            for attribute, about in schema.attributes.items():
                kind = str(about.type).rpartition(".")[2]
                found.setdefault(attribute, _TYPES.AttributeType.Value(kind))
            at = schema.since_version - 1
    return found


def _type_name(kind: int) -> str:
    known = _TYPES.AttributeType.values()
    return _TYPES.AttributeType.Name(kind) if kind in known else str(kind)


def _tensor(tensor: onnx.TensorProto, label: str) -> None:
    """A stored tensor whose sizes are sizes, and whose data fills them or is kept elsewhere."""
    _texts(label, (tensor.name,))
    dims = tuple(tensor.dims)
    size = prod(dims)
    name = quoted(tensor.name)
    if any(n < 0 for n in dims) or size > _LARGEST:
        raise UnsupportedModelError(
            f"tensor {name} in {label} has shape {dims[:8]}, which no tensor can have: {_AGAIN}"
        )
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return
    bits = DTYPE_BITS.get(dtype_name(tensor.data_type))
    held, wanted = _held(tensor), size * (2 if tensor.data_type in _TWO_ENTRIES else 1)
    if tensor.HasField("raw_data"):
        held, wanted = len(tensor.raw_data), 0 if bits is None else (size * bits + 7) // 8
        if bits is None:
            return
    elif bits is not None and bits < 8:
        wanted = held if held in (size, (size * bits + 7) // 8) else wanted
    # A file that was stripped of its weights holds none of them, and still has their shapes.
    if held and held != wanted:
        raise UnsupportedModelError(
            f"tensor {name} in {label} has shape {dims[:8]} and data for another: {_AGAIN}"
        )


def _held(tensor: onnx.TensorProto) -> int:
    return max(len(getattr(tensor, field)) for field in _FIELDS)


def _sparse(sparse: onnx.SparseTensorProto, label: str) -> None:
    _tensor(sparse.values, label)
    _tensor(sparse.indices, label)
    dims = tuple(sparse.dims)
    if any(n < 0 for n in dims) or prod(dims) > _LARGEST:
        raise UnsupportedModelError(
            f"sparse tensor {quoted(sparse.values.name)} in {label} has shape {dims[:8]}, which no "
            f"tensor can have: {_AGAIN}"
        )


def _texts(label: str, names: Iterable[str | bytes]) -> None:
    """Names as text: what is no UTF-8 comes out of the parser as bytes."""
    odd = next((name for name in names if not isinstance(name, str)), None)
    if odd is not None:
        raise UnsupportedModelError(
            f"{label} has a name that is no UTF-8 text ({odd[:40]!r}), so it is corrupt: {_AGAIN}"
        )
