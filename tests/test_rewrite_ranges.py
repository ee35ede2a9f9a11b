"""Ranges of activations that are read off the nodes: enough to build what a run would."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

from rewrite_nets import constants_model, small_resnet
from talaria_widget.recipe import Activations, Quantize
from talaria_widget.rewrite.assumed import assumed_ranges
from talaria_widget.rewrite.draft import Draft
from talaria_widget.rewrite.export import export
from talaria_widget.rewrite.folding import fold
from talaria_widget.rewrite.onnx import rewrite

STATIC = Quantize(8, activations=Activations(8))


def model(nodes: list[object], **stored: object) -> ModelProto:
    info = helper.make_tensor_value_info
    tensors = [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in stored.items()]
    ends = [info("x", 1, [2, 3])], [info("y", 1, None)]
    return helper.make_model(helper.make_graph(nodes, "g", *ends, tensors))


@pytest.mark.parametrize(
    ("nodes", "stored", "low", "high"),
    [
        ([("Relu", "x")], {}, 0, 1),
        ([("Tanh", "x")], {}, -1, 1),
        ([("Clip", "x", "a", "b")], {"a": 0, "b": 6}, 0, 6),
        ([("Clip", "x", "a", "b")], {"a": -2, "b": 6}, -2, 6),
        ([("Clip", "x", "", "b")], {"b": 6}, -1, 6),
        ([("Sigmoid", "x"), ("Identity", "0"), ("ReduceMean", "1")], {}, 0, 1),
        ([("Relu", "x"), ("Softmax", "x"), ("Concat", "0", "1")], {}, 0, 1),
        ([("Relu", "x"), ("Mul", "0", "x")], {}, -1, 1),
        ([("Relu", "x"), ("Add", "0", "a")], {"a": [3, -2, 0]}, -2, 3),
        ([("Relu", "x"), ("Add", "0", "a")], {"a": [3, 2, 0]}, 0, 3),
    ],
)
def test_signs_are_those_of_the_nodes(
    nodes: list[tuple[str, ...]], stored: dict[str, object], low: float, high: float
) -> None:
    last = len(nodes) - 1
    made = [
        helper.make_node(kind, inputs, ["y" if i == last else str(i)])
        for i, (kind, *inputs) in enumerate(nodes)
    ]
    assert assumed_ranges(Draft(model(made, **stored)), ["y"]) == {"y": (low, high)}


def test_the_same_nodes_come_out_as_of_a_calibration() -> None:
    torch = pytest.importorskip("torch")
    net, x = small_resnet(), torch.randn(1, 3, 32, 32)
    proto = export(net, (x,))
    image = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)
    weights = [n.input[1] for n in proto.graph.node if n.op_type in ("Conv", "Gemm")]
    assert len(weights) == 6
    for plain, names, given in (
        (proto, weights, x.numpy()),
        (fold(constants_model()), ["kernel", "matrix"], image),
    ):
        options = dict.fromkeys(names, STATIC)
        real = rewrite(plain, options, [{"x": given}])
        assumed = rewrite(plain, options, ranges=assumed_ranges)
        assert [(n.op_type, n.input, n.output) for n in assumed.model.graph.node] == [
            (n.op_type, n.input, n.output) for n in real.model.graph.node
        ]
        assert assumed.stored_bytes == real.stored_bytes
