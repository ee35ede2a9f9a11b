"""The source of an ONNX file: the file itself, and which op of its graph each value belongs to.

The front end lays a file out as one flat list, in which bodies and local functions stand where
they run and names that occur twice are told apart. Laying out the file that the runtime reads,
whose functions are inlined, gives the same list: so the two are matched step by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    external_data_helper,
)

from talaria_widget.frontends.onnx.layout.external import fault
from talaria_widget.frontends.onnx.layout.flat import label_of
from talaria_widget.frontends.onnx.layout.flatten import flatten
from talaria_widget.frontends.onnx.layout.load import load, read
from talaria_widget.frontends.onnx.layout.steps import Step
from talaria_widget.graph import Graph, Op, UnsupportedModelError
from talaria_widget.rewrite.draft import payload_bytes
from talaria_widget.rewrite.source import LARGEST_KEPT_BYTES, Source

FLOATS = frozenset(
    {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
)
_DATA = (
    "raw_data",
    "float_data",
    "int32_data",
    "int64_data",
    "double_data",
    "uint64_data",
    "external_data",
    "data_location",
)


def source_of_file(model: str | Path | ModelProto, graph: Graph) -> Source:
    """The source of a file that has been captured as `graph`.

    Raises:
        FileNotFoundError: there is no such file.
        UnsupportedModelError: the file, or data beside it, cannot be read.
    """
    folder = None if isinstance(model, ModelProto) else Path(model).expanduser().parent
    original = read(model)
    skeleton = _light(load(original))
    for tensor in stored(skeleton.graph):
        if not _stays_behind(tensor):
            _fetch(tensor, folder)
    owners = _owners(original, skeleton, graph)
    return Source(skeleton, owners, lambda: _filled(model, folder))


def _stays_behind(tensor: TensorProto) -> bool:
    return tensor.data_type in FLOATS and payload_bytes(tensor) > LARGEST_KEPT_BYTES


def _light(model: ModelProto) -> ModelProto:
    """A copy without the data that stays behind, which is never copied."""
    light = ModelProto()
    _copy(model, light, "graph")
    _copy(model.graph, light.graph, "initializer")
    for tensor in model.graph.initializer:
        if _stays_behind(tensor):
            light.graph.initializer.add(
                name=tensor.name, data_type=tensor.data_type, dims=tensor.dims
            )
        else:
            light.graph.initializer.add().CopyFrom(tensor)
    heavy = [t for t in stored(light.graph) if _stays_behind(t) and _has_data(t)]
    for tensor in heavy:
        for name in _DATA:
            tensor.ClearField(name)
    # What is cleared still takes memory, until the message is made anew.
    return ModelProto.FromString(light.SerializeToString()) if heavy else light


def _has_data(tensor: TensorProto) -> bool:
    return bool(tensor.external_data) or tensor.ByteSize() > payload_bytes(tensor)


def _copy(source: ModelProto | GraphProto, target: ModelProto | GraphProto, left_out: str) -> None:
    """All fields of a message but one."""
    for field, value in source.ListFields():
        if field.name == left_out:
            continue
        held = getattr(target, field.name)
        if isinstance(value, int | str):
            setattr(target, field.name, value)
        elif hasattr(value, "CopyFrom"):
            held.CopyFrom(value)
        else:
            held.extend(value)


def stored(graph: GraphProto) -> Iterator[TensorProto]:
    """Every dense tensor that a graph stores, with those of its bodies."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            yield from (tensor for body in bodies(attribute) for tensor in stored(body))


def bodies(attribute: AttributeProto) -> Sequence[GraphProto]:
    """The graphs that an attribute holds."""
    return [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs


def _filled(model: str | Path | ModelProto, folder: Path | None) -> ModelProto:
    """The whole file; the caller's own message is not touched."""
    whole = load(model)
    if whole is model:
        whole = ModelProto()
        whole.CopyFrom(model)
    for tensor in stored(whole.graph):
        _fetch(tensor, folder)
    return whole


def _fetch(tensor: TensorProto, folder: Path | None) -> None:
    """Read what lies beside the file."""
    if tensor.data_location != TensorProto.EXTERNAL:
        return
    if folder is None:
        raise UnsupportedModelError(
            f"the weight {tensor.name!r} lies in an external data file that this ModelProto does "
            "not say how to find: pass the path of the file."
        )
    reason = fault(tensor, folder, payload_bytes(tensor))
    if reason is not None:
        raise UnsupportedModelError(
            f"the data of {tensor.name!r} {reason}: download or export the model again."
        )
    external_data_helper.load_external_data_for_tensor(tensor, str(folder))
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")


def _owners(original: ModelProto, inlined: ModelProto, graph: Graph) -> dict[str, str]:
    """By value of the inlined file, bodies included: the op of the graph that makes it.

    What a Loop, Scan or If gives belongs to its own op; what its bodies make, to theirs.
    """
    ops = {name: op.name for op in graph.ops for name in op.outputs}
    control: dict[str, Op] = {}
    for op in graph.ops:
        if "inlined" in op.attrs:
            control.setdefault(op.attrs["node"], op)
    owners: dict[str, str] = {}
    first = [step for step in flatten(original).steps if step.role != "alias"]
    if original is inlined or not original.functions:
        second: Sequence[Step] = first
    else:
        second = [step for step in flatten(inlined).steps if step.role != "alias"]
    if [s.node.op_type for s in first] != [s.node.op_type for s in second]:
        second = []
    for mine, theirs in zip(first, second, strict=False):
        for known, name in zip(mine.node.output, theirs.node.output, strict=False):
            if known in ops:
                owners[name] = ops[known]
    for node in _nodes(inlined.graph):
        held = control.get(label_of(node))
        for name in filter(None, node.output):
            if name in ops:
                owners.setdefault(name, ops[name])
            elif held is not None:
                owners.setdefault(name, held.name)
    return owners


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in bodies(attribute):
                yield from _nodes(body)
