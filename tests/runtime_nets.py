"""Small ONNX models for what is really run and timed, and nodes as it is seen to run."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from talaria_widget.compilers.observed import Node


def model(
    nodes: list[Any], weights: dict[str, Any], inputs: dict[str, Any], end: str
) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(end, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def node(name: str, op_type: str, inputs: str, outputs: str, **more: Any) -> Node:
    """A node of an optimised graph: its inputs and outputs as words."""
    given = {"seconds": 0.0, **more}
    return Node(name, op_type, "", tuple(inputs.split()), tuple(outputs.split()), **given)


def numbers(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32) * 0.1


def residual_net(size: int = 32) -> ModelProto:
    """Convolutions with a norm, a residual, a pool and a linear layer: 9 ops."""
    make = helper.make_node
    wide = 32
    nodes = [
        make("Conv", ["x", "stem.weight"], ["c0"], "stem", pads=[1] * 4),
        make("BatchNormalization", ["c0", "s", "b", "m", "v"], ["n0"], "norm"),
        make("Relu", ["n0"], ["r0"], "relu0"),
        make("Conv", ["r0", "body.weight"], ["c1"], "body", pads=[1] * 4),
        make("Add", ["c1", "r0"], ["a"], "add"),
        make("Relu", ["a"], ["r1"], "relu1"),
        make("GlobalAveragePool", ["r1"], ["p"], "pool"),
        make("Flatten", ["p"], ["f"], "flatten"),
        make("Gemm", ["f", "fc.weight", "fc.bias"], ["y"], "fc", transB=1),
    ]
    ones = np.ones(wide, np.float32)
    weights = {
        "stem.weight": numbers(wide, 3, 3, 3),
        **{"s": ones, "b": 0 * ones, "m": 0 * ones, "v": ones},
        "body.weight": numbers(wide, wide, 3, 3),
        "fc.weight": numbers(64, wide),
        "fc.bias": numbers(64),
    }
    return model(nodes, weights, {"x": [1, 3, size, size]}, "y")


def perceptron(width: int = 64) -> ModelProto:
    """Two products with a bias and a GELU between, as exporters write it: 8 ops."""
    make = helper.make_node
    nodes = [
        make("MatMul", ["x", "up"], ["m0"], "up"),
        make("Add", ["m0", "up.bias"], ["a0"], "up_add"),
        make("Div", ["a0", "root"], ["d"], "div"),
        make("Erf", ["d"], ["e"], "erf"),
        make("Add", ["e", "one"], ["e1"], "plus"),
        make("Mul", ["a0", "e1"], ["g0"], "mul"),
        make("Mul", ["g0", "half"], ["g"], "halve"),
        make("MatMul", ["g", "down"], ["y"], "down"),
    ]
    weights = {
        "up": numbers(width, 2 * width),
        "up.bias": numbers(2 * width),
        "root": np.float32(2**0.5),
        "one": np.float32(1),
        "half": np.float32(0.5),
        "down": numbers(2 * width, width),
    }
    return model(nodes, weights, {"x": [1, 16, width]}, "y")
