"""Capture an ONNX model: its nodes as ops, its initialisers and constants as weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from talaria_widget.frontends.onnx.build import Built, build, resolve
from talaria_widget.frontends.onnx.control import outer_names
from talaria_widget.frontends.onnx.inputs import Bound, bind
from talaria_widget.frontends.onnx.load import load
from talaria_widget.frontends.onnx.shapes import Known, learn
from talaria_widget.frontends.onnx.types import attributes
from talaria_widget.graph import Graph, Tensor

__all__ = ["capture"]


def capture(model: str | Path | onnx.ModelProto, inputs: Any = None) -> Graph:
    """The graph of an ONNX model; nothing is run, and external data stays on disk.

    What is known before a run computes nothing: Constant nodes, sizes and what is computed
    from them, views of stored weights, Identity and Dropout are counted in `noise`. Everything
    else is an op; an operator that is not in the table has kind `unknown`.

    Args:
        model: a path or a `ModelProto`.
        inputs: a dict of arrays or shapes by input name (or one array, or a sequence of them
            in order). Open dimensions without a value are 1, said in `assumed`.

    Returns:
        The graph. `attrs["node"]` of an op is its node's name, or its first output where the
        node has none.

    Raises:
        FileNotFoundError: There is no such file.
        UnsupportedModelError: The file is no ONNX model, is cut short, or computes nothing.
        ValueError: `inputs` names, shapes or dtypes that the model has not.
        TypeError: `model` or an input is of another type.
    """
    proto = load(model)
    bound = bind(proto.graph, inputs)
    known = learn(proto, bound)
    built = build(known)
    for name in bound.shapes:
        tensor = Tensor(name, bound.shapes[name], bound.dtypes[name], "input")
        built.tensors[name] = tensor
    outputs = tuple(resolve(built, value.name) for value in proto.graph.output)
    for name in outputs:
        if name not in built.tensors:
            entry = Tensor(name, known.shapes.get(name), known.dtypes.get(name, "unknown"))
            built.tensors[name] = replace(entry, role="constant")
    return Graph(
        name=_title(model, proto),
        framework="onnx",
        ops=tuple(built.ops),
        tensors=built.tensors,
        inputs=tuple(bound.shapes),
        outputs=outputs,
        modules=built.modules,
        assumed=bound.assumed,
        notes=(*known.notes, *_holes(built, bound), *built.notes),
        noise=dict(built.noise),
        unused=_unused(proto.graph, known),
    )


def _title(model: str | Path | onnx.ModelProto, proto: onnx.ModelProto) -> str:
    return proto.graph.name or "model" if isinstance(model, onnx.ModelProto) else Path(model).stem


def _holes(built: Built, bound: Bound) -> tuple[str, ...]:
    """Say that what is unknown may come of an open dimension that is too small at 1."""
    holes = [op for op in built.ops if any(built.tensors[n].shape is None for n in op.outputs)]
    if not holes or not bound.assumed:
        return ()
    return (
        f"the shapes of {len(holes)} operations are unknown while open dimensions are 1 "
        f"(first {holes[0].name!r}): pass inputs with real sizes",
    )


def _unused(graph: onnx.GraphProto, known: Known) -> tuple[str, ...]:
    """Initialisers that may be trained and that no node reads."""
    read = {name for node in graph.node for name in (*node.input, *outer_names(attributes(node)))}
    read.update(value.name for value in graph.output)
    names = (tensor.name for tensor in graph.initializer)
    return tuple(name for name in names if name not in read and known.stored[name].heavy)
