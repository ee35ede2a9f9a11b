"""Branches, loops and functions of ONNX: what stands in bodies is counted as often as it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import talaria_widget as talaria
from talaria_widget.frontends.onnx import capture
from talaria_widget.graph import Graph, Op, UnsupportedModelError
from talaria_widget.work import count

Array = np.ndarray[Any, Any]
FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def info(name: str, shape: Sequence[int | str] | None = None, dtype: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape)


def stored(arrays: Mapping[str, Array]) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def body(
    name: str,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Any],
    outputs: Sequence[str],
    weights: Mapping[str, Array] | None = None,
) -> onnx.GraphProto:
    ends = [info(name, [], BOOL) if name == "go_on" else info(name) for name in outputs]
    return helper.make_graph(list(nodes), name, list(inputs), ends, stored(weights or {}))


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Any],
    outputs: Sequence[str],
    weights: Mapping[str, Array] | None = None,
) -> onnx.ModelProto:
    graph = body("g", nodes, inputs, outputs, weights)
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("com.mine", 1)]
    return helper.make_model(graph, opset_imports=imports)


def macs(graph: Graph) -> int | None:
    total = 0
    for op in graph.ops:
        work = count(graph, op).macs
        if work is None:
            return None
        total += work
    return total


def of(graph: Graph, target: str) -> list[Op]:
    return [op for op in graph.ops if op.target == target]


def product(x: str, weight: str, y: str) -> onnx.NodeProto:
    return helper.make_node("MatMul", [x, weight], [y], f"/{y}/MatMul")


def choice(condition: str = "c", then_width: int = 5, else_width: int = 5) -> onnx.NodeProto:
    """Two branches that own a weight of the same name each."""
    return helper.make_node(
        "If",
        [condition],
        ["y"],
        "choice",
        then_branch=body("a", [product("x", "w", "r")], [], ["r"], {"w": ones(4, then_width)}),
        else_branch=body(
            "b",
            [product("x", "w", "h"), helper.make_node("Relu", ["h"], ["r"])],
            [],
            ["r"],
            {"w": ones(4, else_width)},
        ),
    )


class TestBranches:
    def test_the_branch_taken_is_counted_and_the_other_shown(self) -> None:
        proto = model([choice()], [info("x", [2, 4]), info("c", [], BOOL)], ["y"])
        graph = capture(proto, {"x": (2, 4), "c": np.asarray(False)})
        taken, other = of(graph, "MatMul")[::-1]
        assert (taken.times, other.times) == (1, 0)
        assert other.path == "choice.then_branch.r" and taken.path == "choice.else_branch.h"
        assert macs(graph) == 2 * 5 * 4
        assert graph.parameters == 4 * 5 + 4 * 5
        (node,) = of(graph, "If")
        assert (node.kind, node.attrs["inlined"], node.inputs) == ("control", True, ("c",))
        assert graph.outputs == (of(graph, "Relu")[0].outputs[0],)
        assert graph.notes == ("If 'choice': its else_branch runs on the inputs given",)

    def test_names_that_both_branches_use_stay_apart(self) -> None:
        proto = model([choice("c", 5, 7)], [info("x", [2, 4]), info("c", [], BOOL)], ["y"])
        graph = capture(proto, {"c": np.asarray(True)})
        first, second = of(graph, "MatMul")
        assert graph.tensors[first.weights[0]].shape == (4, 5)
        assert graph.tensors[second.weights[0]].shape == (4, 7)
        assert graph.tensors[graph.outputs[0]].shape == (2, 5)

    @pytest.mark.parametrize("truth", [True, False])
    def test_a_constant_condition_leaves_no_op_of_its_own(self, truth: bool) -> None:
        proto = model([choice()], [info("x", [2, 4])], ["y"], {"c": np.asarray(truth)})
        graph = capture(proto)
        assert not of(graph, "If") and graph.noise["If"] == 1
        assert [op.times for op in of(graph, "MatMul")] == [int(truth), int(not truth)]
        assert not graph.notes

    def test_a_condition_on_shapes_is_a_constant(self) -> None:
        nodes = [
            helper.make_node("Shape", ["x"], ["s"]),
            helper.make_node("Gather", ["s", "zero"], ["n"]),
            helper.make_node("Greater", ["n", "three"], ["c"]),
            choice(),
        ]
        weights = {"zero": np.asarray(0), "three": np.asarray(3)}
        proto = model(nodes, [info("x", ["n", 4])], ["y"], weights)
        small, large = capture(proto, {"x": (2, 4)}), capture(proto, {"x": (8, 4)})
        assert [op.times for op in of(small, "MatMul")] == [0, 1]
        assert [op.times for op in of(large, "MatMul")] == [1, 0]

    @pytest.mark.parametrize(("value", "times"), [(3.0, [1, 0]), (-3.0, [0, 1])])
    def test_a_condition_on_data_is_that_of_one_run(self, value: float, times: list[int]) -> None:
        nodes = [
            helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
            helper.make_node("Softsign", ["sum"], ["signed"]),
            helper.make_node("Greater", ["signed", "zero"], ["c"]),
            choice(),
        ]
        proto = model(nodes, [info("x", [2, 4])], ["y"], {"zero": np.asarray(0, np.float32)})
        graph = capture(proto, {"x": np.full((2, 4), value, np.float32)})
        assert [op.times for op in of(graph, "MatMul")] == times
        assert "ran in one run" in graph.notes[0]
        assumed = capture(proto)
        assert [op.times for op in of(assumed, "MatMul")] == [1, 0]
        assert "its then_branch is assumed to run" in assumed.notes[0]

    def test_a_branch_may_hand_on_what_it_finds_outside(self) -> None:
        node = helper.make_node(
            "If",
            ["c"],
            ["y"],
            then_branch=body("a", [], [], ["x"]),
            else_branch=body("b", [], [], ["w"], {"w": ones(2, 4)}),
        )
        nodes = [node, helper.make_node("Relu", ["y"], ["z"])]
        proto = model(nodes, [info("x", [2, 4]), info("c", [], BOOL)], ["z"])
        graph = capture(proto, {"c": np.asarray(True)})
        assert of(graph, "Relu")[0].inputs == ("x",)
        other = capture(proto, {"c": np.asarray(False)})
        assert other.tensors[other.outputs[0]].shape == (2, 4)

    def test_branches_in_branches(self) -> None:
        inner = choice("d")
        outer = helper.make_node(
            "If",
            ["c"],
            ["z"],
            "outer",
            then_branch=body("a", [inner], [], ["y"]),
            else_branch=body("b", [helper.make_node("Relu", ["x"], ["r"])], [], ["r"]),
        )
        inputs = [info("x", [2, 4]), info("c", [], BOOL), info("d", [], BOOL)]
        graph = capture(
            model([outer], inputs, ["z"]), {"c": np.asarray(True), "d": np.asarray(False)}
        )
        assert [op.times for op in of(graph, "MatMul")] == [0, 1]
        assert of(graph, "MatMul")[1].path.startswith("outer.then_branch.choice.else_branch")
        assert macs(graph) == 2 * 4 * 5
        dead = capture(model([outer], inputs, ["z"]), {"c": np.asarray(False)})
        assert [op.times for op in of(dead, "MatMul")] == [0, 0]
        assert macs(dead) == 0

    def test_what_is_not_taken_costs_no_time_and_its_weights_count(self) -> None:
        proto = model([choice()], [info("x", [2, 4]), info("c", [], BOOL)], ["y"])
        report = talaria.analyze(proto, {"x": (2, 4), "c": np.asarray(True)}, device="cpu-avx2")
        assert report.totals["macs"] == 2 * 4 * 5
        assert report.totals["parameters"] == 2 * 4 * 5

    def test_what_is_not_taken_may_be_unknown(self) -> None:
        nodes = [
            helper.make_node("Mystery", ["x"], ["m"], domain="com.mine"),
            helper.make_node("Relu", ["m"], ["r"]),
        ]
        node = helper.make_node(
            "If",
            ["c"],
            ["y"],
            then_branch=body("a", [product("x", "w", "p")], [], ["p"], {"w": ones(4, 5)}),
            else_branch=body("b", nodes, [], ["r"]),
        )
        proto = model([node], [info("x", [2, 4]), info("c", [], BOOL)], ["y"])
        report = talaria.analyze(proto, {"c": np.asarray(True)}, device="cpu-avx2")
        assert report.totals["macs"] == 2 * 4 * 5
        assert report.unknown_rows == 0
        assert report.totals["latency_s"] > 0


def loop(
    trips: str, condition: str, nodes: Sequence[onnx.NodeProto], **names: Any
) -> onnx.NodeProto:
    """A Loop that carries `h` and stacks `s`, with a weight of its own."""
    goes_on = names.get("goes_on", [helper.make_node("Identity", ["go"], ["go_on"])])
    inside = body(
        "body",
        [*nodes, *goes_on],
        [info("i", [], INT), info("go", [], BOOL), info("h")],
        ["go_on", "next", *names.get("stacked", [])],
        names.get("weights", {"w": ones(4, 4)}),
    )
    outputs = ["last", *[f"{name}_all" for name in names.get("stacked", [])]]
    return helper.make_node("Loop", [trips, condition, "x"], outputs, "loop", body=inside)


class TestLoops:
    def test_a_body_stands_once_and_runs_as_often_as_said(self) -> None:
        node = loop("n", "", [product("h", "w", "next")])
        proto = model([node], [info("x", [2, 4])], ["last"], {"n": np.asarray(7)})
        graph = capture(proto)
        (op,) = of(graph, "MatMul")
        assert (op.times, op.path, op.inputs) == (7, "loop.next", ("x",))
        assert macs(graph) == 7 * 2 * 4 * 4
        assert graph.parameters == 4 * 4
        assert graph.tensors[graph.outputs[0]].shape == (2, 4)
        assert [o.kind for o in of(graph, "Loop")] == ["control"]
        assert talaria.analyze(proto, device="cpu-avx2").totals["macs"] == 7 * 2 * 4 * 4

    def test_the_trip_count_may_be_an_input(self) -> None:
        node = loop("n", "", [product("h", "w", "next")])
        proto = model([node], [info("x", [2, 4]), info("n", [], INT)], ["last"])
        assert macs(capture(proto, {"n": 5})) == 5 * 2 * 4 * 4
        assert macs(capture(proto, {"n": np.asarray(3)})) == 3 * 2 * 4 * 4

    def test_loops_in_loops_multiply(self) -> None:
        inner = helper.make_node(
            "Loop",
            ["three", "", "h"],
            ["next"],
            "inner",
            body=body(
                "inside",
                [helper.make_node("Identity", ["go2"], ["on2"]), product("g", "w", "out")],
                [info("j", [], INT), info("go2", [], BOOL), info("g")],
                ["on2", "out"],
            ),
        )
        node = loop("n", "", [inner])
        weights = {"n": np.asarray(7), "three": np.asarray(3)}
        graph = capture(model([node], [info("x", [2, 4])], ["last"], weights))
        assert of(graph, "MatMul")[0].times == 7 * 3
        assert macs(graph) == 7 * 3 * 2 * 4 * 4

    def test_what_is_stacked_has_one_slice_per_run(self) -> None:
        nodes = [product("h", "w", "next"), helper.make_node("Relu", ["next"], ["s"])]
        node = loop("n", "", nodes, stacked=["s"])
        proto = model([node], [info("x", [2, 4])], ["last", "s_all"], {"n": np.asarray(7)})
        graph = capture(proto)
        assert graph.tensors["s_all"].shape == (7, 2, 4)
        enter, leave = of(graph, "Loop")
        assert leave.attrs["part"] and leave.kind == "movement" and leave.outputs == ("s_all",)
        assert graph.ops.index(enter) < graph.ops.index(of(graph, "Relu")[0])
        assert graph.ops.index(leave) > graph.ops.index(of(graph, "Relu")[0])
        written = count(graph, leave).write_bytes
        assert written == 4 * 7 * 2 * 4

    @pytest.mark.parametrize("weights", [{"n": np.asarray(0)}, {"n": np.asarray(7)}])
    def test_a_loop_that_never_runs_hands_on_what_it_was_given(
        self, weights: dict[str, Array]
    ) -> None:
        node = loop("n", "first", [product("h", "w", "next")])
        weights = {**weights, "first": np.asarray(False)}
        nodes = [node, helper.make_node("Relu", ["last"], ["y"])]
        graph = capture(model(nodes, [info("x", [2, 4])], ["y"], weights))
        assert of(graph, "MatMul")[0].times == 0
        assert of(graph, "Relu")[0].inputs == ("x",)
        assert macs(graph) == 0

    def test_a_loop_until_something_holds_is_run_once(self) -> None:
        goes_on = [
            helper.make_node("ReduceMax", ["next"], ["top"], keepdims=0),
            helper.make_node("Less", ["top", "limit"], ["go_on"]),
        ]
        nodes = [product("h", "w", "next")]
        node = loop("", "", nodes, goes_on=goes_on, weights={"w": 2 * np.eye(4, dtype=np.float32)})
        proto = model([node], [info("x", [2, 4])], ["last"], {"limit": np.asarray(33, np.float32)})
        graph = capture(proto, {"x": ones(2, 4)})
        # 2, 4, 8, 16, 32, 64: the sixth run ends it.
        assert of(graph, "MatMul")[0].times == 6
        assert macs(graph) == 6 * 2 * 4 * 4
        assert any("ran 6 times in one run on the inputs given" in n for n in graph.notes)

    def test_no_round_on_an_invented_length_is_unknown(self) -> None:
        node = loop("n", "", [product("h", "w", "next")])
        inputs = [info("x", [2, 4]), info("n", [], INT)]
        proto = model([node], inputs, ["last"], {"w": ones(4, 4)})
        graph = capture(proto)
        assert of(graph, "MatMul")[0].times is None
        assert any("how often it runs depends on data" in note for note in graph.notes)
        given = capture(proto, {"x": ones(2, 4), "n": np.asarray(5)})
        assert macs(given) == 5 * 2 * 4 * 4
        none = capture(proto, {"x": ones(2, 4), "n": np.asarray(0)})
        assert of(none, "MatMul")[0].times == 0

    def test_a_length_that_nothing_tells_is_unknown_and_listed(self) -> None:
        goes_on = [
            helper.make_node("Mystery", ["next"], ["go_on"], domain="com.mine"),
        ]
        node = loop("", "", [product("h", "w", "next")], goes_on=goes_on)
        graph = capture(model([node], [info("x", [2, 4])], ["last"]))
        (op,) = of(graph, "MatMul")
        assert op.times is None and macs(graph) is None
        assert any("how often it runs depends on data" in note for note in graph.notes)

    def test_a_value_that_grows_is_said(self) -> None:
        grow = helper.make_node("Concat", ["h", "x"], ["next"], axis=0)
        node = loop("n", "", [grow])
        proto = model([node], [info("x", [2, 4])], ["last"], {"n": np.asarray(3)})
        graph = capture(proto)
        assert graph.tensors["last"].shape == (8, 4)
        assert any("its shapes change as it runs" in note for note in graph.notes)

    def test_values_of_the_first_run_are_not_taken_for_all(self) -> None:
        nodes = [
            helper.make_node("Add", ["k", "one"], ["k2"]),
            helper.make_node("Add", ["h", "k2"], ["next"]),
        ]
        inside = body(
            "body",
            [helper.make_node("Identity", ["go"], ["on"]), *nodes],
            [info("i", [], INT), info("go", [], BOOL), info("h"), info("k")],
            ["on", "next", "k2"],
        )
        node = helper.make_node("Loop", ["n", "", "x", "start"], ["last", "steps"], body=inside)
        weights = {
            "n": np.asarray(4),
            "start": np.zeros((), np.float32),
            "one": np.ones((), np.float32),
        }
        graph = capture(model([node], [info("x", [2, 4])], ["last"], weights))
        assert [op.times for op in of(graph, "Add")] == [4, 4]
        assert sum(count(graph, op).flops or 0 for op in graph.ops) == 4 * 1 + 4 * 2 * 4


class TestScan:
    @pytest.mark.parametrize(("axis", "shape"), [(0, (9, 2, 4)), (1, (2, 9, 4))])
    def test_the_body_runs_once_per_slice(self, axis: int, shape: tuple[int, ...]) -> None:
        nodes = [
            product("slice", "w", "p"),
            helper.make_node("Add", ["p", "state"], ["next"]),
            helper.make_node("Identity", ["next"], ["out"]),
        ]
        node = helper.make_node(
            "Scan",
            ["start", "x"],
            ["last", "y"],
            "scan",
            num_scan_inputs=1,
            scan_input_axes=[axis],
            scan_output_axes=[axis],
            body=body(
                "b", nodes, [info("state"), info("slice")], ["next", "out"], {"w": ones(4, 3)}
            ),
        )
        graph = capture(model([node], [info("x", shape)], ["last", "y"], {"start": ones(2, 3)}))
        (op,) = of(graph, "MatMul")
        assert (op.times, graph.tensors[op.inputs[0]].shape) == (9, (2, 4))
        assert macs(graph) == 9 * 2 * 4 * 3
        assert graph.tensors["y"].shape == (*shape[:-1], 3)
        made = {name for other in graph.ops for name in other.outputs}
        assert op.inputs[0] in made


class TestFunctions:
    def proto(self, **attributes: Any) -> onnx.ModelProto:
        inner = helper.make_function(
            "com.mine",
            "Product",
            ["a", "b"],
            ["c"],
            [helper.make_node("MatMul", ["a", "b"], ["t"]), self.scaled()],
            [helper.make_opsetid("", 18)],
            ["alpha"],
        )
        outer = helper.make_function(
            "com.mine",
            "Twice",
            ["a", "b"],
            ["c"],
            [self.call(["a", "b"], ["t"], alpha=0.5), self.call(["t", "b"], ["c"], alpha=0.1)],
            [helper.make_opsetid("", 18), helper.make_opsetid("com.mine", 1)],
        )
        node = helper.make_node("Twice", ["x", "w"], ["y"], "pair", domain="com.mine")
        proto = model([node], [info("x", [2, 4])], ["y"], {"w": ones(4, 4)})
        proto.functions.extend([inner, outer])
        return proto

    @staticmethod
    def call(inputs: list[str], outputs: list[str], alpha: float) -> onnx.NodeProto:
        return helper.make_node("Product", inputs, outputs, domain="com.mine", alpha=alpha)

    @staticmethod
    def scaled() -> onnx.NodeProto:
        node = helper.make_node("LeakyRelu", ["t"], ["c"])
        node.attribute.add(name="alpha", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT)
        return node

    def test_calls_are_laid_out_and_counted_as_noise(self) -> None:
        graph = capture(self.proto())
        assert [op.target for op in graph.ops] == ["MatMul", "LeakyRelu"] * 2
        assert macs(graph) == 2 * (2 * 4 * 4)
        assert graph.parameters == 4 * 4
        assert dict(graph.noise) == {"com.mine.Twice": 1, "com.mine.Product": 2}
        assert graph.modules["pair"] == "Twice"
        assert graph.ops[1].path == "pair.t"
        assert graph.tensors["y"].shape == (2, 4)

    def test_a_function_that_calls_itself_is_refused(self) -> None:
        proto = self.proto()
        again = helper.make_node("Twice", ["a", "b"], ["u"], domain="com.mine")
        proto.functions[1].node.append(again)
        with pytest.raises(UnsupportedModelError, match=r"'com\.mine\.Twice' calls itself"):
            capture(proto)

    def test_functions_that_multiply_without_end_are_refused(self) -> None:
        proto = self.proto()
        for i in range(40):
            name = "Twice" if i == 0 else f"Twice{i}"
            nodes = [
                helper.make_node(name, ["a", "b"], [f"t{k}"], domain="com.mine") for k in range(4)
            ]
            proto.functions.append(
                helper.make_function("com.mine", f"Twice{i + 1}", ["a", "b"], ["t0"], nodes, [])
            )
        proto.graph.node[0].op_type = "Twice40"
        with pytest.raises(
            UnsupportedModelError,
            match=r"operations once its functions are laid out, more than 200,000",
        ):
            capture(proto)

    def test_a_function_in_a_loop(self) -> None:
        call = helper.make_node("Twice", ["h", "w"], ["next"], "pair", domain="com.mine")
        node = loop("n", "", [call], weights={})
        proto = model([node], [info("x", [2, 4])], ["last"], {"n": np.asarray(7), "w": ones(4, 4)})
        proto.functions.extend(self.proto().functions)
        graph = capture(proto)
        assert macs(graph) == 7 * 2 * (2 * 4 * 4)
        assert of(graph, "MatMul")[0].path.startswith("loop.pair")

    def test_a_custom_domain_is_listed_and_can_be_counted(self) -> None:
        node = helper.make_node("FusedMlp", ["x", "w"], ["y"], domain="com.mine")
        graph = capture(model([node], [info("x", [2, 4])], ["y"], {"w": ones(4, 4)}))
        (op,) = graph.ops
        assert (op.kind, op.target) == ("unknown", "com.mine.FusedMlp")
        assert count(graph, op).macs is None
        talaria.register("com.mine.FusedMlp", lambda operands, results, attrs: operands[1].size * 2)
        try:
            assert count(graph, op).macs == 2 * 4 * 4
        finally:
            talaria.register("com.mine.FusedMlp", None)


@pytest.mark.skipif(find_spec("silero_vad") is None, reason="not installed")
class TestSilero:
    @pytest.mark.parametrize(("rate", "samples", "position"), [(16000, 576, 1), (8000, 288, 0)])
    def test_branches_add_up_to_the_file_without_branches(
        self, rate: int, samples: int, position: int
    ) -> None:
        spec = find_spec("silero_vad")
        assert spec is not None and spec.origin is not None
        folder = Path(spec.origin).parent / "data"
        feed = {"input": ones(1, samples), "state": ones(2, 1, 128), "sr": np.asarray(rate)}
        nested = capture(folder / "silero_vad.onnx", feed)
        plain = capture(folder / "silero_vad_op18_ifless.onnx", feed)
        assert macs(nested) == macs(plain)
        assert (macs(nested) or 0) > 0
        assert all(count(nested, op).flops is not None for op in nested.ops)
        taken = {op.attrs["taken"] for op in of(nested, "If") if op.times == 1}
        assert taken == {("else_branch", "then_branch")[position]}
        assert len(nested.ops) + sum(nested.noise.values()) == 689
        assert any(op.times == 0 for op in nested.ops)
