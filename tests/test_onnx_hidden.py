"""What hides in ONNX files: parameters in odd places, open sizes, odd inputs, data elsewhere."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

import talaria_widget as talaria
from talaria_widget.frontends.onnx import capture
from talaria_widget.frontends.onnx.native import worker
from talaria_widget.graph import Graph, Op
from talaria_widget.work import count

Array = np.ndarray[Any, Any]
FLOAT, INT, BOOL, STRING = (
    TensorProto.FLOAT,
    TensorProto.INT64,
    TensorProto.BOOL,
    TensorProto.STRING,
)


def ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def info(name: str, shape: Sequence[int | str | None] | None = None, dtype: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: Mapping[str, Array] | None = None,
    opset: int = 18,
    **fields: Any,
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    ends = [info(o) if isinstance(o, str) else o for o in outputs]
    graph = helper.make_graph(list(nodes), "g", list(inputs), ends, tensors)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, **fields)


def macs(graph: Graph) -> int:
    works = [count(graph, op) for op in graph.ops]
    assert all(work.macs is not None for work in works)
    return sum(work.macs or 0 for work in works)


def one(graph: Graph, target: str) -> Op:
    (op,) = [op for op in graph.ops if op.target == target]
    return op


def product(*inputs: str, output: str = "y") -> onnx.NodeProto:
    return helper.make_node("MatMul", list(inputs), [output])


X = info("x", [2, 4])


class TestParameters:
    def test_in_a_constant_node(self) -> None:
        value = numpy_helper.from_array(ones(4, 3))
        nodes = [helper.make_node("Constant", [], ["w"], value=value), product("x", "w")]
        graph = capture(model(nodes, [X], ["y"]))
        assert graph.parameters == 4 * 3
        assert graph.tensors["w"].role == "weight"

    def test_in_a_constant_node_inside_a_branch(self) -> None:
        value = numpy_helper.from_array(ones(4, 3))

        def branch(name: str) -> onnx.GraphProto:
            nodes = [
                helper.make_node("Constant", [], ["w"], value=value),
                product("x", "w", output="r"),
            ]
            return helper.make_graph(nodes, name, [], [info("r")])

        node = helper.make_node(
            "If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b")
        )
        graph = capture(model([node], [X, info("c", [], BOOL)], ["y"]))
        assert graph.parameters == 2 * 4 * 3
        assert macs(graph) == 2 * 3 * 4

    def test_made_by_constant_of_shape(self) -> None:
        nodes = [helper.make_node("ConstantOfShape", ["s"], ["w"]), product("x", "w")]
        inputs = [X, info("s", [2], INT)]
        proto = model(nodes, inputs, ["y"], {"s": np.asarray([4, 3])})
        assert capture(proto).parameters == 4 * 3

    def test_what_a_runtime_computes_as_it_loads_is_not_stored(self) -> None:
        nodes = [
            product("x", "w", output="h"),
            helper.make_node("Range", ["zero", "end", "one"], ["angles"]),
            helper.make_node("Cos", ["angles"], ["wave"]),
            helper.make_node("Mul", ["h", "wave"], ["y"]),
        ]
        ends = {"zero": np.float32(0), "end": np.float32(300), "one": np.float32(1)}
        stored = {"w": ones(4, 300), **{name: np.asarray(end) for name, end in ends.items()}}
        report = talaria.analyze(model(nodes, [X], ["y"], stored), device="cpu-avx2")
        assert report.totals["size_bytes"] == 4 * 4 * 300
        assert report.totals["macs"] == 2 * 4 * 300

    def test_sparse_ones_have_the_size_of_what_they_keep(self) -> None:
        values = numpy_helper.from_array(ones(6), "w")
        indices = numpy_helper.from_array(np.arange(6), "i")
        sparse = helper.make_sparse_tensor(values, indices, [4, 100])
        proto = model([product("x", "w")], [X], ["y"])
        proto.graph.sparse_initializer.append(sparse)
        graph = capture(proto)
        weight = graph.tensors["w"]
        assert (weight.shape, weight.role) == ((4, 100), "weight")
        assert weight.nbytes == 6 * 4 + 6 * 8
        assert graph.parameters == 4 * 100

    def test_in_the_attributes_of_trees(self) -> None:
        node = helper.make_node(
            "TreeEnsembleRegressor",
            ["x"],
            ["y"],
            "trees",
            domain="ai.onnx.ml",
            n_targets=1,
            nodes_treeids=[0, 0, 0],
            nodes_nodeids=[0, 1, 2],
            nodes_featureids=[0, 0, 0],
            nodes_values=[0.5, 0.0, 0.0],
            nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
            nodes_truenodeids=[1, 0, 0],
            nodes_falsenodeids=[2, 0, 0],
            target_treeids=[0, 0],
            target_nodeids=[1, 2],
            target_ids=[0, 0],
            target_weights=[1.0, 2.0],
        )
        graph = capture(model([node], [X], ["y"]))
        op = one(graph, "ai.onnx.ml.TreeEnsembleRegressor")
        integers = 3 * 5 + 2 * 3
        text = len("BRANCH_LEQ") + 2 * len("LEAF")
        stored = [graph.tensors[name] for name in op.weights]
        assert sum(tensor.nbytes or 0 for tensor in stored) == (3 + 2) * 4 + integers * 8 + text
        assert graph.parameters == 3 + 2
        assert "trees/nodes_values" in op.weights

    def test_in_a_function(self) -> None:
        value = numpy_helper.from_array(ones(4, 3))
        function = helper.make_function(
            "mine",
            "Head",
            ["a"],
            ["b"],
            [
                helper.make_node("Constant", [], ["w"], value=value),
                product("a", "w", output="b"),
            ],
            [helper.make_opsetid("", 18)],
        )
        proto = model([helper.make_node("Head", ["x"], ["y"], "head", domain="mine")], [X], ["y"])
        proto.functions.append(function)
        graph = capture(proto)
        assert graph.parameters == 4 * 3
        assert one(graph, "MatMul").path.startswith("head")

    @pytest.mark.skipif(find_spec("skl2onnx") is None, reason="not installed")
    @pytest.mark.filterwarnings("ignore::FutureWarning")
    def test_of_a_forest_and_of_a_vector_machine(self) -> None:
        from skl2onnx import to_onnx
        from sklearn.datasets import load_iris
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.svm import SVC

        x, y = load_iris(return_X_y=True)
        x = x.astype(np.float32)
        forest = RandomForestClassifier(5, random_state=0).fit(x, y)
        leaves = sum(tree.tree_.n_leaves for tree in forest.estimators_)
        nodes = sum(tree.tree_.node_count for tree in forest.estimators_)
        graph = capture(to_onnx(forest, x[:1]), {"X": x[:2]})
        # A value per node (its hits too), and a weight per leaf and class.
        assert graph.parameters == nodes * 2 + leaves * 3
        machine = SVC(probability=False).fit(x, y)
        graph = capture(to_onnx(machine, x[:1]), {"X": x[:2]})
        vectors = machine.support_vectors_
        assert graph.parameters >= vectors.size + machine.dual_coef_.size


class TestOpenSizes:
    @pytest.mark.parametrize("name", ["?", "-1", "None", ""])
    def test_dimensions_without_a_name_are_not_one_another(self, name: str) -> None:
        node = helper.make_node("Relu", ["a"], ["y"])
        inputs = [info("a", [name, name]), info("b", [name])]
        proto = model([node, helper.make_node("Relu", ["b"], ["z"])], inputs, ["y", "z"])
        graph = capture(proto, {"a": (3, 5)})
        assert graph.tensors["y"].shape == (3, 5)
        assert graph.tensors["z"].shape == (1,)
        assert len(graph.assumed) == 1

    def test_negative_and_absent_dimensions_are_open(self) -> None:
        proto = model([helper.make_node("Relu", ["x"], ["y"])], [info("x", [1, 4])], ["y"])
        proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
        proto.graph.input[0].type.tensor_type.shape.dim[1].Clear()
        graph = capture(proto)
        assert graph.tensors["y"].shape == (1, 1)
        assert "open dimensions" in graph.assumed[0]
        assert capture(proto, {"x": (3, 5)}).tensors["y"].shape == (3, 5)

    def test_no_shape_at_all_is_said_and_no_error(self) -> None:
        proto = model([helper.make_node("Relu", ["x"], ["y"])], [info("x")], ["y"])
        graph = capture(proto)
        assert graph.tensors["y"].shape is None
        assert "declares no shape" in graph.assumed[0]
        assert capture(proto, {"x": (3, 5)}).tensors["y"].shape == (3, 5)

    def test_a_number_for_an_input_of_rank_0(self) -> None:
        nodes = [helper.make_node("Range", ["zero", "n", "one"], ["y"])]
        weights = {"zero": np.asarray(0), "one": np.asarray(1)}
        proto = model(nodes, [info("n", [], INT)], [info("y", None, INT)], weights)
        graph = capture(proto, {"n": 7})
        assert graph.tensors["n"].shape == ()
        assert graph.tensors["y"].shape == (7,)
        assert len(graph.ops) == 1

    def test_a_given_array_steers_shapes_and_hides_no_work(self) -> None:
        nodes = [
            helper.make_node("Mul", ["mask", "two"], ["m"]),
            helper.make_node("Reshape", ["x", "to"], ["r"]),
        ]
        inputs = [X, info("mask", [3], INT), info("to", [2], INT)]
        proto = model(nodes, inputs, [info("m", None, INT), "r"], {"two": np.asarray(2)})
        graph = capture(proto, {"mask": np.asarray([1, 2, 3]), "to": np.asarray([-1, 2])})
        assert graph.tensors["r"].shape == (4, 2)
        assert count(graph, one(graph, "Mul")).flops == 3


class TestForeignOperators:
    def gated(self, **declared: Any) -> Graph:
        nodes = [
            helper.make_node("Gate", ["x"], ["g"], domain="com.mine", heads=4, times=2, at=[1, 2]),
            product("g", "w"),
        ]
        return capture(model(nodes, [X], ["y"], {"w": ones(4, 3)}, **declared))

    def test_what_follows_has_the_shape_that_the_file_declares(self) -> None:
        graph = capture(
            model(
                [
                    helper.make_node("Gate", ["x"], ["g"], domain="com.mine"),
                    helper.make_node("Transpose", ["g"], ["t"]),
                    product("t", "w"),
                ],
                [X],
                ["y"],
                {"w": ones(2, 3)},
            )
        )
        assert graph.tensors["y"].shape is None
        assert any("com.mine.Gate gives: declare" in note for note in graph.notes)
        nodes = [
            helper.make_node("Gate", ["x"], ["g"], domain="com.mine"),
            helper.make_node("Transpose", ["g"], ["t"]),
            product("t", "w"),
        ]
        proto = model(nodes, [X], ["y"], {"w": ones(2, 3)})
        proto.graph.value_info.append(info("g", [2, 4]))
        assert capture(proto).tensors["y"].shape == (4, 3)

    def test_a_counter_of_ones_own_gets_its_attributes(self) -> None:
        op = one(self.gated(), "com.mine.Gate")
        assert (op.attrs["heads"], op.attrs["at"], op.attrs["times_"]) == (4, [1, 2], 2)
        assert op.times == 1


class TestOddFiles:
    def test_a_sequence_goes_in_and_another_comes_out(self) -> None:
        sequence = helper.make_tensor_sequence_value_info("s", FLOAT, None)
        out = helper.make_tensor_sequence_value_info("t", FLOAT, None)
        nodes = [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("SequenceInsert", ["s", "r"], ["t"]),
        ]
        graph = capture(model(nodes, [X, sequence], [out]))
        assert graph.tensors["r"].shape == (2, 4)
        assert graph.tensors["s"].shape is None and graph.tensors["t"].shape is None
        assert count(graph, one(graph, "Relu")).flops == 2 * 4
        again = capture(model(nodes, [X, sequence], [out]), {"s": [ones(2, 4)]})
        assert again.tensors["r"].shape == (2, 4)

    def test_a_map_comes_out(self) -> None:
        node = helper.make_node(
            "ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2, 3]
        )
        kind = onnx.TypeProto()
        kind.sequence_type.elem_type.map_type.key_type = INT
        graph = capture(model([node], [X], [onnx.ValueInfoProto(name="y", type=kind)]))
        assert graph.outputs == ("y",)

    def test_an_optional_goes_in(self) -> None:
        kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, [3]))
        node = helper.make_node("OptionalHasElement", ["o"], ["y"])
        optional = onnx.ValueInfoProto(name="o", type=kind)
        graph = capture(model([node], [optional], [info("y", None, BOOL)]))
        assert graph.tensors["y"].shape == ()

    def test_initialisers_that_are_inputs_too(self) -> None:
        proto = model(
            [product("x", "w")], [X, info("w", [4, 3])], ["y"], {"w": ones(4, 3)}, ir_version=3
        )
        graph = capture(proto)
        assert graph.inputs == ("x",)
        assert macs(graph) == 2 * 3 * 4

    def test_the_first_operator_set(self) -> None:
        nodes = [
            helper.make_node("Reshape", ["x"], ["r"], shape=[4, 2]),
            helper.make_node("Relu", ["r"], ["y"], consumed_inputs=[0]),
        ]
        graph = capture(model(nodes, [X], ["y"], opset=1, ir_version=3))
        assert graph.tensors["y"].shape == (4, 2)
        assert count(graph, one(graph, "Relu")).flops == 8

    def test_nodes_in_any_order_run_in_one_that_works(self) -> None:
        nodes = [
            helper.make_node("Relu", ["b"], ["y"]),
            helper.make_node("Neg", ["a"], ["b"]),
            helper.make_node("Abs", ["x"], ["a"]),
        ]
        graph = capture(model(nodes, [X], ["y"]))
        assert [op.target for op in graph.ops] == ["Abs", "Neg", "Relu"]
        assert graph.tensors["y"].shape == (2, 4)

    def test_nameless_and_namesake_nodes(self) -> None:
        nodes = [
            helper.make_node("Relu", ["x"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"], "same"),
            helper.make_node("Relu", ["b"], ["y"], "same"),
        ]
        graph = capture(model(nodes, [X], ["y"]))
        assert [op.name for op in graph.ops] == ["activation@a", "same", "same#2"]
        assert [op.attrs["node"] for op in graph.ops] == ["a", "same", "same"]

    def test_metadata_leads_back_to_module_and_line(self) -> None:
        node = helper.make_node("Relu", ["x"], ["y"], "node_relu")
        scopes, classes = "['', 'body', 'body.0', 'relu']", "['a.Net', 'b.Seq', 'c.ReLU', 'relu']"
        trace = 'File "/code/net.py", line 12, in forward\n    return self.body(x)'
        for key, value in {
            "pkg.torch.onnx.name_scopes": scopes,
            "pkg.torch.onnx.class_hierarchy": classes,
            "pkg.torch.onnx.stack_trace": trace,
        }.items():
            node.metadata_props.add(key=key, value=value)
        graph = capture(model([node], [X], ["y"]))
        (op,) = graph.ops
        assert op.path == "body.0"
        assert str(op.source) == "net.py:12"
        assert graph.modules["body.0"] == "ReLU"


class TestDataElsewhere:
    @staticmethod
    def large(folder: Path, matrices: int, width: int = 8192) -> Path:
        """A model whose weights lie in a sparse file: all of the size and none of the disk."""
        nodes, tensors, name = [], [], "x"
        for i in range(matrices):
            tensor = onnx.TensorProto(name=f"w{i}", data_type=FLOAT, dims=[width, width])
            tensor.raw_data = b""
            set_external_data(tensor, "w.bin", i * width * width * 4, width * width * 4)
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensors.append(tensor)
            nodes.append(product(name, f"w{i}", output=f"h{i}"))
            name = f"h{i}"
        graph = helper.make_graph(nodes, "g", [info("x", ["n", width])], [info(name)], tensors)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
        path = folder / "large.onnx"
        path.write_bytes(proto.SerializeToString())
        with (folder / "w.bin").open("wb") as file:
            file.truncate(matrices * width * width * 4)
        return path

    def test_over_two_gibibytes_come_in_without_being_loaded(self, tmp_path: Path) -> None:
        path = self.large(tmp_path, 10)
        assert (tmp_path / "w.bin").stat().st_size == 10 * 8192 * 8192 * 4 > 2.4 * 2**30
        worker.start()
        capture(self.large(tmp_path, 10, 8))
        path = self.large(tmp_path, 10)
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        graph = capture(path)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert macs(graph) == 10 * 1 * 8192 * 8192
        assert graph.parameters == 10 * 8192 * 8192
        assert seconds < 1
        assert (after - before) * 1024 < 100e6

    def test_what_is_in_the_file_is_not_sent_about(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent: list[int] = []
        ask = worker.ask

        def listen(task: str, blobs: Sequence[bytes], **request: Any) -> worker.Answer:
            sent.extend(map(len, blobs))
            return ask(task, blobs, **request)

        monkeypatch.setattr(worker, "ask", listen)
        proto = model([product("x", "w")], [info("x", [2, 2000])], ["y"], {"w": ones(2000, 2000)})
        assert macs(capture(proto)) == 2 * 2000 * 2000
        assert sent and max(sent) < 10_000 < proto.ByteSize()

    def test_data_beside_the_file_is_read_to_fill_a_hole(self, tmp_path: Path) -> None:
        nodes = [
            helper.make_node("Add", ["x", "w"], ["s"]),
            helper.make_node("NonZero", ["s"], ["y"]),
        ]
        weights = {"w": np.asarray([0, 1, 0, 2], np.float32)}
        proto = model(nodes, [info("x", [4])], [info("y", None, INT)], weights)
        path = tmp_path / "m.onnx"
        onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
        graph = capture(path, {"x": np.zeros(4, np.float32)})
        assert graph.tensors["y"].shape == (1, 2)


class TestChild:
    def test_it_is_kept_and_comes_back_after_its_end(self) -> None:
        proto = model([helper.make_node("Relu", ["x"], ["y"])], [X], ["y"])
        capture(proto)
        first = worker._process
        capture(proto)
        assert first is not None and worker._process is first
        first.kill()
        first.wait()
        assert capture(proto).tensors["y"].shape == (2, 4)
        assert worker._process is not first

    def test_one_that_takes_too_long_is_ended(self) -> None:
        body = helper.make_graph(
            [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Relu", ["h"], ["r"])],
            "b",
            [info("i", [], INT), info("go", [], BOOL), info("h")],
            [info("on", [], BOOL), info("r")],
        )
        node = helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)
        endless = model([node], [X], ["y"], {"n": np.asarray(2**62)}, ir_version=9)
        feed = {"name": "x", "dtype": "float32", "shape": [2, 4]}
        blobs = [endless.SerializeToString(), ones(2, 4).tobytes()]
        answer = worker.ask("run", blobs, 1.0, folder="", wanted=["y"], feeds=[feed])
        assert answer["slow"] and "more than 1 seconds" in answer["error"]
        plain = model([helper.make_node("Relu", ["x"], ["y"])], [X], ["y"])
        assert "shapes" in worker.ask("infer", [plain.SerializeToString()])

    def test_an_interrupt_does_not_mix_up_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        proto = model([helper.make_node("Relu", ["x"], ["y"])], [X], ["y"])
        capture(proto)
        first = worker._process

        def interrupted(*_: Any) -> bytes:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(worker, "_exchange", interrupted)
            with pytest.raises(KeyboardInterrupt):
                capture(proto)
        assert first is not None and first.poll() is not None
        assert capture(proto).tensors["y"].shape == (2, 4)

    def test_a_crash_leaves_a_partial_report_and_a_note(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker, "_exchange", lambda *_: b"")
        graph = capture(model([product("x", "w")], [X], [info("y")], {"w": ones(4, 3)}))
        assert graph.parameters == 4 * 3
        assert graph.tensors["y"].shape is None
        assert graph.notes[0].startswith("shape inference stopped: the process ended")
        assert talaria.analyze(
            model([product("x", "w")], [X], ["y"], {"w": ones(4, 3)}), device="cpu-avx2"
        )

    def test_it_loads_neither_torch_nor_the_package(self) -> None:
        program = Path(worker.__file__).with_name("child.py").read_text(encoding="utf-8")
        assert "torch" not in program and "talaria" not in program

    def test_a_child_that_cannot_start_is_a_note(self, monkeypatch: pytest.MonkeyPatch) -> None:
        worker.stop()
        monkeypatch.setattr(sys, "executable", "/no/such/python")
        graph = capture(model([product("x", "w")], [X], ["y"], {"w": ones(4, 3)}))
        assert "no child process could be started" in graph.notes[0]

    def test_nothing_is_left_running(self) -> None:
        code = (
            "from onnx import helper as h, TensorProto as t\n"
            "from talaria_widget.frontends.onnx import capture, worker\n"
            "i = h.make_tensor_value_info('x', t.FLOAT, [2]);"
            "o = h.make_tensor_value_info('y', t.FLOAT, None)\n"
            "g = h.make_graph([h.make_node('Relu', ['x'], ['y'])], 'g', [i], [o])\n"
            "capture(h.make_model(g))\n"
            "print(worker._process.pid)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not Path(f"/proc/{int(done.stdout)}").exists()
        assert not done.stderr
