"""Quantized files, in every style: shown as what they are, in storage, precision and price.

The small networks are quantized by ONNX Runtime's own tools.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import talaria_widget as talaria
from talaria_widget.graph import Graph, Op
from talaria_widget.program import Task
from talaria_widget.work import count

pytest.importorskip("onnxruntime")

STYLES = ("dynamic", "QDQ", "QOperator", "blocks", "blocks-QDQ", "four-bits")
STORED = ("weight", "parameter", "buffer", "constant")
SHAPES = {"conv": (1, 3, 16, 16), "attention": (1, 10, 32)}


def numbers(*shape: int) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(prod(shape)).standard_normal(shape) * 0.2).astype(np.float32)


def network(name: str) -> onnx.ModelProto:
    """Convolutions with a residual and a classifier; or one block of a transformer."""
    make = helper.make_node
    if name == "conv":
        wide = 16  # one block of the runtime's layouts on any CPU: it adds channels to fill one
        stored = {
            "stem.weight": numbers(wide, 3, 3, 3),
            "depthwise.weight": numbers(wide, 1, 3, 3),
            "body.weight": numbers(wide, wide, 1, 1),
            "head.weight": numbers(wide, 5),
        }
        stored |= {key.replace("weight", "bias"): numbers(wide) for key in list(stored)[:3]}
        stored["head.bias"] = numbers(5)
        nodes = [
            make("Conv", ["x", "stem.weight", "stem.bias"], ["c1"], pads=[1] * 4),
            make("Relu", ["c1"], ["r1"]),
            make("Conv", ["r1", "depthwise.weight", "depthwise.bias"], ["c2"], pads=[1] * 4),
        ]
        nodes[-1].attribute.append(helper.make_attribute("group", wide))
        nodes += [
            make("Relu", ["c2"], ["r2"]),
            make("Conv", ["r2", "body.weight", "body.bias"], ["c3"]),
            make("Add", ["c3", "r1"], ["a"]),
            make("MaxPool", ["a"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
            make("GlobalAveragePool", ["m"], ["p"]),
            make("Flatten", ["p"], ["f"]),
            make("Gemm", ["f", "head.weight", "head.bias"], ["y"]),
        ]
    else:
        stored = {f"{key}.weight": numbers(32, 32) for key in ("q", "k", "v", "o")}
        stored |= {"up.weight": numbers(32, 64), "down.weight": numbers(64, 32)}
        stored |= {"up.bias": numbers(64), "norm.weight": numbers(32), "norm.bias": numbers(32)}
        stored["scale"] = np.asarray(0.17, np.float32)
        nodes = [
            make("LayerNormalization", ["x", "norm.weight", "norm.bias"], ["n"], axis=-1),
            *(make("MatMul", ["n", f"{key}.weight"], [key]) for key in ("q", "k", "v")),
            make("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
            make("MatMul", ["q", "kt"], ["s"]),
            make("Mul", ["s", "scale"], ["scaled"]),
            make("Softmax", ["scaled"], ["p"], axis=-1),
            make("MatMul", ["p", "v"], ["c"]),
            make("MatMul", ["c", "o.weight"], ["o"]),
            make("Add", ["o", "x"], ["r"]),
            make("MatMul", ["r", "up.weight"], ["u"]),
            make("Add", ["u", "up.bias"], ["ub"]),
            make("Relu", ["ub"], ["ur"]),
            make("MatMul", ["ur", "down.weight"], ["d"]),
            make("Add", ["d", "r"], ["y"]),
        ]
    return model(nodes, {"x": SHAPES[name]}, stored)


def model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, ...]],
    stored: dict[str, np.ndarray[Any, Any]],
    opset: int = 17,
) -> onnx.ModelProto:
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()]
    end = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(a, n) for n, a in stored.items()]
    graph = helper.make_graph(nodes, "g", infos, [end], tensors)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


class Samples:
    """Two random inputs, as ONNX Runtime's calibration asks for them."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.left = iter([{"x": numbers(*shape)} for _ in range(2)])

    def get_next(self) -> dict[str, Any] | None:
        return next(self.left, None)


def quantize(source: Path, style: str, target: Path) -> None:
    from onnxruntime import quantization as ort
    from onnxruntime.quantization import matmul_nbits_quantizer as nbits

    if style == "dynamic":
        ort.quantize_dynamic(source, target)
    elif style.startswith("blocks"):
        form = ort.QuantFormat.QDQ if style == "blocks-QDQ" else ort.QuantFormat.QOperator
        config = nbits.DefaultWeightOnlyQuantConfig(
            block_size=16, is_symmetric=form == ort.QuantFormat.QOperator, quant_format=form
        )
        tool = nbits.MatMulNBitsQuantizer(onnx.load(source), algo_config=config)
        tool.process()
        onnx.save(tool.model.model, target)
    else:
        ort.quantize_static(
            source,
            target,
            Samples(SHAPES[source.stem]),
            quant_format=getattr(ort.QuantFormat, style, ort.QuantFormat.QDQ),
            activation_type=ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt4 if style == "four-bits" else ort.QuantType.QInt8,
            per_channel=style == "QDQ",
        )


Make = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """A network quantized in a style; each once."""
    folder = tmp_path_factory.mktemp("quantized")
    logging.disable(logging.WARNING)

    def make(name: str, style: str) -> Path:
        source, target = folder / f"{name}.onnx", folder / f"{name}-{style}.onnx"
        if not source.exists():
            onnx.save(network(name), source)
        if style != "float" and not target.exists():
            quantize(source, style, target)
        return source if style == "float" else target

    yield make
    logging.disable(logging.NOTSET)


def layers(graph: Graph) -> list[Op]:
    kinds = ("conv", "linear", "recurrent")
    return [op for op in graph.ops if op.kind in kinds]


def nbytes(tensor: onnx.TensorProto) -> int:
    """The size of a tensor's payload: as raw data has it."""
    return len(numpy_helper.from_array(numpy_helper.to_array(tensor)).raw_data)


CASES = [
    (name, style)
    for name in SHAPES
    for style in STYLES
    if not (name == "conv" and style.startswith(("blocks", "four")))
]


@pytest.mark.parametrize(("name", "style"), CASES)
def test_each_stored_tensor_has_the_bytes_of_the_file(
    quantized: Make, name: str, style: str
) -> None:
    path = quantized(name, style)
    graph = talaria.capture(path)
    payload = {t.name: nbytes(t) for t in onnx.load(path).graph.initializer}
    held = {t.name: t.nbytes for t in graph.tensors.values() if t.role in STORED}
    held = {key: size for key, size in held.items() if key in payload}
    assert held == {key: payload[key] for key in held}
    # What is left over steers shapes, or is a factor of the code: known before the run.
    left = {key: size for key, size in payload.items() if key not in held}
    assert all(key.startswith("scale") or key.endswith("shape") for key in left)
    report = talaria.analyze(path, device="cpu-avx2")
    assert report.totals["size_bytes"] == sum(held.values())


@pytest.mark.parametrize(("name", "style"), CASES)
def test_layers_are_integers_of_the_same_work(quantized: Make, name: str, style: str) -> None:
    whole = layers(talaria.capture(quantized(name, "float")))
    graph = talaria.capture(quantized(name, style))
    found = layers(graph)
    assert [op.name.removesuffix("#2") for op in found] == [op.name for op in whole]
    expected = talaria.capture(quantized(name, "float"))
    assert [count(graph, op).macs for op in found] == [count(expected, op).macs for op in whole]
    assert all(count(graph, op).flops is not None for op in graph.ops)
    few = style.startswith(("blocks", "four"))
    for op in found:
        assert graph.tensors[op.weights[0]].dtype.removeprefix("u") == ("int4" if few else "int8")
        assert op.attrs.get("precision") == (None if few else "int8")
    before = sum(expected.tensors[op.weights[0]].size or 0 for op in whole)
    assert sum(graph.tensors[op.weights[0]].size or 0 for op in found) == before


def kinds(path: Path) -> list[tuple[str, str]]:
    tasks: tuple[Task, ...] = talaria.analyze(path, device="cpu-avx2").program.tasks
    return [(task.kind, task.precision) for task in tasks]


def test_a_file_of_pairs_runs_as_the_runtime_fuses_it(quantized: Make, tmp_path: Path) -> None:
    """As many tasks as ONNX Runtime has nodes when it has optimised the file, in its order."""
    import onnxruntime

    path, optimised = quantized("conv", "QDQ"), tmp_path / "optimised.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(optimised)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    ours = {
        "QuantizeLinear": ("cast", ""),
        "DequantizeLinear": ("cast", ""),
        "QLinearConv": ("conv", "int8"),
        "QLinearAdd": ("elementwise", "int8"),
        "MaxPool": ("pool", "int8"),
        "QLinearGlobalAveragePool": ("pool", "int8"),
        "QGemm": ("linear", "int8"),
    }
    nodes = [node.op_type for node in onnx.load(optimised).graph.node]
    # A Flatten is a view: no task of ours.
    assert kinds(path) == [ours[name] for name in nodes if name != "Flatten"]
    assert kinds(quantized("conv", "QOperator")) == kinds(path)


@pytest.mark.parametrize(("name", "style"), [(name, "float") for name in SHAPES] + CASES)
@pytest.mark.parametrize("level", ["EXTENDED", "ALL"])
def test_an_optimised_file_counts_as_its_original(
    quantized: Make, tmp_path: Path, name: str, style: str, level: str
) -> None:
    """What ONNX Runtime makes of a file, in its own operators and layouts, has its products."""
    import onnxruntime

    path, optimised = quantized(name, style), tmp_path / "optimised.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(
        onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}"
    )
    options.optimized_model_filepath = str(optimised)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    before, after = talaria.capture(path), talaria.capture(optimised)
    assert all(count(after, op).flops is not None for op in after.ops)
    assert sum(count(after, op).macs or 0 for op in after.ops) == sum(
        count(before, op).macs or 0 for op in before.ops
    )


def test_only_what_stays_float_is_float(quantized: Make) -> None:
    floats = [pair for pair in kinds(quantized("attention", "QDQ")) if not pair[1]]
    # Into the norm and out of it, and at the end.
    assert floats == [("cast", ""), ("norm", ""), ("cast", ""), ("cast", "")]


def test_dynamic_products_take_their_scales(quantized: Make) -> None:
    """DynamicQuantizeMatMul of the runtime: quantizer, product, Cast, two Muls; and the bias."""
    program = talaria.analyze(quantized("attention", "dynamic"), device="cpu-avx2").program
    by_name = {task.name: task for task in program.tasks}
    assert len(by_name["o"].ops) == 5
    assert by_name["o"].inputs == ("c",)
    assert len(by_name["up"].ops) == 5 + 2
    # Three products share one quantizer, which then stays a row of its own.
    assert [len(by_name[name].ops) for name in ("q", "k", "v")] == [4, 4, 4]


def test_integers_are_alive_while_it_runs(quantized: Make) -> None:
    """The residual's sum: two operands and a result of 16 x 16 x 16 bytes each."""
    report = talaria.analyze(quantized("conv", "QDQ"), device="cpu-avx2")
    assert report.totals["peak_memory_bytes"] == 3 * 16 * 16 * 16
    whole = talaria.analyze(quantized("conv", "float"), device="cpu-avx2")
    assert whole.totals["peak_memory_bytes"] == 4 * 3 * 16 * 16 * 16


class TestPrices:
    @pytest.fixture
    def wide(self) -> onnx.ModelProto:
        """One convolution in QDQ form, 64 to 64 channels on 56 x 56."""
        make = helper.make_node
        nodes = [
            make("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
            make("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
            make("DequantizeLinear", ["w", "ws"], ["wd"], axis=0),
            make("Conv", ["xd", "wd"], ["c"], pads=[1] * 4),
            make("QuantizeLinear", ["c", "cs", "cz"], ["cq"]),
            make("DequantizeLinear", ["cq", "cs", "cz"], ["y"]),
        ]
        one, zero = np.asarray(0.1, np.float32), np.asarray(128, np.uint8)
        stored = {"xs": one, "xz": zero, "cs": one, "cz": zero}
        stored |= {"w": np.ones((64, 64, 3, 3), np.int8), "ws": np.ones(64, np.float32)}
        return model(nodes, {"x": (1, 64, 56, 56)}, stored)

    def test_at_the_integer_rate(self, wide: onnx.ModelProto) -> None:
        device = talaria.device("cpu-avx2")
        report = talaria.analyze(wide, device=device)
        row = [task.kind for task in report.program.tasks].index("conv")
        macs = 64 * 56 * 56 * 64 * 9
        seconds = 2 * macs / (device.ops_per_s["int8"] * device.efficiency["conv"])
        expected = seconds + device.dispatch_s
        assert report.after.latency.point[row] == pytest.approx(expected, rel=1e-6)
        task = report.program.tasks[row]
        assert (task.work.read_bytes, task.work.write_bytes) == (64 * 56 * 56,) * 2
        assert task.label == "conv 3×3 · int8"

    def test_without_an_integer_rate_as_the_baseline(self, wide: onnx.ModelProto) -> None:
        from dataclasses import replace

        device = talaria.device("cpu-avx2")
        rates = {name: rate for name, rate in device.ops_per_s.items() if name != "int8"}
        slow = replace(device, name="slow", ops_per_s=rates)
        slow = replace(slow, menu=tuple(m for m in device.menu if m.compute != "int8"))
        report = talaria.analyze(wide, device=slow)
        row = [task.kind for task in report.program.tasks].index("conv")
        macs = 64 * 56 * 56 * 64 * 9
        seconds = 2 * macs / (device.ops_per_s["float32"] * device.efficiency["conv"])
        assert report.after.latency.point[row] == pytest.approx(seconds + slow.dispatch_s, 1e-6)

    @pytest.mark.parametrize(
        "option",
        [
            talaria.Quantize(8),
            talaria.Quantize(8, activations=talaria.Activations(8)),
            talaria.Cast("float16"),
        ],
    )
    def test_no_second_saving(self, wide: onnx.ModelProto, option: Any) -> None:
        report = talaria.analyze(wide, recipe={"*": option}, device="cpu-avx2")
        assert [refusal.reason for refusal in report.refused] == ["it is stored as int8 already"]
        assert report.totals == report.baseline

    def test_rows_say_that_they_are_stored_so(self, wide: onnx.ModelProto) -> None:
        frame = talaria.analyze(wide, device="cpu-avx2").to_frame()
        by_type = dict(zip(frame["type"], frame["option"], strict=True))
        assert by_type["conv 3×3 · int8"] == "int8 (as stored)"
        assert by_type["quantizelinear"] == "as stored"

    @pytest.mark.parametrize("device", ["cpu-avx2", "raspberry-pi-5", "nvidia-h100"])
    def test_weights_alone_cost_what_their_option_costs(self, device: str) -> None:
        """A file with 8-bit weights that compute as floats, and the float file marked so."""
        make = helper.make_node
        layer = make("MatMul", ["x", "fc.weight"], ["y"])
        marked = talaria.analyze(
            model([layer], {"x": (4, 256)}, {"fc.weight": numbers(256, 512)}),
            recipe={"*": talaria.Quantize(8)},
            device=device,
        )
        nodes = [
            make("DequantizeLinear", ["fc.weight", "s", "z"], ["w"], axis=1),
            make("MatMul", ["x", "w"], ["y"]),
        ]
        stored = {
            "fc.weight": np.ones((256, 512), np.int8),
            "s": numbers(512),
            "z": np.zeros(512, np.int8),
        }
        written = talaria.analyze(model(nodes, {"x": (4, 256)}, stored), device=device)
        assert not marked.refused
        assert written.after.latency.point == pytest.approx(marked.after.latency.point, rel=0.01)
        plain = talaria.analyze(
            model([layer], {"x": (4, 256)}, {"fc.weight": numbers(256, 512)}), device="cpu-avx2"
        )
        if device == "cpu-avx2":
            assert written.totals["latency_s"] > plain.totals["latency_s"]

    def test_every_device_prices_it(self, wide: onnx.ModelProto) -> None:
        for name in talaria.devices():
            report = talaria.analyze(wide, device=name)
            assert not report.after.unknown_rows
            # Beside the integers only scales, in each container's own form.
            assert 0 < report.totals["size_bytes"] - 64 * 64 * 9 < 1_000


class TestStyles:
    def test_a_value_that_floats_need_too_is_made(self) -> None:
        """A DequantizeLinear whose result a norm reads as well stays an op of its own."""
        make = helper.make_node
        nodes = [
            make("QuantizeLinear", ["x", "s", "z"], ["q"]),
            make("DequantizeLinear", ["q", "s", "z"], ["d"]),
            make("LayerNormalization", ["d", "g"], ["n"]),
            make("DequantizeLinear", ["w", "s"], ["wd"]),
            make("MatMul", ["d", "wd"], ["m"]),
            make("Add", ["m", "n"], ["y"]),
        ]
        stored = {
            "s": np.asarray(0.1, np.float32),
            "z": np.asarray(0, np.uint8),
            "g": numbers(8),
            "w": np.ones((8, 8), np.int8),
        }
        program = talaria.analyze(model(nodes, {"x": (4, 8)}, stored), device="cpu-avx2").program
        assert not program.removed.get("cast")
        linear = next(task for task in program.tasks if task.kind == "linear")
        assert (linear.precision, linear.inputs) == ("int8", ("d",))

    def test_a_result_that_is_not_quantized_again_is_float(self) -> None:
        make = helper.make_node
        nodes = [
            make("QuantizeLinear", ["x", "s", "z"], ["q"]),
            make("DequantizeLinear", ["q", "s", "z"], ["d"]),
            make("DequantizeLinear", ["w", "s"], ["wd"]),
            make("Conv", ["d", "wd"], ["y"]),
        ]
        stored = {"s": np.asarray(0.1, np.float32), "z": np.asarray(0, np.uint8)}
        stored["w"] = np.ones((4, 2, 3, 3), np.int8)
        graph = talaria.capture(model(nodes, {"x": (1, 2, 8, 8)}, stored))
        assert "precision" not in layers(graph)[0].attrs
        assert graph.tensors["w"].dtype == "int8"

    def test_integers_behind_a_cast_compute_as_floats(self) -> None:
        nodes = [
            helper.make_node("Cast", ["fc.weight"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["f", "s"], ["w"]),
            helper.make_node("MatMul", ["x", "w"], ["y"]),
        ]
        stored = {"fc.weight": np.ones((64, 48), np.int8), "s": numbers(1, 48)}
        report = talaria.analyze(model(nodes, {"x": (4, 64)}, stored), device="cpu-avx2")
        (op,) = report.program.graph.ops
        assert "precision" not in op.attrs
        assert report.totals["size_bytes"] == 64 * 48 + 4 * 48
        assert report.totals["macs"] == 4 * 48 * 64

    @pytest.mark.parametrize(
        ("bits", "block", "contraction", "blob"),
        [(4, 32, 64, 16), (4, 32, 70, 16), (8, 32, 64, 32), (2, 32, 64, 8)],
    )
    def test_blocks_of_few_bits(self, bits: int, block: int, contraction: int, blob: int) -> None:
        """N x K elements; the last block of a row is filled up, and counted so."""
        blocks = -(-contraction // block)
        node = helper.make_node(
            "MatMulNBits",
            ["x", "fc.weight_Q4", "s", "z"],
            ["y"],
            domain="com.microsoft",
            K=contraction,
            N=16,
            bits=bits,
            block_size=block,
        )
        stored = {"fc.weight_Q4": np.zeros((16, blocks, blob), np.uint8)}
        stored |= {"s": numbers(16 * blocks), "z": np.zeros((16 * blocks), np.uint8)}
        report = talaria.analyze(model([node], {"x": (3, contraction)}, stored), device="cpu-avx2")
        graph = report.program.graph
        weight = graph.tensors["fc.weight_Q4"]
        assert weight.shape == (16, contraction)
        assert weight.nbytes == 16 * blocks * blob
        assert weight.nbytes * 8 >= 16 * contraction * bits
        assert graph.parameters == 16 * contraction
        assert graph.ops[0].name == "fc"
        assert count(graph, graph.ops[0]).macs == 3 * 16 * contraction
        assert report.totals["size_bytes"] == 16 * blocks * (blob + 4 + 1)

    @pytest.mark.parametrize(
        ("code", "dtype", "size"),
        [
            (TensorProto.INT4, "int4", 48 * 33 / 2),
            (TensorProto.UINT4, "uint4", 48 * 33 / 2),
            (TensorProto.FLOAT8E4M3FN, "float8", 48 * 33),
            (TensorProto.INT16, "int16", 48 * 33 * 2),
        ],
    )
    def test_stored_formats(self, code: int, dtype: str, size: float) -> None:
        weight = helper.make_tensor("w", code, (48, 33), np.ones(48 * 33, np.float32))
        nodes = [
            helper.make_node("DequantizeLinear", ["w", "s"], ["wd"], axis=1),
            helper.make_node("MatMul", ["x", "wd"], ["y"]),
        ]
        proto = model(nodes, {"x": (2, 48)}, {"s": np.ones(33, np.float32)}, opset=21)
        proto.graph.initializer.append(weight)
        graph = talaria.capture(proto)
        (op,) = graph.ops
        assert op.weights == ("w", "s")
        assert (graph.tensors["w"].dtype, graph.tensors["w"].nbytes) == (dtype, size)
        assert count(graph, op).macs == 2 * 33 * 48
        report = talaria.analyze(proto, recipe={"*": talaria.Quantize(8)}, device="cpu-avx2")
        assert [r.reason for r in report.refused] == [f"it is stored as {dtype} already"]
        # Its activations stay in 32 bits: two rows in, two rows out, and the weights.
        (task,) = report.program.tasks
        assert (task.work.read_bytes, task.work.write_bytes) == (4 * 2 * 48, 4 * 2 * 33)
        assert (report.program.written, report.program.baseline) == ("float32", "float32")

    def test_a_recurrent_layer_quantized_as_it_runs(self) -> None:
        node = helper.make_node(
            "DynamicQuantizeLSTM",
            ["x", "w", "r", "b", "", "", "", "", "ws", "wz", "rs", "rz"],
            ["y", "h", "c"],
            domain="com.microsoft",
            hidden_size=8,
        )
        stored: dict[str, Any] = {"b": numbers(1, 64), "ws": numbers(1), "rs": numbers(1)}
        stored |= {"w": np.ones((1, 6, 32), np.int8), "r": np.ones((1, 8, 32), np.int8)}
        stored |= {"wz": np.zeros(1, np.int8), "rz": np.zeros(1, np.int8)}
        report = talaria.analyze(model([node], {"x": (5, 3, 6)}, stored), device="cpu-avx2")
        (task,) = report.program.tasks
        assert (task.kind, task.precision) == ("recurrent", "int8")
        assert report.totals["size_bytes"] == 6 * 32 + 8 * 32 + 4 * 64 + 2 * (4 + 1)


def package_file(package: str, name: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed")
    return Path(spec.origin).parent / name


@pytest.mark.parametrize("name", ["bilstm.int8.onnx", "rawi.int8.onnx"])
def test_a_real_file_in_integers(name: str) -> None:
    path = package_file("text2tashkeel", f"models/{name}")
    graph = talaria.capture(path)
    computing = [op for op in layers(graph) if (count(graph, op).macs or 0) > 10_000]
    assert len(computing) >= 3
    assert all(op.attrs.get("precision") == "int8" for op in computing)
    payload = {t.name: nbytes(t) for t in onnx.load(path).graph.initializer}
    held = {name: graph.tensors[name].nbytes for name in payload if name in graph.tensors}
    assert held == {name: payload[name] for name in held}
    assert sum(held.values()) > 0.999 * sum(payload.values())


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("magika", "models/standard_v3_3/model.onnx"),
        ("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx"),
    ],
)
def test_a_real_file_in_floats_stays_so(package: str, name: str) -> None:
    report = talaria.analyze(package_file(package, name), device="cpu-avx2")
    assert not any("precision" in op.attrs for op in report.program.graph.ops)
    assert report.prices.labels[0] == "fp32"
