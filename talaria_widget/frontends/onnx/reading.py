"""From an ONNX model to the graph: read, lay out, learn, build, account."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from talaria_widget.frontends.onnx.build import build
from talaria_widget.frontends.onnx.built import Built, resolve
from talaria_widget.frontends.onnx.inputs import Bound, bind
from talaria_widget.frontends.onnx.layout.extent import extent
from talaria_widget.frontends.onnx.layout.external import leaves_folder
from talaria_widget.frontends.onnx.layout.flat import Flat
from talaria_widget.frontends.onnx.layout.flatten import flatten
from talaria_widget.frontends.onnx.layout.load import read
from talaria_widget.frontends.onnx.layout.names import quoted
from talaria_widget.frontends.onnx.operators.quantized import with_precision
from talaria_widget.frontends.onnx.shapes.known import Known
from talaria_widget.frontends.onnx.shapes.shapes import learn
from talaria_widget.graph import Graph, Tensor

_LONGEST = 200
"""Characters of a title."""


def graph_of(model: str | Path | onnx.ModelProto, inputs: Any) -> Graph:
    """The graph of an ONNX model: see `capture`."""
    proto = read(model)
    bound = bind(proto.graph, inputs)
    nodes = extent(proto)
    flat = flatten(proto)
    known = learn(proto, flat, bound, _folder(model))
    built = build(known)
    for name in bound.shapes:
        tensor = Tensor(name, bound.shapes[name], bound.dtypes[name], "input")
        built.tensors[name] = tensor
    outputs = tuple(resolve(built, value.name) for value in proto.graph.output)
    for name in outputs:
        if name not in built.tensors:
            entry = Tensor(name, known.shapes.get(name), known.dtypes.get(name, "unknown"))
            built.tensors[name] = replace(entry, role="constant")
    graph = Graph(
        name=_title(model, proto),
        framework="onnx",
        ops=with_precision(built.ops, built.tensors, outputs),
        tensors=built.tensors,
        inputs=tuple(bound.shapes),
        outputs=outputs,
        modules={**flat.modules, **built.modules},
        assumed=bound.assumed,
        notes=(*known.notes, *_elsewhere(flat), *_holes(built, bound)),
        noise=dict(built.noise),
        unused=_unused(flat, known),
    )
    _account(graph, nodes)
    return graph


def _account(graph: Graph, nodes: int) -> None:
    """Every node of the file is an op, or counted as noise; nothing is lost on the way."""
    ops = sum("part" not in op.attrs for op in graph.ops)
    noise = sum(graph.noise.values())
    assert nodes == ops + noise, f"{nodes} nodes became {ops} ops and {noise} noise"


def _folder(model: str | Path | onnx.ModelProto) -> str | None:
    """Where external data lies: beside the file, links followed."""
    if isinstance(model, onnx.ModelProto):
        return None
    return str(Path(model).expanduser().parent.resolve())


def _elsewhere(flat: Flat) -> tuple[str, ...]:
    """Say which data is said to lie outside the model's folder; it is not looked at."""
    tensors = [t for t in flat.stored.values() if t.data_location == onnx.TensorProto.EXTERNAL]
    outside = [tensor.name for tensor in tensors if leaves_folder(tensor)]
    if not outside:
        return ()
    return (
        f"the data of {len(outside)} tensors is said to lie outside the model's folder (first "
        f"{quoted(outside[0])}): it is never read",
    )


def _title(model: str | Path | onnx.ModelProto, proto: onnx.ModelProto) -> str:
    if not isinstance(model, onnx.ModelProto):
        return Path(model).stem
    return proto.graph.name[:_LONGEST] or "model"


def _holes(built: Built, bound: Bound) -> tuple[str, ...]:
    """Say where unknown shapes begin, and what would tell them."""
    live = (op for op in built.ops if op.times != 0)
    holes = [op for op in live if any(built.tensors[n].shape is None for n in op.outputs)]
    foreign = {op.target: None for op in holes if op.kind == "unknown" and "." in op.target}
    if foreign:
        return (
            f"the shapes of {len(holes)} operations are unknown, for nobody knows what "
            f"{' and '.join(foreign)} gives: declare its output in the file's value_info",
        )
    if not holes or not any("open dimensions" in sentence for sentence in bound.assumed):
        return ()
    return (
        f"the shapes of {len(holes)} operations are unknown while open dimensions are 1 "
        f"(first {quoted(holes[0].name)}): pass inputs with real sizes",
    )


def _unused(flat: Flat, known: Known) -> tuple[str, ...]:
    """Stored tensors that may be trained and that no node reads."""
    names = (*flat.stored, *flat.sparse)
    return tuple(name for name in names if name not in flat.read and known.stored[name].heavy)
