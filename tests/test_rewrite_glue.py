"""What stays integer between integer convolutions: the kernels that really run, and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper

from rewrite_nets import apart, kernels
from talaria_widget.recipe import Activations, Quantize
from talaria_widget.rewrite.assumed import assumed_ranges
from talaria_widget.rewrite.onnx import rewrite
from talaria_widget.rewrite.verify import vary

STATIC = Quantize(8, activations=Activations(8))
NEAR = 0.04
FLOAT_GLUE = {"HardSigmoid", "HardSwish", "Sigmoid", "Mul", "Add", "ReduceMean", "Concat", "Clip"}
Node = tuple[str, list[str], dict[str, Any]]


def net(middle: list[Node], opset: int = 17, **stored: Any) -> ModelProto:
    """Convolution 1 gives `a`, the nodes in the middle make `b` of it, convolution 2 reads `b`."""
    random = np.random.default_rng(0)
    values = {name: np.asarray(value) for name, value in stored.items()}
    for name in ("w1", "w2"):
        values[name] = (random.normal(size=(8, 8, 1, 1)) / 8**0.5).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w1"], ["a"])]
    nodes += [
        helper.make_node(kind, inputs, [f"m{i}" if i < len(middle) - 1 else "b"], **attributes)
        for i, (kind, inputs, attributes) in enumerate(middle)
    ]
    nodes.append(helper.make_node("Conv", ["b", "w2"], ["y"]))
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [info("x", 1, [1, 8, 12, 12])],
        [info("y", 1, [None] * 4)],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


X: Mapping[str, Any] = {
    "x": np.random.default_rng(1).normal(size=(1, 8, 12, 12)).astype(np.float32)
}
FEEDS = [X, vary(X)]
SQUEEZE: list[Node] = [
    ("ReduceMean", ["a"], {"axes": [2, 3]}),
    ("HardSigmoid", ["m0"], {"alpha": 0.2, "beta": 0.5}),
    ("Mul", ["a", "m1"], {}),
]
THREE, SIX, ZERO = (np.float32(v) for v in (3, 6, 0))


@pytest.mark.parametrize(
    ("middle", "stored", "ran"),
    [
        ([("HardSwish", ["a"], {})], {}, {"QLinearAdd": 1, "QLinearMul": 1}),
        (
            [("HardSigmoid", ["a"], {"alpha": 1 / 6}), ("Mul", ["a", "m0"], {})],
            {},
            {"QLinearAdd": 1, "QLinearMul": 1},
        ),
        (
            [
                ("Add", ["a", "three"], {}),
                ("Clip", ["m0", "zero", "six"], {}),
                ("Mul", ["a", "m1"], {}),
                ("Div", ["m2", "six"], {}),
            ],
            {"three": THREE, "six": SIX, "zero": ZERO},
            {"QLinearAdd": 1, "QLinearMul": 2},
        ),
        (
            [("Sigmoid", ["a"], {}), ("Mul", ["a", "m0"], {})],
            {},
            {"QLinearSigmoid": 1, "QLinearMul": 1},
        ),
        (SQUEEZE, {}, {"QLinearGlobalAveragePool": 1, "QLinearAdd": 1, "QLinearMul": 1}),
        ([("LeakyRelu", ["a"], {"alpha": 0.1})], {}, {"QLinearLeakyRelu": 1}),
        (
            [("MaxPool", ["a"], {"kernel_shape": [2, 2]}), ("Concat", ["m0", "m0"], {"axis": 2})],
            {},
            {"NhwcMaxPool": 1, "QLinearConcat": 1},
        ),
        (
            [("Transpose", ["a"], {"perm": [0, 1, 3, 2]}), ("Add", ["a", "m0"], {})],
            {},
            {"QLinearAdd": 1},
        ),
    ],
    ids=["hard swish", "hard sigmoid", "by hand", "silu", "squeeze", "leaky", "pool", "turned"],
)
def test_operators_between_integer_convolutions_compute_in_integers(
    middle: list[Node], stored: dict[str, Any], ran: dict[str, int], tmp_path: Path
) -> None:
    model = net(middle, **stored)
    written = rewrite(model, {"w1": STATIC, "w2": STATIC}, FEEDS)
    onnx.checker.check_model(written.model)
    found = kernels(written.model, tmp_path)
    assert {name: found[name] for name in ran} == ran
    assert found["QLinearConv"] == 2
    assert (found["QuantizeLinear"], found["DequantizeLinear"]) == (1, 1)
    assert not FLOAT_GLUE & set(found)
    assert apart(model, written.model, X) < NEAR
    assumed = rewrite(model, {"w1": STATIC, "w2": STATIC}, ranges=assumed_ranges)
    assert kernels(assumed.model, tmp_path) == found


def test_softmax_stays_in_floats(tmp_path: Path) -> None:
    """QLinearSoftmax takes seven times as long."""
    model = net([("Softmax", ["a"], {"axis": 1})])
    found = kernels(rewrite(model, {"w1": STATIC, "w2": STATIC}, FEEDS).model, tmp_path)
    assert (found["Softmax"], found["QLinearSoftmax"]) == (1, 0)


@pytest.mark.parametrize("before", ["Relu", "Tanh"])
def test_a_pool_of_floats_stays_one(before: str, tmp_path: Path) -> None:
    """Quantization does not move up through it: its integer kernel for planes is slow."""
    pool = ("MaxPool", ["m0"], {"kernel_shape": [3, 3], "strides": [2, 2]})
    model = net([(before, ["a"], {}), pool])
    written = rewrite(model, {"w2": STATIC}, FEEDS)
    optimised = tmp_path / "optimised.onnx"
    assert kernels(written.model, tmp_path)["MaxPool"] == 1
    nodes = onnx.load(optimised).graph.node
    of_pool = next(node for node in nodes if node.op_type == "MaxPool")
    makers = {name: node.op_type for node in nodes for name in node.output}
    assert makers[of_pool.input[0]] != "QuantizeLinear"
    assert "Clip" not in makers.values()  # what holds it up costs nothing
    assert apart(model, written.model, X) < NEAR


def test_what_does_not_come_in_as_integers_is_left_alone(tmp_path: Path) -> None:
    model = net([("Sigmoid", ["a"], {}), ("Mul", ["a", "m0"], {})])
    found = kernels(rewrite(model, {"w2": STATIC}, FEEDS).model, tmp_path)
    assert not {"QLinearSigmoid", "QLinearMul"} & set(found)
    assert found["QLinearConv"] == 1


def test_a_scale_is_shared_along_what_only_moves() -> None:
    turned = ("Transpose", ["a"], {"perm": [0, 1, 3, 2]})
    written = rewrite(net([turned]), {"w1": STATIC, "w2": STATIC}, FEEDS)
    # Weights with a scale and zero point per channel; x, a (also turned) and y.
    assert written.tensor_bytes == 2 * (64 + 5 * 8) + 3 * 5
