"""ONNX Runtime's own operators: the shapes that its kernels give, and work by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import talaria_widget as talaria
from talaria_widget.frontends.onnx.operators.operators import OPERATORS
from talaria_widget.frontends.onnx.shapes import shapes
from talaria_widget.graph import Graph
from talaria_widget.work import count

onnxruntime = pytest.importorskip("onnxruntime")
Array = np.ndarray[Any, Any]


def floats(*shape: int) -> Array:
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def whole(*shape: int, dtype: Any = np.int32, below: int = 3) -> Array:
    return (np.arange(int(np.prod(shape))) % below).reshape(shape).astype(dtype)


def quantum(*shape: int) -> Array:
    return whole(*shape, dtype=np.uint8)


SCALE, ZERO = np.asarray(0.1, np.float32), np.asarray(1, np.uint8)
QUANTIZED = (SCALE, ZERO)


@dataclass(frozen=True)
class Case:
    """One node: what it reads (`None`: left out), its attributes, how many outputs, its products.

    Slots in `stored` are initialisers. `flops` where the formula is its own. `gives` is the
    shape of the result where a CPU has no kernel to ask.
    """

    op: str
    inputs: tuple[Array | None, ...]
    given: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    macs: int = 0
    flops: int | None = None
    stored: frozenset[int] = frozenset()
    gives: tuple[int, ...] | None = None


HEADS: Mapping[str, Any] = {"num_heads": 4}
CASES = [
    Case(
        "FusedConv",
        (floats(1, 2, 6, 6), floats(4, 2, 3, 3)),
        {"activation": "Relu"},
        macs=(4 * 4 * 4) * (2 * 9),
        flops=2 * (4 * 4 * 4) * (2 * 9) + 4 * 4 * 4,
    ),
    Case("FusedMatMul", (floats(2, 3, 4), floats(2, 5, 4)), {"transB": 1}, macs=2 * 3 * 5 * 4),
    Case("TransposeMatMul", (floats(4, 3), floats(4, 5)), {"transA": 1}, macs=3 * 5 * 4),
    Case(
        "FusedGemm",
        (floats(3, 4), floats(4, 5), floats(5)),
        {"activation": "Relu"},
        macs=3 * 4 * 5,
        stored=frozenset({1, 2}),
    ),
    Case("NhwcMaxPool", (whole(1, 8, 8, 3, dtype=np.int8),), {"kernel_shape": [2, 2]}),
    Case(
        "Attention",
        (floats(2, 5, 8), floats(8, 24), floats(24), None, floats(2, 2, 4, 3, 2)),
        HEADS,
        outputs=2,
        macs=2 * 5 * 8 * 24 + 2 * (2 * 4 * 5 * (3 + 5)) * 2,
    ),
    Case(
        "Attention",
        (floats(2, 5, 8), floats(8, 8 + 8 + 4), floats(20)),
        {**HEADS, "qkv_hidden_sizes": [8, 8, 4]},
        macs=2 * 5 * 8 * (8 + 8 + 4) + (2 * 4 * 5 * 5) * (2 + 1),
    ),
    Case(
        "MultiHeadAttention",
        (floats(2, 5, 8), floats(2, 7, 8), floats(2, 7, 8), floats(24)),
        HEADS,
        macs=(2 * 4 * 5 * 7) * (2 + 2),
        flops=2 * (2 * 4 * 5 * 7) * (2 + 2) + (2 * 4 * 5 * 7) * (1 + 5) + 2 * 5 * 24,
    ),
    Case(
        "MultiHeadAttention",
        (floats(2, 5, 4, 3, 2),),
        HEADS,
        macs=(2 * 4 * 5 * 5) * (2 + 2),
        gives=(2, 5, 8),
    ),
    Case(
        "MultiHeadAttention",
        (floats(2, 1, 8), floats(2, 1, 8), floats(2, 1, 8), None, None, None)
        + (floats(2, 4, 6, 2),) * 2,
        HEADS,
        outputs=3,
        macs=(2 * 4 * 1 * (6 + 1)) * (2 + 2),
    ),
    Case(
        "GroupQueryAttention",
        (
            floats(1, 1, 64),
            floats(1, 1, 32),
            floats(1, 1, 32),
            floats(1, 2, 7, 16),
            floats(1, 2, 7, 16),
            np.asarray([7], np.int32),
            np.asarray(8, np.int32),
        ),
        {**HEADS, "kv_num_heads": 2},
        outputs=3,
        macs=(4 * 1 * (7 + 1)) * (16 + 16),
    ),
    Case(
        "GroupQueryAttention",
        (
            floats(1, 5, (4 + 2 + 2) * 16),
            None,
            None,
            floats(1, 2, 0, 16),
            floats(1, 2, 0, 16),
            np.asarray([4], np.int32),
            np.asarray(5, np.int32),
        ),
        {**HEADS, "kv_num_heads": 2},
        outputs=3,
        macs=(4 * 5 * 5) * (16 + 16),
    ),
    Case(
        "PackedAttention",
        (floats(7, 8), floats(8, 24), floats(24), whole(2, 4), np.asarray([0, 3, 7], np.int32)),
        HEADS,
        macs=7 * 8 * 24 + (4 * 7 * 4) * (2 + 2),
        gives=(7, 8),
    ),
    Case(
        "QAttention",
        (
            quantum(2, 5, 8),
            whole(8, 24, dtype=np.int8),
            floats(24),
            SCALE,
            SCALE,
            None,
            ZERO,
            np.asarray(0, np.int8),
        ),
        HEADS,
        macs=2 * 5 * 8 * 24 + (2 * 4 * 5 * 5) * (2 + 2),
        stored=frozenset({1, 2}),
    ),
    Case(
        "QGemm",
        (quantum(3, 4), *QUANTIZED, quantum(4, 5), *QUANTIZED, whole(5), *QUANTIZED),
        macs=3 * 4 * 5,
        flops=2 * (3 * 4 * 5) + 3 * 5,
        stored=frozenset({3}),
    ),
    Case(
        "QGemm",
        (quantum(3, 4), *QUANTIZED, quantum(4, 5), *QUANTIZED, whole(5)),
        macs=3 * 4 * 5,
        stored=frozenset({3}),
    ),
    Case(
        "QLinearAdd",
        (quantum(2, 3), *QUANTIZED, quantum(3), *QUANTIZED, *QUANTIZED),
        flops=2 * 3 * (2 + 2 + 1 + 4),
    ),
    Case(
        "QLinearMul",
        (quantum(2, 3), *QUANTIZED, quantum(2, 1), *QUANTIZED, *QUANTIZED),
        flops=2 * 3 * (2 + 2 + 1 + 4),
    ),
    Case("QLinearSigmoid", (quantum(2, 3), *QUANTIZED, *QUANTIZED), flops=2 * 3),
    Case("QLinearLeakyRelu", (quantum(2, 3), *QUANTIZED, *QUANTIZED), {"alpha": 0.1}, flops=6),
    Case(
        "QLinearSoftmax",
        (quantum(2, 3), SCALE, ZERO, np.asarray(1 / 256, np.float32), np.asarray(0, np.uint8)),
        {"opset": 13, "axis": -1},
    ),
    Case(
        "QLinearConcat",
        (*QUANTIZED, quantum(2, 3), *QUANTIZED, quantum(2, 4), *QUANTIZED),
        {"axis": 1},
        flops=2 * 7,
    ),
    Case(
        "QLinearAveragePool",
        (quantum(1, 2, 6, 6), *QUANTIZED, *QUANTIZED),
        {"kernel_shape": [3, 3]},
        flops=(2 * 4 * 4) * (9 + 4),
    ),
    Case(
        "QLinearGlobalAveragePool",
        (quantum(1, 6, 5, 2), *QUANTIZED, *QUANTIZED),
        {"channels_last": 1},
        flops=6 * 5 * 2 + 2 * 4,
    ),
    Case(
        "QLinearWhere",
        (
            whole(2, 3, below=2, dtype=bool),
            quantum(2, 3),
            *QUANTIZED,
            quantum(2, 3),
            *QUANTIZED,
            *QUANTIZED,
        ),
    ),
    Case(
        "QLinearConv",
        (quantum(1, 6, 5, 4), *QUANTIZED, quantum(3, 4, 3, 3), *QUANTIZED, *QUANTIZED),
        {"channels_last": 1},
        macs=(3 * 4 * 3) * (4 * 9),
        stored=frozenset({3, 4, 5}),
    ),
    Case(
        "DynamicQuantizeMatMul",
        (floats(3, 4), quantum(4, 5), SCALE, ZERO),
        macs=3 * 4 * 5,
        stored=frozenset({1, 2, 3}),
    ),
    Case(
        "MatMulIntegerToFloat",
        (quantum(3, 4), quantum(4, 5), SCALE, SCALE, ZERO, ZERO),
        macs=3 * 4 * 5,
        flops=2 * (3 * 4 * 5),
        stored=frozenset({1, 3, 5}),
    ),
    Case(
        "MatMulNBits",
        (floats(3, 64), quantum(16, 2, 16), floats(16 * 2)),
        {"K": 64, "N": 16, "bits": 4, "block_size": 32},
        macs=3 * 64 * 16,
        stored=frozenset({1, 2}),
    ),
    Case(
        "GatherBlockQuantized",
        (quantum(10, 16), whole(2, 3, dtype=np.int64), floats(10, 2)),
        {"bits": 4, "block_size": 16, "quantize_axis": 1, "gather_axis": 0},
        flops=2 * (2 * 3 * 32),
        stored=frozenset({0, 2}),
    ),
    Case(
        "EmbedLayerNormalization",
        (
            whole(2, 3),
            whole(2, 3, below=2),
            floats(9, 8),
            floats(5, 8),
            floats(2, 8),
            floats(8),
            floats(8),
            whole(2, 3, below=2),
        ),
        outputs=3,
        flops=(2 * 3 * 8) * (2 + 7),
        stored=frozenset({2, 3, 4, 5, 6}),
    ),
    Case(
        "SkipLayerNormalization",
        (floats(2, 3, 8), floats(2, 3, 8), floats(8), floats(8)),
        flops=(2 * 3 * 8) * (6 + 2),
        stored=frozenset({2, 3}),
    ),
    Case("SkipSimplifiedLayerNormalization", (floats(2, 3, 8), floats(2, 3, 8), floats(8))),
    Case(
        "RotaryEmbedding",
        (floats(1, 3, 8), whole(1, 3, dtype=np.int64), floats(5, 2), floats(5, 2)),
        {"num_heads": 2},
        flops=3 * (1 * 3 * 8),
    ),
    Case("BiasGelu", (floats(2, 8), floats(8)), flops=2 * 8 * 6),
    Case("FastGelu", (floats(2, 8), floats(8)), flops=2 * 8 * 9),
    Case("QuickGelu", (floats(2, 8),), flops=2 * 8 * 6),
    Case("Gelu", (floats(2, 8),), flops=2 * 8 * 5),
    Case("CDist", (floats(3, 4), floats(5, 4)), {"metric": "euclidean"}, macs=3 * 5 * 4),
    Case("Inverse", (np.eye(3, dtype=np.float32)[None].repeat(2, 0),), macs=2 * 3**3),
    Case(
        "MoE",
        (floats(5, 8), floats(5, 4), floats(4, 16, 8), None, floats(4, 8, 16)),
        {"k": 2, "activation_type": "relu"},
        macs=5 * 2 * (16 * 8 + 8 * 16),
        stored=frozenset({2, 4}),
    ),
    Case(
        "QMoE",
        (
            floats(5, 32),
            floats(5, 4),
            quantum(4, 64, 16),
            floats(4, 64),
            None,
            quantum(4, 32, 32),
            floats(4, 32),
            None,
        ),
        {"k": 2, "activation_type": "silu", "expert_weight_bits": 4},
        macs=5 * 2 * (64 * 32 + 32 * 64),
        stored=frozenset({2, 3, 5, 6}),
        gives=(5, 32),
    ),
    Case(
        "LinearAttention",
        (floats(1, 3, 8), floats(1, 3, 8), floats(1, 3, 8), None, floats(1, 3, 2), floats(1, 3, 2)),
        {"q_num_heads": 2, "kv_num_heads": 2, "update_rule": "gated_delta"},
        # Each step and head: the state read at k, written, and read at q.
        macs=3 * 2 * 3 * (4 * 4),
        gives=(1, 3, 8),
    ),
    Case("Trilu", (floats(3, 3),)),
    Case("BiasSplitGelu", (floats(1, 3, 8), floats(8)), gives=(1, 3, 4), flops=1 * 3 * 4 * 8),
    Case(
        "NhwcConv",
        (floats(1, 6, 5, 4), floats(3, 3, 3, 4)),
        macs=(4 * 3 * 3) * (9 * 4),
        gives=(1, 4, 3, 3),
    ),
]


def build(case: Case) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """A model of the case's node, and what to feed it."""
    named = {i: a for i, a in enumerate(case.inputs) if a is not None}
    names = [f"in{i}" if i in named else "" for i in range(len(case.inputs))]
    outputs = [f"out{i}" for i in range(case.outputs)]
    node = helper.make_node(case.op, names, outputs, domain="com.microsoft", **case.given)
    kinds = {i: helper.np_dtype_to_tensor_dtype(a.dtype) for i, a in named.items()}
    fed = {i: a for i, a in named.items() if i not in case.stored}
    starts = [helper.make_tensor_value_info(f"in{i}", kinds[i], a.shape) for i, a in fed.items()]
    ends = [onnx.ValueInfoProto(name=name) for name in outputs]
    tensors = [numpy_helper.from_array(named[i], f"in{i}") for i in sorted(case.stored)]
    graph = helper.make_graph([node], "g", starts, ends, tensors)
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=imports, ir_version=9)
    return proto, {f"in{i}": a for i, a in fed.items()}


@pytest.fixture
def not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes come of our stand-ins alone, not of running the node."""
    monkeypatch.setattr(shapes, "run_once", lambda *arguments: False)


def capture(case: Case) -> Graph:
    return talaria.capture(*build(case))


@pytest.mark.usefixtures("not_run")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.op)
def test_work_by_hand(case: Case) -> None:
    graph = capture(case)
    (op,) = graph.ops
    got = count(graph, op)
    assert got.macs == case.macs
    assert got.flops is not None
    if case.flops is not None:
        assert got.flops == case.flops
    assert OPERATORS[f"com.microsoft.{case.op}"].kind != "unknown"


@pytest.mark.usefixtures("not_run")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.op)
def test_shapes_are_the_kernels_own(case: Case) -> None:
    proto, fed = build(case)
    graph = talaria.capture(proto, fed)
    if case.gives is None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        results = session.run(None, fed)
        expected = {f"out{i}": result.shape for i, result in enumerate(results)}
        kinds = {f"out{i}": str(result.dtype) for i, result in enumerate(results)}
        found = {name: graph.tensors[name].dtype for name in graph.outputs}
        assert found == kinds
    else:
        expected = {"out0": case.gives}
    assert {name: graph.tensors[name].shape for name in graph.outputs} == expected


def test_integers_are_said() -> None:
    integer = [case for case in CASES if case.op.startswith(("Q", "DynamicQ", "MatMulInteger"))]
    for case in integer:
        expected = None if case.op in ("QuickGelu", "QMoE") else "int8"
        assert capture(case).ops[0].attrs.get("precision") == expected, case.op


def test_experts_that_nobody_asked_for_are_not_read() -> None:
    """One token through two of four experts reads two of them."""
    case = next(case for case in CASES if case.op == "MoE")
    _, router, *rest = case.inputs
    assert router is not None
    small = replace(case, inputs=(floats(1, 8), router[:1], *rest), macs=0)
    graph = capture(small)
    assert count(graph, graph.ops[0]).weight_bytes == 4 * 2 * (16 * 8 + 8 * 16)
    assert count(graph, graph.ops[0]).macs == 2 * (16 * 8 + 8 * 16)
    whole_model = capture(case)
    assert count(whole_model, whole_model.ops[0]).weight_bytes == 4 * 4 * (16 * 8 + 8 * 16)
