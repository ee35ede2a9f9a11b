"""Zeros around a convolution's input become its own padding, and nothing else does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import talaria_widget as talaria
from talaria_widget.rewrite.child import run
from talaria_widget.rewrite.folding import fold

X = np.random.default_rng(0).standard_normal((1, 3, 9, 8)).astype(np.float32)


def padded(
    sides: tuple[int, ...] = (0, 0, 1, 0, 0, 0, 2, 1),
    *,
    value: float | None = None,
    mode: str = "constant",
    conv: dict[str, Any] | None = None,
    also: bool = False,
) -> ModelProto:
    """A Pad and a convolution behind it; with `also` the padded value is an output too."""
    kernel = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32)
    stored = {"w": kernel, "sides": np.asarray(sides, np.int64)}
    reads = ["x", "sides"]
    if value is not None:
        stored["value"] = np.float32(value)
        reads.append("value")
    nodes = [
        helper.make_node("Pad", reads, ["p"], mode=mode),
        helper.make_node("Conv", ["p", "w"], ["y"], **(conv or {})),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    if also:
        outputs.append(helper.make_tensor_value_info("p", TensorProto.FLOAT, None))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)]
    tensors = [numpy_helper.from_array(values, name) for name, values in stored.items()]
    graph = helper.make_graph(nodes, "padded", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def kinds(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def assert_same(before: ModelProto, after: ModelProto) -> None:
    (a,), (b,) = run(before, [{"x": X}], "the one"), run(after, [{"x": X}], "the other")
    np.testing.assert_allclose(a["y"], b["y"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("conv", [{}, {"pads": [1, 1, 0, 2]}, {"strides": [2, 2]}])
def test_zeros_around_the_input_become_padding(conv: dict[str, Any]) -> None:
    model = padded(conv=conv, value=0.0)
    folded = fold(model)
    assert kinds(folded) == ["Conv"]
    assert kinds(model) == ["Pad", "Conv"]  # left as it was
    assert_same(model, folded)


@pytest.mark.parametrize(
    "model",
    [
        padded(value=1.5),
        padded(mode="reflect"),
        padded(also=True),
        padded((0, 0, -1, 0, 0, 0, -1, 0)),
        padded(conv={"auto_pad": "SAME_UPPER"}),
    ],
    ids=["another value", "reflected", "read by others", "cut off", "padded by rule"],
)
def test_any_other_padding_stays(model: ModelProto) -> None:
    assert "Pad" in kinds(fold(model))


def test_a_padded_convolution_runs_in_integers_throughout() -> None:
    static = talaria.Quantize(8, activations=talaria.Activations(8))
    with pytest.warns(UserWarning, match="activation ranges"):
        applied = talaria.apply(padded(), {"*": static}, {"x": X})
    assert isinstance(applied.model, ModelProto)
    assert kinds(applied.model) == [
        *("QuantizeLinear", "DequantizeLinear"),
        *("DequantizeLinear", "Conv"),
        *("QuantizeLinear", "DequantizeLinear"),
    ]
