"""LSTMs in integers, with the scale of their input found on every run: DynamicQuantizeLSTM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from talaria_widget.recipe import Quantize
from talaria_widget.rewrite.draft import (
    MICROSOFT,
    Draft,
    attribute,
    copied_attributes,
    in_order,
)
from talaria_widget.rewrite.integers import (
    LARGEST_WITH_HEADROOM,
    Floats,
    quantize_weight,
    weight_scale,
)
from talaria_widget.rewrite.uses import Weight, recurrent_nodes

LSTM_INPUTS = 8
"""X, W, R, B, sequence lengths, two first states, peepholes (onnx/docs/Operators.md)."""


def store_recurrent(draft: Draft, weights: Sequence[Weight], parts: dict[str, list[str]]) -> None:
    """Compute the LSTMs that these weights belong to in integers.

    Weights that the file joins into one tensor (those of two directions) count with the first.

    Raises:
        ValueError: another recurrent layer, or one of whose weights not all are named.
    """
    known = {weight.tensor: weight for weight in weights}
    nodes = {id(node): node for weight in weights for node in recurrent_nodes(draft, weight.tensor)}
    parts.update((weight.name, []) for weight in weights)
    for node in nodes.values():
        if node.op_type != "LSTM" or attribute(node, "layout", 0):
            raise ValueError(
                f"apply cannot compute {node.op_type} {node.name!r} in integers: ONNX Runtime "
                "has such a kernel for LSTM only."
            )
        _replace(draft, node, known, parts)
    draft.remove_dead()


def _replace(
    draft: Draft, node: NodeProto, known: Mapping[str, Weight], parts: dict[str, list[str]]
) -> None:
    stored: list[list[str]] = []
    for name in node.input[1:3]:
        leaves, values = _constant(draft, name)
        strange = [leaf for leaf in leaves if leaf not in known]
        if strange:
            raise ValueError(
                f"apply computes an LSTM in integers as a whole: {node.name!r} also uses "
                f"{strange[0]!r}; give it the same option."
            )
        first = known[leaves[0]]
        stored.append(_store(draft, first, name, values))
        parts[first.name].extend(stored[-1])
    rest = [*node.input[3:], *[""] * (LSTM_INPUTS - len(node.input))]
    weights, steps = [s[0] for s in stored], [name for s in stored for name in s[1:]]
    draft.remove([node])
    draft.add(
        "DynamicQuantizeLSTM",
        [node.input[0], *weights, *rest, *steps],
        node.output[0],
        domain=MICROSOFT,
    )
    (made,) = draft.newest()
    draft.give(made, node.output[1:])
    made.attribute.extend(a for a in copied_attributes(node) if a.name != "layout")


def _store(draft: Draft, weight: Weight, name: str, values: Floats) -> list[str]:
    """A weight (directions, gates, inputs), turned as the kernel reads it, and its steps."""
    option = weight.option
    assert isinstance(option, Quantize)
    directions, gates, inputs = values.shape
    each = directions if option.granularity == "tensor" else directions * gates
    rows = values.reshape(each, -1)
    scale = weight_scale(rows, 0, LARGEST_WITH_HEADROOM)
    integers = quantize_weight(rows, scale, 0).reshape(directions, gates, inputs)
    shape = (directions,) if each == directions else (directions, gates)
    return [
        draft.store(f"{name}_quantized", np.ascontiguousarray(integers.transpose(0, 2, 1))),
        draft.store(f"{name}_scale", scale.reshape(shape)),
        draft.store(f"{name}_zero_point", np.zeros(shape, np.int8)),
    ]


def _constant(draft: Draft, name: str) -> tuple[list[str], Floats]:
    """The stored weights that a value is made of, and the value."""
    producers = draft.producers()
    nodes: dict[int, NodeProto] = {}
    leaves: list[str] = []
    waiting = [name]
    while waiting:
        value = waiting.pop()
        if value in draft.stored:
            leaves.append(value)
        elif (node := producers.get(value)) is None:
            raise ValueError(f"apply cannot quantize {name!r}: it is computed on every run.")
        elif id(node) not in nodes:
            nodes[id(node)] = node
            waiting.extend(given for given in reversed(node.input) if given)
    floats = [
        leaf for leaf in dict.fromkeys(leaves) if draft.stored[leaf].data_type == TensorProto.FLOAT
    ]
    if not nodes:
        return floats, draft.array(name).astype(np.float32)
    used = [numpy_helper.from_array(draft.array(leaf), leaf) for leaf in dict.fromkeys(leaves)]
    output = helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None)
    ordered = in_order(list(nodes.values()), set(leaves))
    graph = helper.make_graph(ordered, "constant", [], [output], used)
    model = helper.make_model(graph, opset_imports=list(draft.model.opset_import))
    results: Any = ReferenceEvaluator(model).run([name], {})
    return floats, np.asarray(results[0], np.float32)
