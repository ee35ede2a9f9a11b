"""The ONNX front end: hand figures on whole networks, and each trap in a graph of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from talaria_widget.frontends.onnx import capture
from talaria_widget.frontends.onnx.layout.names import scope_path, unique, weight_stem
from talaria_widget.graph import Graph, Op, UnsupportedModelError
from talaria_widget.work import count

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
Spec = dict[str, Sequence[int | str | None]]


def floats(*shape: int) -> np.ndarray[Any, Any]:
    return np.arange(1, 1 + int(np.prod(shape)), dtype=np.float32).reshape(shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Spec,
    outputs: Sequence[str],
    stored: dict[str, np.ndarray[Any, Any]] | None = None,
    dtype: int = TensorProto.FLOAT,
    opset: int = 18,
) -> onnx.ModelProto:
    infos = [helper.make_tensor_value_info(n, dtype, list(s)) for n, s in inputs.items()]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    tensors = [numpy_helper.from_array(a, n) for n, a in (stored or {}).items()]
    graph = helper.make_graph(list(nodes), "g", infos, ends, tensors)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports)


def macs(graph: Graph) -> int:
    counted = [count(graph, op).macs for op in graph.ops]
    assert None not in counted
    return sum(n or 0 for n in counted)


def one(graph: Graph, kind: str) -> Op:
    (op,) = [op for op in graph.ops if op.kind == kind]
    return op


def assert_accounted(graph: Graph, proto: onnx.ModelProto) -> None:
    assert len(proto.graph.node) == len(graph.ops) + sum(graph.noise.values())


class TestWholeNetworks:
    @pytest.mark.parametrize(
        ("name", "expected_macs", "parameters"),
        [
            ("resnet50", 4_089_184_256, 25_557_032),
            ("vgg19", 19_632_062_464, 143_667_240),
            ("squeezenet", 349_151_936, 1_235_496),
        ],
    )
    def test_published_figures(self, name: str, expected_macs: int, parameters: int) -> None:
        path = LIGHT / f"light_{name}.onnx"
        graph = capture(path)
        assert macs(graph) == expected_macs
        assert graph.parameters == parameters
        assert_accounted(graph, onnx.load(path))

    @pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda p: p.stem)
    def test_everything_is_known_in_the_classics(self, path: Path) -> None:
        graph = capture(path)
        assert all(count(graph, op).flops is not None for op in graph.ops)
        assert len({op.name for op in graph.ops}) == len(graph.ops)

    @pytest.mark.skipif(find_spec("rapidocr_onnxruntime") is None, reason="not installed")
    def test_weights_that_are_all_in_constant_nodes(self) -> None:
        spec = find_spec("rapidocr_onnxruntime")
        assert spec is not None and spec.origin is not None
        path = Path(spec.origin).parent / "models/ch_PP-OCRv4_rec_infer.onnx"
        graph = capture(path, {"x": (1, 3, 48, 320)})
        assert not onnx.load(path).graph.initializer
        assert graph.parameters > 2_600_000
        assert all(count(graph, op).flops is not None for op in graph.ops)
        assert not graph.assumed
        wide = capture(path, {"x": (1, 3, 48, 640)})
        assert 1.9 < macs(wide) / macs(graph) < 2.6

    @pytest.mark.skipif(find_spec("magika") is None, reason="not installed")
    def test_open_dimensions_are_one_and_said(self) -> None:
        spec = find_spec("magika")
        assert spec is not None and spec.origin is not None
        path = Path(spec.origin).parent / "models/standard_v3_3/model.onnx"
        graph = capture(path)
        assert graph.tensors["bytes"].shape == (1, 2048)
        assert len(graph.assumed) == 1 and "open dimensions" in graph.assumed[0]
        four = capture(path, {"bytes": np.zeros((4, 2048), np.int32)})
        assert macs(four) == 4 * macs(graph)
        assert four.parameters == graph.parameters

    def test_exported_network_keeps_names_paths_and_work(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        pytest.importorskip("onnxscript")

        class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.stem = torch.nn.Conv2d(3, 8, 3, stride=2, bias=False)
                self.norm = torch.nn.BatchNorm2d(8)
                self.body = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, groups=8))
                self.head = torch.nn.Linear(8, 5)

            def forward(self, x: Any) -> Any:
                x = self.body(torch.relu(self.norm(self.stem(x))))
                return self.head(x.mean((2, 3)))

        path = tmp_path / "net.onnx"
        net = Net().eval()
        torch.onnx.export(net, (torch.randn(1, 3, 17, 17),), path, dynamo=True, verbose=False)
        graph = capture(path)
        expected = 8 * 8 * 8 * 3 * 9 + 8 * 6 * 6 * 9 + 5 * 8
        assert macs(graph) == expected
        names = [op.name for op in graph.ops if op.weights]
        assert names == ["stem", "body.0", "head"]
        assert {op.path for op in graph.ops if op.weights} == set(names)
        assert one(graph, "linear").source is not None
        assert graph.modules["body.0"] == "Conv2d"
        assert_accounted(graph, onnx.load(path))


class TestWeights:
    def test_matmul_with_a_stored_operand_is_linear(self) -> None:
        node = helper.make_node("MatMul", ["x", "fc.weight"], ["y"], "/fc/MatMul")
        graph = capture(model([node], {"x": [4, 6]}, ["y"], {"fc.weight": floats(6, 10)}))
        op = one(graph, "linear")
        assert (op.name, op.path, op.target) == ("fc", "fc", "MatMul")
        assert op.attrs["node"] == "/fc/MatMul"
        weight = graph.tensors["fc.weight"]
        assert (weight.role, weight.channel_axis) == ("weight", 1)
        assert macs(graph) == 4 * 10 * 6

    def test_left_operand_stored(self) -> None:
        node = helper.make_node("MatMul", ["w", "x"], ["y"])
        graph = capture(model([node], {"x": [6, 4]}, ["y"], {"w": floats(10, 6)}))
        assert graph.tensors["w"].channel_axis == 0
        assert macs(graph) == 10 * 4 * 6

    def test_product_of_two_activations_is_a_matmul(self) -> None:
        node = helper.make_node("MatMul", ["a", "b"], ["y"])
        graph = capture(model([node], {"a": [2, 3, 4], "b": [2, 4, 5]}, ["y"]))
        assert one(graph, "matmul").weights == ()
        assert macs(graph) == 2 * 3 * 5 * 4

    @pytest.mark.parametrize(("transposed", "axis"), [(1, 0), (0, 1)])
    def test_gemm_counts_its_bias(self, transposed: int, axis: int) -> None:
        node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=transposed)
        weight = floats(10, 6) if transposed else floats(6, 10)
        graph = capture(model([node], {"x": [4, 6]}, ["y"], {"w": weight, "b": floats(10)}))
        op = one(graph, "linear")
        assert graph.tensors["w"].channel_axis == axis
        assert graph.tensors["b"].role == "parameter"
        work = count(graph, op)
        assert (work.macs, work.flops) == (4 * 10 * 6, 2 * 4 * 10 * 6 + 4 * 10)

    def test_weight_is_found_behind_transpose_and_cast(self) -> None:
        nodes = [
            helper.make_node("Cast", ["fc.weight"], ["c"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["c"], ["t"], perm=[1, 0]),
            helper.make_node("MatMul", ["x", "t"], ["y"]),
        ]
        stored = {"fc.weight": floats(10, 6).astype(np.float16)}
        proto = model(nodes, {"x": [4, 6]}, ["y"], stored)
        graph = capture(proto)
        weight = graph.tensors["fc.weight"]
        assert (weight.shape, weight.dtype, weight.channel_axis) == ((10, 6), "float16", 0)
        assert dict(graph.noise) == {"Cast": 1, "Transpose": 1}
        assert macs(graph) == 4 * 10 * 6
        assert count(graph, graph.ops[0]).weight_bytes == 2 * 10 * 6
        assert_accounted(graph, proto)

    def test_integer_weight_with_scales_is_one_weight(self) -> None:
        nodes = [
            helper.make_node("DequantizeLinear", ["conv.weight", "s", "z"], ["w"], axis=0),
            helper.make_node("Conv", ["x", "w", "b"], ["y"]),
        ]
        stored = {
            "conv.weight": np.ones((8, 4, 3, 3), np.int8),
            "s": floats(8),
            "z": np.zeros(8, np.int8),
            "b": floats(8),
        }
        graph = capture(model(nodes, {"x": [1, 4, 10, 10]}, ["y"], stored))
        op = one(graph, "conv")
        assert op.weights == ("conv.weight", "b", "s", "z")
        assert graph.tensors["s"].role == graph.tensors["z"].role == "buffer"
        assert graph.parameters == 8 * 4 * 9 + 8
        work = count(graph, op)
        assert work.flops == 2 * (8 * 8 * 8 * 4 * 9) + 8 * 8 * 8
        assert work.weight_bytes == 8 * 4 * 9 + 4 * 8 + 4 * 8 + 8

    def test_integers_behind_a_cast_and_a_product(self) -> None:
        nodes = [
            helper.make_node("Cast", ["q"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["f", "s"], ["w"]),
            helper.make_node("MatMul", ["x", "w"], ["y"]),
        ]
        stored = {"q": np.ones((6, 10), np.int8), "s": floats(1, 10)}
        graph = capture(model(nodes, {"x": [4, 6]}, ["y"], stored))
        assert [op.kind for op in graph.ops] == ["linear"]
        assert graph.ops[0].weights == ("q", "s")

    def test_rows_of_a_stored_table_are_an_embedding(self) -> None:
        node = helper.make_node("Gather", ["emb.weight", "ids"], ["y"])
        proto = model(
            [node], {"ids": [2, 5]}, ["y"], {"emb.weight": floats(100, 8)}, TensorProto.INT64
        )
        graph = capture(proto)
        op = one(graph, "embedding")
        assert (op.name, op.inputs, op.weights) == ("emb", ("ids",), ("emb.weight",))
        assert graph.tensors["emb.weight"].role == "weight"
        assert count(graph, op).weight_bytes == 2 * 5 * 8 * 4

    def test_tied_table_is_counted_once_and_named_after_its_users(self) -> None:
        nodes = [
            helper.make_node("Gather", ["emb.weight", "ids"], ["h"], "/emb/Gather"),
            helper.make_node("Transpose", ["emb.weight"], ["t"], perm=[1, 0]),
            helper.make_node("MatMul", ["h", "t"], ["y"], "/head/MatMul"),
        ]
        proto = model(
            nodes, {"ids": [1, 5]}, ["y"], {"emb.weight": floats(100, 8)}, TensorProto.INT64
        )
        graph = capture(proto)
        assert graph.parameters == 100 * 8
        assert [op.kind for op in graph.ops] == ["embedding", "linear"]
        assert macs(graph) == 5 * 100 * 8

    def test_unused_initialisers_are_listed(self) -> None:
        node = helper.make_node("Relu", ["x"], ["y"])
        graph = capture(model([node], {"x": [2]}, ["y"], {"old": floats(3, 3)}))
        assert graph.unused == ("old",)
        assert graph.parameters == 0

    def test_batch_norm_has_two_parameters_and_two_buffers(self) -> None:
        node = helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], "/bn/BN")
        stored = {name: floats(4) for name in "sbmv"}
        graph = capture(model([node], {"x": [1, 4, 3, 3]}, ["y"], stored))
        assert graph.parameters == 4 + 4
        assert count(graph, graph.ops[0]).flops == 4 * 3 * 3 * 2

    def test_recurrent_layer(self) -> None:
        node = helper.make_node(
            "LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=8, direction="bidirectional"
        )
        stored = {"w": floats(2, 32, 6), "r": floats(2, 32, 8), "b": floats(2, 64)}
        graph = capture(model([node], {"x": [5, 3, 6]}, ["y"], stored))
        assert macs(graph) == 5 * 3 * 2 * 32 * (6 + 8)
        assert graph.tensors["w"].role == graph.tensors["r"].role == "weight"

    def test_recurrent_layer_of_the_runtime_in_integers(self) -> None:
        node = helper.make_node(
            "DynamicQuantizeLSTM",
            ["x", "w", "r", "b", "", "", "", "", "ws", "wz", "rs", "rz"],
            ["y", "h", "c"],
            domain="com.microsoft",
            hidden_size=8,
        )
        stored = {
            "w": np.ones((1, 6, 32), np.int8),
            "r": np.ones((1, 8, 32), np.int8),
            "b": floats(1, 64),
            **{name: floats(1, 32) for name in ("ws", "rs")},
            **{name: np.zeros((1, 32), np.int8) for name in ("wz", "rz")},
        }
        graph = capture(model([node], {"x": [5, 3, 6]}, ["y"], stored))
        work = count(graph, one(graph, "recurrent"))
        products = 5 * 3 * 32 * (6 + 8)
        assert work.macs == products
        assert work.flops == 2 * products + 5 * 3 * (8 * (4 + 3 * 4 + 1 + 3 + 1 + 1) + 64)
        assert graph.tensors["w"].channel_axis == 2
        assert graph.tensors["h"].shape == (1, 3, 8)

    def test_four_bit_blocks(self) -> None:
        node = helper.make_node(
            "MatMulNBits",
            ["x", "w", "s"],
            ["y"],
            domain="com.microsoft",
            K=64,
            N=16,
            bits=4,
            block_size=32,
        )
        stored = {"w": np.zeros((16, 2, 16), np.uint8), "s": floats(16 * 2)}
        graph = capture(model([node], {"x": [3, 64]}, ["y"], stored))
        op = one(graph, "linear")
        assert op.target == "com.microsoft.MatMulNBits"
        assert graph.tensors["y"].shape == (3, 16)
        assert macs(graph) == 3 * 16 * 64

    def test_attention_that_owns_its_projection(self) -> None:
        node = helper.make_node(
            "Attention", ["x", "w", "b"], ["y"], domain="com.microsoft", num_heads=4
        )
        graph = capture(
            model([node], {"x": [2, 10, 32]}, ["y"], {"w": floats(32, 96), "b": floats(96)})
        )
        op = one(graph, "attention")
        assert op.inputs == ("x", "x", "x")
        assert graph.tensors["w"].channel_axis == 1
        work = count(graph, op)
        products = 2 * 10 * 32 * 96 + 2 * (2 * 10 * 10 * 32)
        assert work.macs == products
        assert work.flops == 2 * products + 2 * 4 * 10 * 10 * (1 + 5) + 2 * 10 * 96
        assert work.read_bytes == 4 * 2 * 10 * 32

    def test_attention_over_a_cache(self) -> None:
        node = helper.make_node(
            "GroupQueryAttention",
            ["q", "k", "v", "pk", "pv"],
            ["y"],
            domain="com.microsoft",
            num_heads=8,
            kv_num_heads=2,
        )
        inputs: Spec = {"q": [1, 1, 64], "k": [1, 1, 16], "v": [1, 1, 16]}
        inputs |= {"pk": [1, 2, 31, 8], "pv": [1, 2, 31, 8]}
        graph = capture(model([node], inputs, ["y"]))
        op = one(graph, "attention")
        assert op.attrs["causal"]
        assert count(graph, op).macs == 8 * 1 * (31 + 1) * 8 * 2

    def test_fused_ops_of_the_runtime_have_shapes_and_counts(self) -> None:
        ms = {"domain": "com.microsoft"}
        nodes = [
            helper.make_node("FusedConv", ["x", "w"], ["c"], activation="Relu", **ms),
            helper.make_node("FusedMatMul", ["c", "c"], ["m"], transB=1, **ms),
            helper.make_node("Gelu", ["m"], ["y"], **ms),
        ]
        graph = capture(model(nodes, {"x": [1, 2, 6, 6]}, ["y"], {"w": floats(4, 2, 3, 3)}))
        assert [op.kind for op in graph.ops] == ["conv", "matmul", "activation"]
        assert graph.tensors["y"].shape == (1, 4, 4, 4)
        conv = 4 * 4 * 4 * 2 * 9
        assert [count(graph, op).flops for op in graph.ops] == [
            2 * conv + 4 * 4 * 4,
            2 * (4 * 4 * 4 * 4),
            4 * 4 * 4 * 5,
        ]


class TestShapes:
    def test_a_chain_of_sizes_is_noise_and_steers_a_reshape(self) -> None:
        nodes = [
            helper.make_node("Shape", ["x"], ["s"]),
            helper.make_node("Gather", ["s", "zero"], ["n"]),
            helper.make_node("Div", ["width", "two"], ["half"]),
            helper.make_node("Unsqueeze", ["n", "axes"], ["n1"]),
            helper.make_node("Concat", ["n1", "half", "minus"], ["target"], axis=0),
            helper.make_node("Reshape", ["x", "target"], ["r"]),
            helper.make_node("Relu", ["r"], ["y"]),
        ]
        stored = {
            "zero": np.asarray(0),
            "axes": np.asarray([0]),
            "width": np.asarray([8]),
            "two": np.asarray([2]),
            "minus": np.asarray([-1]),
        }
        proto = model(nodes, {"x": ["batch", 3, 8]}, ["y"], stored)
        graph = capture(proto, {"x": (5, 3, 8)})
        assert graph.tensors["y"].shape == (5, 4, 6)
        assert [op.target for op in graph.ops] == ["Reshape", "Relu"]
        assert graph.ops[0].attrs["free"] and graph.ops[0].inputs == ("x",)
        assert_accounted(graph, proto)
        assert not graph.assumed

    def test_a_value_that_inference_does_not_follow(self) -> None:
        nodes = [
            helper.make_node("Shape", ["x"], ["s"]),
            helper.make_node("ReduceProd", ["s"], ["n"], keepdims=1),
            helper.make_node("ConstantOfShape", ["n"], ["zeros"]),
            helper.make_node("Shape", ["zeros"], ["again"]),
            helper.make_node("Reshape", ["x", "again"], ["y"]),
        ]
        graph = capture(model(nodes, {"x": [3, 4]}, ["y"]))
        assert graph.tensors["y"].shape == (12,)

    def test_a_hole_stays_unknown(self) -> None:
        nodes = [
            helper.make_node("Mystery", ["x"], ["m"], domain="com.example"),
            helper.make_node("Relu", ["m"], ["y"]),
        ]
        graph = capture(model(nodes, {"x": [3, 4]}, ["y"]))
        assert [op.kind for op in graph.ops] == ["unknown", "activation"]
        assert graph.ops[0].target == "com.example.Mystery"
        assert graph.tensors["y"].shape is None
        assert all(count(graph, op).flops is None for op in graph.ops)

    def test_sizes_that_depend_on_data_are_those_of_one_run(self) -> None:
        proto = model([helper.make_node("NonZero", ["x"], ["y"])], {"x": [4]}, ["y"])
        graph = capture(proto, {"x": np.asarray([0, 5, 0, 7], np.float32)})
        assert graph.tensors["y"].shape == (1, 2)
        assert "one run on the inputs given" in graph.notes[0]
        assert "one run on invented inputs" in capture(proto).notes[0]

    def test_open_dimension_that_is_too_small_is_said(self) -> None:
        node = helper.make_node("Conv", ["x", "w"], ["y"])
        proto = model([node], {"x": [1, 2, "height", 8]}, ["y"], {"w": floats(4, 2, 3, 3)})
        graph = capture(proto)
        assert graph.tensors["y"].shape is None
        assert "pass inputs with real sizes" in graph.notes[-1]
        assert macs(capture(proto, {"x": (1, 2, 8, 8)})) == 4 * 6 * 6 * 2 * 9

    def test_named_dimension_holds_in_every_input(self) -> None:
        node = helper.make_node("Add", ["a", "b"], ["y"])
        proto = model([node], {"a": ["n", 4], "b": ["n", 4]}, ["y"])
        graph = capture(proto, {"a": (7, 4)})
        assert graph.tensors["b"].shape == (7, 4)
        assert not graph.assumed

    def test_identity_and_dropout_vanish_from_the_edges(self) -> None:
        nodes = [
            helper.make_node("Identity", ["x"], ["i"]),
            helper.make_node("Relu", ["i"], ["r"]),
            helper.make_node("Dropout", ["r"], ["d"]),
            helper.make_node("Identity", ["d"], ["y"]),
        ]
        graph = capture(model(nodes, {"x": [3]}, ["y"]))
        assert [op.inputs for op in graph.ops] == [("x",)]
        assert graph.outputs == ("r",)
        assert dict(graph.noise) == {"Identity": 2, "Dropout": 1}

    def test_constant_operand_of_an_elementwise_op_is_an_input(self) -> None:
        nodes = [
            helper.make_node("Constant", [], ["half"], value_float=0.5),
            helper.make_node("Max", ["x", "half"], ["y"]),
        ]
        graph = capture(model(nodes, {"x": [3, 4]}, ["y"]))
        assert graph.tensors["half"].role == "constant"
        assert count(graph, graph.ops[0]).flops == 3 * 4 * (2 - 1)

    def test_function_of_the_model_itself_is_inlined(self) -> None:
        body = [helper.make_node("MatMul", ["a", "b"], ["c"])]
        function = helper.make_function(
            "local", "Product", ["a", "b"], ["c"], body, [helper.make_opsetid("", 18)]
        )
        node = helper.make_node("Product", ["x", "w"], ["y"], domain="local")
        proto = model([node], {"x": [4, 6]}, ["y"], {"w": floats(6, 10)})
        proto.functions.append(function)
        proto.opset_import.append(helper.make_opsetid("local", 1))
        assert macs(capture(proto)) == 4 * 10 * 6


class TestNames:
    @pytest.mark.parametrize(
        ("name", "stem"),
        [
            ("layer1.0.conv1.weight", "layer1.0.conv1"),
            ("conv2d_0.w_0", "conv2d_0"),
            ("fc.weight_quantized", "fc"),
            ("block/dense/kernel", "block/dense"),
            ("fc.bias", "fc.bias"),
            ("onnx::MatMul_517", None),
            ("val_12", None),
            ("/model/Constant_3_output_0", None),
        ],
    )
    def test_stems(self, name: str, stem: str | None) -> None:
        assert weight_stem(name) == stem

    @pytest.mark.parametrize(
        ("name", "path"),
        [
            ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
            (
                "/encoder/layer.0/attention/self/query/MatMul",
                "encoder.layer.0.attention.self.query",
            ),
            ("Conv_12", ""),
        ],
    )
    def test_paths(self, name: str, path: str) -> None:
        assert scope_path(name) == path

    def test_repeats_are_numbered_and_never_collide(self) -> None:
        assert unique(["a", "a", "a#2", "a"]) == ["a", "a#3", "a#2", "a#4"]

    def test_made_up_weight_gives_way_to_the_scope(self) -> None:
        node = helper.make_node("MatMul", ["x", "onnx::MatMul_5"], ["y"], "/enc/enc.0/q/MatMul")
        graph = capture(model([node], {"x": [4, 6]}, ["y"], {"onnx::MatMul_5": floats(6, 10)}))
        assert (graph.ops[0].name, graph.ops[0].path) == ("enc.0.q", "enc.0.q")

    def test_nameless_node_is_named_after_what_it_makes(self) -> None:
        graph = capture(model([helper.make_node("Relu", ["x"], ["y"])], {"x": [3]}, ["y"]))
        assert graph.ops[0].name == "activation@y"
        assert graph.ops[0].attrs["node"] == "y"


class TestBadInput:
    @pytest.fixture
    def proto(self) -> onnx.ModelProto:
        node = helper.make_node("MatMul", ["input_ids", "w"], ["y"])
        return model([node], {"input_ids": ["batch", 6]}, ["y"], {"w": floats(6, 10)})

    def test_missing_path(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"no file .*gone\.onnx"):
            capture(tmp_path / "gone.onnx")

    def test_directory(self, tmp_path: Path) -> None:
        with pytest.raises(UnsupportedModelError, match="pass the path of an ONNX file"):
            capture(tmp_path)

    @pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.safetensors"])
    def test_state_dict(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.write_bytes(b"anything")
        with pytest.raises(UnsupportedModelError, match=r"state dict.*pass the nn\.Module"):
            capture(path)

    def test_checkpoint_under_another_name(self, tmp_path: Path) -> None:
        path = tmp_path / "model.onnx"
        path.write_bytes(b"PK\x03\x04 and so on")
        with pytest.raises(UnsupportedModelError, match="state dict"):
            capture(path)

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00garbage" * 20, b"hello, world\n"])
    def test_no_model_at_all(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        with pytest.raises(UnsupportedModelError, match=r"no ONNX model|no operations"):
            capture(path)

    @pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
    def test_truncated(self, tmp_path: Path, share: float) -> None:
        whole = (LIGHT / "light_squeezenet.onnx").read_bytes()
        path = tmp_path / "cut.onnx"
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UnsupportedModelError):
            capture(str(path))

    def test_graph_that_reads_what_nothing_makes(self, proto: onnx.ModelProto) -> None:
        del proto.graph.initializer[:]
        with pytest.raises(UnsupportedModelError, match="'w', which nothing makes"):
            capture(proto)

    def test_no_model_type(self) -> None:
        with pytest.raises(TypeError, match="cannot read a int"):
            capture(3)  # type: ignore[arg-type]

    def test_wrong_input_name(self, proto: onnx.ModelProto) -> None:
        with pytest.raises(ValueError, match="did you mean 'input_ids'"):
            capture(proto, {"input_id": (1, 6)})

    @pytest.mark.parametrize("shape", [(1, 7), (1, 6, 1)])
    def test_wrong_shape(self, proto: onnx.ModelProto, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"wants \(batch, 6\)"):
            capture(proto, {"input_ids": shape})

    def test_wrong_dtype(self, proto: onnx.ModelProto) -> None:
        with pytest.raises(ValueError, match="given int64 and wants float32"):
            capture(proto, {"input_ids": np.zeros((1, 6), np.int64)})

    def test_neither_array_nor_shape(self, proto: onnx.ModelProto) -> None:
        with pytest.raises(TypeError, match="pass an array or a shape"):
            capture(proto, {"input_ids": "six"})

    def test_too_many_inputs(self, proto: onnx.ModelProto) -> None:
        with pytest.raises(ValueError, match="2 inputs were given and the model has 1"):
            capture(proto, (np.zeros((1, 6)), np.zeros((1, 6))))

    @pytest.mark.parametrize("inputs", [(3, 6), np.zeros((3, 6), np.float32)])
    def test_one_input_needs_no_name(self, proto: onnx.ModelProto, inputs: Any) -> None:
        assert capture(proto, inputs).tensors["y"].shape == (3, 10)

    def test_disagreeing_dimensions(self) -> None:
        node = helper.make_node("Add", ["a", "b"], ["y"])
        proto = model([node], {"a": ["n"], "b": ["n"]}, ["y"])
        with pytest.raises(ValueError, match="'n' is both 2 and 3"):
            capture(proto, {"a": (2,), "b": (3,)})


def test_external_data_is_not_read(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    proto = model([node], {"x": [4, 64]}, ["y"], {"w": floats(64, 64)})
    path = tmp_path / "big.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="big.data", size_threshold=0)
    (tmp_path / "big.data").unlink()
    assert macs(capture(path)) == 4 * 64 * 64


def test_the_model_is_left_as_it_was() -> None:
    proto = onnx.load(LIGHT / "light_shufflenet.onnx")
    before = proto.SerializeToString(deterministic=True)
    capture(proto)
    assert proto.SerializeToString(deterministic=True) == before


def test_works_without_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from talaria_widget.frontends.onnx import capture\n"
        f"print(len(capture({str(LIGHT / 'light_squeezenet.onnx')!r}).ops))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "65"
