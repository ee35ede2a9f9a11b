"""Weights in branches, loops and functions: written, or refused by all alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

import talaria_widget as talaria
from talaria_widget.recipe import Option
from talaria_widget.rewrite.assumed import assumed_ranges
from talaria_widget.rewrite.onnx import rewrite
from talaria_widget.rewrite.onnx_source import source_of_file

SIZE = 64
RANDOM = np.random.default_rng(0)
INT8 = talaria.Quantize(8)
STATIC = talaria.Quantize(8, activations=talaria.Activations(8))
DYNAMIC = talaria.Quantize(8, activations=talaria.Activations(8, dynamic=True))
BLOCKS = talaria.Quantize(4, granularity="block", block_size=32)
HALF = talaria.Cast("float16")
WHERE = ("inside", "captured", "both", "loop", "function")
FEED = {"x": RANDOM.standard_normal((4, SIZE)).astype(np.float32), "c": np.array(True)}


def stored(name: str, *shape: int) -> TensorProto:
    return numpy_helper.from_array(RANDOM.standard_normal(shape).astype(np.float32), name)


def info(name: str, *shape: int, of: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, of, list(shape))


def body(name: str, *nodes: NodeProto, inputs: Any = (), weights: Any = ()) -> GraphProto:
    outputs = [
        info(n, 4, SIZE) if n != "on" else info(n, of=TensorProto.BOOL) for n in name.split()
    ]
    return helper.make_graph(list(nodes), name, list(inputs), outputs, list(weights))


def first_node(where: str) -> NodeProto:
    """What makes `r` of `x`, `c`, the weight `w` and the bias `z`."""
    layer = helper.make_node("Gemm", ["x", "w", "z"], ["a"], transB=1)
    weights = [stored("w", SIZE, SIZE), stored("z", SIZE)]
    if where == "function":
        return helper.make_node("Layer", ["x"], ["r"], domain="own")
    if where == "loop":
        on = helper.make_node("Identity", ["go"], ["on"])
        loop = body("on a", on, layer, inputs=LOOP_INPUTS, weights=weights)
        return helper.make_node("Loop", ["n", "c", "x"], ["r"], body=loop)
    then = body("a", layer, weights=weights if where == "inside" else ())
    otherwise = body("b", helper.make_node("Relu", ["x"], ["b"]))
    return helper.make_node("If", ["c"], ["r"], then_branch=then, else_branch=otherwise)


LOOP_INPUTS = [
    info("i", of=TensorProto.INT64),
    info("go", of=TensorProto.BOOL),
    info("x_in", 4, SIZE),
]


def net(where: str) -> ModelProto:
    last = helper.make_node("Gemm", ["s", "w", "z"], ["y"], transB=1)
    nodes = [
        first_node(where),
        helper.make_node("MatMul", ["r", "v"], ["s"]),
        last if where == "both" else helper.make_node("Relu", ["s"], ["y"]),
    ]
    weights = [stored("v", SIZE, SIZE)]
    if where in ("captured", "both"):
        weights += [stored("w", SIZE, SIZE), stored("z", SIZE)]
    if where == "loop":
        weights.append(numpy_helper.from_array(np.array(2), "n"))
    constants = [
        helper.make_node("Constant", [], [name], value=stored(name, *shape))
        for name, shape in (("w", (SIZE, SIZE)), ("z", (SIZE,)))
    ]
    layer = helper.make_node("Gemm", ["f", "w", "z"], ["g"], transB=1)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    function = helper.make_function("own", "Layer", ["f"], ["g"], [*constants, layer], opsets[:1])
    inputs = [info("x", 4, SIZE), info("c", of=TensorProto.BOOL)]
    graph = helper.make_graph(nodes, "net", inputs, [info("y", 4, SIZE)], weights)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    if where == "function":
        model.functions.append(function)
    checker.check_model(model)
    return model


def is_able(where: str, option: Option) -> bool:
    return where in ("captured", "both") and option in (INT8, HALF)


@pytest.mark.parametrize("option", [INT8, HALF, STATIC, DYNAMIC, BLOCKS], ids=str)
@pytest.mark.parametrize("where", WHERE)
def test_the_prediction_and_the_writer_refuse_the_same(where: str, option: Option) -> None:
    model = net(where)
    graph = talaria.capture(model, FEED)
    (name,) = {w for op in graph.ops for w in op.weights if graph.tensors[w].role == "weight"} - {
        "v"
    }
    layer = next(op.name for op in graph.ops if name in op.weights)
    applied = talaria.apply(model, {layer: option}, FEED, calibration=[FEED])
    statement = applied.statement
    assert [each.weight for each in statement.refused] == ([] if is_able(where, option) else [name])
    assert statement.predicted_bytes == statement.real_bytes
    plain = 4 * (2 * SIZE * SIZE + SIZE) + (8 if where == "loop" else 0)
    saved = {INT8: 3 * SIZE * SIZE - 5 * SIZE, HALF: 2 * SIZE * SIZE}
    expected = plain - saved[option] if is_able(where, option) else plain
    if where != "both" or option != HALF:
        assert statement.real_bytes == expected
    filled = source_of_file(model, graph).fill()
    if is_able(where, option):
        rewrite(filled, {name: option}, ranges=assumed_ranges)
    else:
        with pytest.raises(ValueError, match="apply cannot write") as said:
            rewrite(filled, {name: option}, ranges=assumed_ranges)
        assert statement.refused[0].reason in str(said.value)
