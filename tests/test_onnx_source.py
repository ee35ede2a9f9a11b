"""An ONNX file as the runtime reads it, and whose op each of its values is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from runtime_nets import model, numbers, residual_net
from talaria_widget.graph import Graph, UnsupportedModelError
from talaria_widget.pipeline import capture
from talaria_widget.rewrite.onnx_source import source_of_file, stored
from talaria_widget.rewrite.source import LARGEST_KEPT_BYTES

FLOAT = TensorProto.FLOAT


def values(graph: Graph, name: str) -> tuple[str, ...]:
    return next(op.outputs for op in graph.ops if op.name == name)


def test_every_value_of_a_plain_file_is_its_ops() -> None:
    net = residual_net()
    graph = capture(net)
    source = source_of_file(net, graph)
    assert source.op_of == {value: op.name for op in graph.ops for value in op.outputs}
    assert len(source.op_of) == len(net.graph.node)


def large() -> Any:
    wide = 200
    weights = {"w": numbers(wide, wide), "n": np.arange(wide * wide).reshape(wide, wide)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "product"),
        helper.make_node("Cast", ["n"], ["f"], "cast", to=FLOAT),
        helper.make_node("MatMul", ["m", "f"], ["y"], "other"),
    ]
    return model(nodes, weights, {"x": [1, wide]}, "y"), weights


def test_large_floats_stay_behind_and_integers_do_not() -> None:
    net, weights = large()
    assert weights["w"].nbytes == 4 * 200 * 200 > LARGEST_KEPT_BYTES
    source = source_of_file(net, capture(net))
    held = {tensor.name: tensor for tensor in source.skeleton.graph.initializer}
    assert list(held["w"].dims) == [200, 200]
    assert held["w"].data_type == FLOAT
    assert not held["w"].raw_data
    np.testing.assert_array_equal(numpy_helper.to_array(held["n"]), weights["n"])
    filled = {tensor.name: tensor for tensor in source.fill().graph.initializer}
    np.testing.assert_array_equal(numpy_helper.to_array(filled["w"]), weights["w"])
    assert net.graph.initializer[0].raw_data


def test_data_beside_the_file_is_read_when_it_is_wanted(tmp_path: Path) -> None:
    net, weights = large()
    path = tmp_path / "net.onnx"
    onnx.save(net, path, save_as_external_data=True, size_threshold=0)
    source = source_of_file(path, capture(path))
    held = {tensor.name: tensor for tensor in source.skeleton.graph.initializer}
    assert not held["w"].raw_data
    assert not held["w"].external_data
    np.testing.assert_array_equal(numpy_helper.to_array(held["n"]), weights["n"])
    filled = {tensor.name: tensor for tensor in source.fill().graph.initializer}
    np.testing.assert_array_equal(numpy_helper.to_array(filled["w"]), weights["w"])
    (tmp_path / "net.onnx.data").unlink(missing_ok=True)
    for beside in tmp_path.glob("*"):
        if beside != path:
            beside.unlink()
    with pytest.raises(UnsupportedModelError, match="the data of .* is missing"):
        source.fill()


def test_calls_of_a_function_are_told_apart() -> None:
    make = helper.make_node
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    twice = helper.make_function(
        "mine", "Twice", ["a"], ["b"], [make("Neg", ["a"], ["t"]), make("Neg", ["t"], ["b"])], opset
    )
    calls = [
        make("Twice", ["x"], ["u"], "first", domain="mine"),
        make("Twice", ["u"], ["y"], "second", domain="mine"),
    ]
    ends = [helper.make_tensor_value_info(name, FLOAT, [1, 4]) for name in "xy"]
    graph = helper.make_graph(calls, "calls", ends[:1], ends[1:])
    net = helper.make_model(graph, opset_imports=opset, functions=[twice], ir_version=8)
    captured = capture(net)
    source = source_of_file(net, captured)
    made = [source.op_of[name] for node in source.skeleton.graph.node for name in node.output]
    assert made == [op.name for op in captured.ops]
    assert len(set(made)) == 4


def branch(op_type: str, end: str) -> Any:
    info = helper.make_tensor_value_info(end, FLOAT, [1, 4])
    return helper.make_graph(
        [helper.make_node(op_type, ["x"], [end], op_type)], op_type, [], [info]
    )


def test_what_a_body_makes_is_its_ops_and_what_comes_out_the_owners() -> None:
    node = helper.make_node(
        "If", ["c"], ["y"], "fork", then_branch=branch("Neg", "t"), else_branch=branch("Abs", "e")
    )
    ends = [
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x", FLOAT, [1, 4]),
        helper.make_tensor_value_info("y", FLOAT, [1, 4]),
    ]
    graph = helper.make_graph([node], "g", ends[:2], ends[2:])
    net = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    captured = capture(net)
    source = source_of_file(net, captured)
    assert source.op_of["y"] == next(op.name for op in captured.ops if op.kind == "control")
    for name in ("t", "e"):
        assert name in values(captured, source.op_of[name])


def test_tensors_of_bodies_are_stored_too() -> None:
    body = branch("Neg", "t")
    body.initializer.append(numpy_helper.from_array(numbers(3), "inner"))
    node = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=branch("Abs", "e"))
    assert [t.name for t in stored(helper.make_graph([node], "g", [], []))] == ["inner"]
