"""What `torch.onnx.export` leaves behind, taken out: run-time constants, zero biases, paths.

Unoptimised, the exporter computes a Clip's limits and a missing bias in small nodes that run
each time and keep the runtime from fusing, and writes stack traces into every node.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from talaria_widget.rewrite.draft import Draft, attribute, payload_bytes

SMALL_BYTES = 1024
CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
FOLDED = frozenset(
    {
        *("Cast", "Concat", "Constant", "Div", "Expand", "Gather", "Identity", "Mul", "Range"),
        *("Reshape", "Slice", "Sqrt", "Squeeze", "Sub", "Unsqueeze", "Add"),
    }
)


def tidy(model: ModelProto, weights: Collection[str]) -> ModelProto:
    """The same model with small constants computed, zero biases and metadata left out.

    `weights` are the stored tensors that must stay as they are, however small.
    """
    draft = Draft(model)
    for node in draft.nodes:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    _resolve_types(draft)
    zeros = _fold(draft, weights)
    for node in draft.nodes:
        if node.op_type in CONVOLUTIONS and len(node.input) > 2 and node.input[2] in zeros:
            del node.input[2:]
    draft.remove_dead()
    result = draft.finish()
    del result.metadata_props[:]
    graph = result.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    for tensor in graph.initializer:
        tensor.ClearField("metadata_props")
        tensor.ClearField("doc_string")
    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    return result


def _resolve_types(draft: Draft) -> None:
    """CastLike of a known type becomes Cast; Shape of a known shape becomes a constant."""
    graph = draft.model.graph
    known = {v.name: v.type.tensor_type for v in (*graph.value_info, *graph.input)}
    shaped = []
    for node in draft.nodes:
        source = node.input[1 if node.op_type == "CastLike" else 0] if node.input else ""
        if source in draft.stored:
            stored = draft.stored[source]
            dtype, dims = stored.data_type, list(stored.dims)
        elif source in known and known[source].HasField("shape"):
            shape = known[source].shape.dim
            dtype, dims = known[source].elem_type, [d.dim_value for d in shape]
            if not all(d.HasField("dim_value") for d in shape):
                dims = [-1]
        else:
            continue
        if node.op_type == "CastLike" and dtype != TensorProto.UNDEFINED:
            node.op_type = "Cast"
            del node.input[1:]
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("to", dtype))
        elif node.op_type == "Shape" and -1 not in dims:
            first, last = attribute(node, "start", 0), attribute(node, "end", None)
            draft.replace(node.output[0], np.array(dims[slice(first, last)], np.int64))
            shaped.append(node)
    draft.remove(shaped)


def _fold(draft: Draft, weights: Collection[str]) -> set[str]:
    """Compute what follows from small constants alone; returns the names that are all zeros."""
    constants = {
        name
        for name, tensor in draft.stored.items()
        if name not in weights and payload_bytes(tensor) <= SMALL_BYTES
    }
    known, nodes = set(constants), list[NodeProto]()
    for node in draft.nodes:
        if node.op_type in FOLDED and all(name in known for name in node.input if name):
            nodes.append(node)
            known.update(node.output)
    made = [node.output[0] for node in nodes]
    if not made:
        return set()
    outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in made]
    used = {name for node in nodes for name in node.input} & constants
    tensors = [numpy_helper.from_array(draft.array(name), name) for name in used]
    graph = helper.make_graph(nodes, "constants", [], outputs, tensors)
    folded = helper.make_model(graph, opset_imports=list(draft.model.opset_import))
    results: Any = ReferenceEvaluator(folded).run(made, {})
    values = {name: np.asarray(value) for name, value in zip(made, results, strict=True)}
    small = {name for name, value in values.items() if value.nbytes <= SMALL_BYTES}
    draft.remove([node for node in nodes if node.output[0] in small])
    for name in small:
        draft.replace(name, values[name])
    return {name for name, value in values.items() if not np.any(value)}
