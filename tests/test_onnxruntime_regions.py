"""Which nodes of a file a node of the optimised graph computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime_nets import node, perceptron, residual_net
from talaria_widget import hardware
from talaria_widget.compilers.observed import Node
from talaria_widget.compilers.onnxruntime.commands import State, baseline, load
from talaria_widget.compilers.onnxruntime.payloads import Loading
from talaria_widget.compilers.onnxruntime.regions import constants, regions
from talaria_widget.compilers.onnxruntime.rows import Measured, file_nodes, measured_program
from talaria_widget.pipeline import capture
from talaria_widget.rewrite.onnx_source import source_of_file

RESIDUAL = [
    node("t#0", "Conv", "x w0", "c0"),
    node("t#1", "Relu", "c0", "r0"),
    node("t#2", "Conv", "r0 w1", "c1"),
    node("t#3", "Add", "c1 r0", "a"),
    node("t#4", "Relu", "a", "r1"),
    node("t#5", "Conv", "r1 w2", "c2"),
    node("t#6", "Relu", "c2", "r2"),
]


def parts(file: list[Node], run: list[Node]) -> list[tuple[int, ...]]:
    return [region.file for region in regions(file, run, ["x"])]


def test_a_residual_in_the_blocked_layout_belongs_to_the_convolution_before_it() -> None:
    run = [
        node("r0_nchwc", "Conv", "x reorder", "reorder_token_0"),
        node("c1_nchwc", "Conv", "reorder_token_0 reorder_1 reorder_token_0", "reorder_token_2"),
        node("r2_nchwc", "Conv", "reorder_token_2 reorder_3", "reorder_token_4"),
        node("ReorderOutput", "ReorderOutput", "reorder_token_4", "r2"),
    ]
    found = regions(RESIDUAL, run, ["x"])
    assert [region.file for region in found] == [(0, 1), (2, 3, 4), (5, 6), ()]
    assert found[-1].tensor == "r2"


def test_an_integer_convolution_keeps_what_it_folds_behind_it() -> None:
    file = [
        node("x_q/Q", "QuantizeLinear", "x s", "x_q"),
        node("x_d/D", "DequantizeLinear", "x_q s", "x_d"),
        node("t#0", "Conv", "x_d w0", "c0"),
        node("t#1", "Relu", "c0", "r0"),
        node("r0_q/Q", "QuantizeLinear", "r0 s", "r0_q"),
        node("r0_d/D", "DequantizeLinear", "r0_q s", "r0_d"),
        node("t#2", "Conv", "r0_d w1", "c1"),
    ]
    run = [
        node("x_q/Q", "QuantizeLinear", "x s", "x_q"),
        node("Transpose", "Transpose", "x_q", "Transpose_out"),
        node("t#0_token_1", "QLinearConv", "Transpose_out s", "t#0"),
        node("t#2_token_4", "QLinearConv", "t#0 s", "t#2"),
    ]
    assert parts(file, run) == [(0,), (), (1, 2, 3, 4, 5), (6,)]


def test_a_product_between_reshapes_is_one_region() -> None:
    file = [
        node("t#0", "LayerNormalization", "x s", "n"),
        node("t#1", "MatMul", "n w", "m"),
        node("t#2", "Add", "m b", "y"),
    ]
    run = [
        node("t#0", "LayerNormalization", "x s", "n"),
        node("gemm_input_reshape", "Reshape", "n shape", "gemm_input_arg"),
        node("t#1/MatMulAddFusion", "Gemm", "gemm_input_arg w b", "gemm_output_arg"),
        node("gemm_output_reshape", "Reshape", "gemm_output_arg shape", "y"),
    ]
    found = regions(file, run, ["x"])
    assert [(region.run, region.file) for region in found] == [((0,), (0,)), ((1, 2, 3), (1, 2))]


def test_a_fusion_of_another_name_takes_all_back_to_what_others_give() -> None:
    file = [
        node("t#0", "MatMul", "x w", "m"),
        node("t#1", "Add", "m x", "a"),
        node("t#2", "ReduceMean", "a", "mean"),
        node("t#3", "Sub", "a mean", "y"),
    ]
    run = [
        node("t#0", "MatMul", "x w", "m"),
        node("SkipLayerNormalization", "SkipLayerNormalization", "m x s", "y"),
    ]
    assert parts(file, run) == [(0,), (1, 2, 3)]


def test_what_is_folded_and_what_nobody_reads_is_in_no_region() -> None:
    file = [
        node("t#0", "Transpose", "w", "wt"),
        node("t#1", "Relu", "x", "y"),
        node("t#2", "Neg", "x", "dead"),
    ]
    assert parts(file, [node("t#1", "Relu", "x", "y")]) == [(1,)]
    assert constants(file, ["x"]) == {"w", "wt"}


def test_of_two_nodes_that_do_one_work_the_first_has_it() -> None:
    file = [node("t#0", "Relu", "x", "y"), node("t#1", "Neg", "y", "z")]
    run = [
        node("t#0", "Relu", "x", "y"),
        node("t#0/duplicated", "Relu", "x", "y_copy"),
        node("t#1", "Neg", "y_copy", "z"),
    ]
    found = regions(file, run, ["x"])
    assert [region.file for region in found] == [(0,), (1,)]
    assert found[0].run == (0, 1)


def measured(net: Any, seconds: float = 0.05) -> tuple[Measured, Any]:
    graph = capture(net)
    source = source_of_file(net, graph)
    state = State()
    inputs = {n: (graph.tensors[n].shape or (), graph.tensors[n].dtype) for n in graph.inputs}
    load(state, Loading(source.skeleton.SerializeToString(), inputs))
    _, _, _, nodes, _ = baseline(state, seconds)
    device = hardware.device("onnxruntime-cpu")
    return measured_program(graph, device, source, nodes), nodes


def test_rows_of_a_real_optimised_graph() -> None:
    found, nodes = measured(residual_net())
    tasks = found.program.tasks
    rows = {task.name: set(task.ops) for task in tasks if task.ops}
    assert rows["body"] == {"body", "add", "relu1"}
    assert {"stem", "relu0"} < rows["stem"]
    assert rows["fc"] == {"fc"}
    assert [op for task in tasks for op in task.ops].count("body") == 1
    assert sum(found.seconds) == pytest.approx(sum(node.seconds for node in nodes))
    assert found.program.removed == {"movement": 1}
    folded = [weight.name for weight in found.program.weights if "folded" in weight.name]
    assert folded == ["stem.bias (folded)"]
    assert len({task.name for task in tasks}) == len(tasks)


def test_every_op_of_a_real_file_is_in_a_row_or_removed(tmp_path: Path) -> None:
    for net in (residual_net(), perceptron()):
        found, _ = measured(net)
        ops = [name for task in found.program.tasks for name in task.ops]
        assert len(ops) == len(set(ops))
        assert len(ops) + sum(found.program.removed.values()) == len(found.program.graph.ops)


def test_a_fused_gelu_is_one_row_between_two_products() -> None:
    found, _ = measured(perceptron())
    assert [set(task.ops) for task in found.program.tasks] == [
        {"up", "up.bias"},
        {"div", "erf", "plus", "mul", "halve"},
        {"down"},
    ]


def test_bodies_read_for_the_node_that_owns_them() -> None:
    from onnx import TensorProto, helper

    body = helper.make_graph(
        [helper.make_node("Add", ["outer", "outer"], ["twice"])],
        "body",
        [],
        [helper.make_tensor_value_info("twice", TensorProto.FLOAT, [1])],
    )
    branch = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    graph = helper.make_graph([branch], "g", [], [])
    (only,) = file_nodes(helper.make_model(graph))
    assert only.inputs == ("c", "outer", "twice")
