"""Every standard operator: onnx's own one-node models come in, are counted, and have their shapes.

The models are made anew (8 s) and captured once (12 s), in one process.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import talaria_widget as talaria
from talaria_widget.frontends.onnx.operators.operators import OPERATORS
from talaria_widget.frontends.onnx.shapes.values import evaluate
from talaria_widget.frontends.onnx.types import attributes
from talaria_widget.graph import Graph, Op, Work
from talaria_widget.work import count

MODELS = 1_884
# Text, and the bytes of a picture: what these do depends on data.
UNCOUNTED = {
    "ImageDecoder",
    "RegexFullMatch",
    "StringConcat",
    "StringNormalizer",
    "StringSplit",
}
# These stand for maps, lists of unknown length, and a backward pass.
OF_NO_TENSORS = {"CastMap", "DictVectorizer", "Gradient"}


@dataclass(frozen=True)
class Case:
    """A one-node model (or its expansion into standard ones) with what it takes and gives."""

    name: str
    model: onnx.ModelProto
    inputs: dict[str, np.ndarray[Any, Any]]
    expected: tuple[Any, ...]

    @property
    def target(self) -> str | None:
        """The operator under test; `None` for an expansion."""
        nodes = self.model.graph.node
        if len(nodes) != 1:
            return None
        return ".".join(filter(None, (nodes[0].domain, nodes[0].op_type)))


@cache
def cases() -> tuple[Case, ...]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    return tuple(
        Case(case.name, case.model, _arrays(case.model, given), tuple(expected))
        for case in found
        for given, expected in (case.data_sets or ())[:1]
    )


def _arrays(model: onnx.ModelProto, given: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Those inputs that are plain arrays of numbers; lists, text and odd formats are left out."""
    values = {v.name: a for v, a in zip(model.graph.input, given, strict=False)}
    numbers = {n: a for n, a in values.items() if isinstance(a, np.ndarray | np.generic)}
    return {n: np.asarray(a) for n, a in numbers.items() if a.dtype.kind in "fiub"}


def undeclared(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the shapes that it declares for its outputs: they are ours to find."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in copy.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    return copy


def unknown(graph: Graph) -> list[Op]:
    return [op for op in graph.ops if count(graph, op).flops is None]


@cache
def captured() -> dict[str, tuple[Graph, Graph]]:
    """Per case, its graph without the outputs' declared shapes; and with them, if that counts
    what the first could not."""
    graphs = {}
    for case in cases():
        bare = talaria.capture(undeclared(case.model), case.inputs)
        told = talaria.capture(case.model, case.inputs) if unknown(bare) else bare
        graphs[case.name] = bare, told
    return graphs


def test_every_model_comes_in() -> None:
    assert len(cases()) == len(captured()) == MODELS


def of_tensors(target: str) -> bool:
    """Whether all that an operator takes and gives is tensors."""
    domain, _, name = target.rpartition(".")
    schema = onnx.defs.get_schema(name, domain=domain)
    allowed = [kind for formal in (*schema.inputs, *schema.outputs) for kind in formal.types]
    return all(kind.startswith("tensor(") for kind in allowed)


def test_almost_all_operators_of_tensors_are_wholly_counted() -> None:
    models: defaultdict[str, list[str]] = defaultdict(list)
    for case in cases():
        if case.target is not None and of_tensors(case.target):
            models[case.target].append(case.name)
    graphs = captured()
    short = {t for t, names in models.items() if any(unknown(graphs[n][1]) for n in names)}
    assert len(models) > 180
    assert short <= UNCOUNTED
    assert 1 - len(short) / len(models) >= 0.95


def test_almost_all_operations_are_counted() -> None:
    ops: Counter[bool] = Counter()
    for _, graph in captured().values():
        left = len(unknown(graph))
        ops.update({True: len(graph.ops) - left, False: left})
    assert ops.total() > 6_500
    assert ops[True] / ops.total() >= 0.99


def test_shapes_are_those_of_the_data() -> None:
    """All that we claim, found from the inputs alone, equal what the reference computes."""
    claimed = outputs = 0
    wrong = []
    for case in cases():
        graph, _ = captured()[case.name]
        if case.target in UNCOUNTED:
            continue
        for name, expected in zip(graph.outputs, case.expected, strict=False):
            if not isinstance(expected, np.ndarray):
                continue
            outputs += 1
            shape = graph.tensors[name].shape
            if shape is not None:
                claimed += 1
                wrong += [(case.name, name, shape)] * (shape != expected.shape)
    assert not wrong
    assert claimed / outputs >= 0.98


def test_values_known_before_a_run_are_those_of_the_data() -> None:
    checked = 0
    for case in cases():
        node = case.model.graph.node[0]
        names = [name for name in node.input if name]
        if case.target != node.op_type or not all(name in case.inputs for name in names):
            continue
        values = [case.inputs[name] if name else None for name in node.input]
        found = evaluate(node.op_type, values, attributes(node))
        expected = case.expected[0]
        if found is None or not isinstance(expected, np.ndarray | np.generic):
            continue
        checked += 1
        expected = np.asarray(expected)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype), case.name
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6, err_msg=case.name)
    assert checked > 250


def schemas() -> Iterator[str]:
    for schema in onnx.defs.get_all_schemas():
        yield ".".join(filter(None, (schema.domain, schema.name)))


def test_every_standard_operator_has_a_row() -> None:
    names = set(schemas())
    assert not names - set(OPERATORS)
    listed = {name for name in names if OPERATORS[name].kind == "unknown"}
    assert {name.rpartition(".")[2] for name in listed} == UNCOUNTED | OF_NO_TENSORS


def work(name: str, target: str) -> Work:
    """The work of the operator under test in one of onnx's models."""
    _, graph = captured()[name]
    (op,) = [op for op in graph.ops if op.target == target]
    return count(graph, op)


@pytest.mark.parametrize(
    ("name", "target", "macs"),
    [
        ("test_basic_conv_with_padding", "Conv", (5 * 5) * (3 * 3)),
        ("test_conv_with_strides_no_padding", "Conv", (3 * 2) * (3 * 3)),
        ("test_convtranspose", "ConvTranspose", (1 * 3 * 3) * (2 * 3 * 3)),
        ("test_convinteger_without_padding", "ConvInteger", (2 * 2) * (2 * 2)),
        ("test_qlinearconv", "QLinearConv", (7 * 7) * (1 * 1)),
        ("test_basic_deform_conv_without_padding", "DeformConv", (2 * 2) * (2 * 2)),
        ("test_matmul_4d", "MatMul", (1 * 2) * (3 * 3) * 4),
        ("test_matmul_2d", "MatMul", 3 * 3 * 4),
        ("test_matmulinteger", "MatMulInteger", 4 * 2 * 3),
        ("test_qlinearmatmul_2D_uint8_float32", "QLinearMatMul", 2 * 3 * 4),
        ("test_gemm_transposeA", "Gemm", 3 * 4 * 6),
        ("test_gemm_transposeB", "Gemm", 3 * 4 * 6),
        ("test_einsum_batch_matmul", "Einsum", 5 * 2 * 3 * 4),
        ("test_attention_4d", "Attention", (2 * 3) * (4 * 6) * (8 + 8)),
        ("test_attention_4d_gqa", "Attention", (2 * 9) * (4 * 6) * (8 + 8)),
        ("test_attention_4d_with_past_and_present", "Attention", 2 * 3 * 4 * (12 + 6) * (8 + 8)),
        ("test_flexattention", "ai.onnx.preview.FlexAttention", None),
        ("test_lstm_defaults", "LSTM", 1 * 3 * (4 * 3) * (2 + 3)),
        ("test_gru_defaults", "GRU", 1 * 3 * (3 * 5) * (2 + 5)),
        ("test_simple_rnn_defaults", "RNN", 1 * 3 * 4 * (2 + 4)),
        # Elimination of a 2 x 2 matrix is one product.
        ("test_det_2d", "Det", 1),
        ("test_det_nd", "Det", 3 * 1),
        ("test_affine_grid_2d", "AffineGrid", (2 * 5 * 6 * 2) * 2),
    ],
)
def test_products_by_hand(name: str, target: str, macs: int | None) -> None:
    got = work(name, target).macs
    if macs is None:
        graph = captured()[name][1]
        q, k, v = (graph.tensors[t].shape or () for t in graph.inputs)
        macs = q[0] * q[1] * q[2] * k[2] * (q[3] + v[3])
    assert got == macs


@pytest.mark.parametrize(
    ("name", "target", "flops"),
    [
        # A DFT of ten real points, and its 5 n log2 n halved, in ten rows.
        ("test_dft", "DFT", 10 * round(5 * 10 * np.log2(10) / 2)),
        # 15 frames of 16 real points; a window is a product each.
        ("test_stft", "STFT", 15 * round(5 * 16 * np.log2(16) / 2)),
        ("test_stft_with_window", "STFT", 15 * (round(5 * 16 * np.log2(16) / 2) + 16)),
        # Six boxes are sorted, and three of them kept at most: 5 + 4 + 3 overlaps; areas of six.
        ("test_nonmaxsuppression_suppress_by_IOU", "NonMaxSuppression", 6 * 3 + 15 * 12 + 3 * 6),
        ("test_lppool_1d_default", "LpPool", (1 * 3 * 31) * (2 * 2)),
        ("test_bernoulli", "Bernoulli", 10 * 2),
        # Log-softmax of 3 x 5 scores; for three targets: negate, add up; one division.
        ("test_sce_mean", "SoftmaxCrossEntropyLoss", 5 * 15 + 3 * 2 + 1),
        ("test_sce_none", "SoftmaxCrossEntropyLoss", 5 * 15 + 3),
        ("test_nllloss_NC", "NegativeLogLikelihoodLoss", 3),
        # Six numbers are sorted, and compared with their neighbours.
        ("test_unique_sorted_without_axis", "Unique", 6 * (3 + 1)),
        ("test_ai_onnx_ml_binarizer", "ai.onnx.ml.Binarizer", 3 * 4 * 5),
        # Scales and zero points are no biases.
        ("test_qlinearmatmul_2D_uint8_float32", "QLinearMatMul", 2 * (2 * 3 * 4)),
        ("test_matmulinteger", "MatMulInteger", 2 * (4 * 2 * 3)),
        ("test_qlinearconv", "QLinearConv", 2 * (7 * 7)),
        ("test_convinteger_with_padding", "ConvInteger", 2 * (2 * 4 * 4) * (2 * 2)),
        ("test_rotary_embedding", "RotaryEmbedding", 3 * (2 * 4 * 3 * 8)),
        # Half of each head turns.
        ("test_rotary_embedding_with_rotary_dim", "RotaryEmbedding", 3 * (2 * 4 * 3 * 8) // 2),
    ],
)
def test_other_work_by_hand(name: str, target: str, flops: int) -> None:
    assert work(name, target).flops == flops


def test_an_operator_counts_as_what_it_stands_for() -> None:
    """Where onnx has a function body for an operator, both have the same products."""
    graphs = captured()
    pairs = {case.name: f"{case.name}_expanded" for case in cases() if case.target is not None}
    checked = 0
    for case in cases():
        # The body of AffineGrid multiplies by the zeros and ones of a homogeneous matrix, too.
        if pairs.get(case.name) not in graphs or case.target == "AffineGrid":
            continue
        whole, body = (graphs[name][1] for name in (case.name, pairs[case.name]))
        if not unknown(body):
            checked += 1
            assert macs(whole) == macs(body), case.name
    assert checked > 400


def macs(graph: Graph) -> int:
    return sum(count(graph, op).macs or 0 for op in graph.ops)


def test_an_estimate_is_said() -> None:
    """Whatever a count takes for granted stands among the graph's notes."""
    said = 0
    for case in cases():
        if case.target is not None and (caveat := OPERATORS[case.target].caveat):
            _, graph = captured()[case.name]
            assert any(caveat in note for note in graph.notes), case.name
            said += 1
    assert said > 10


def test_a_forest_by_hand() -> None:
    """Two trees: a root over a leaf and an inner node of two leaves; and a lone comparison."""
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[0, 0, 0, 0, 0, 1, 1, 1],
        nodes_nodeids=[0, 1, 2, 3, 4, 0, 1, 2],
        nodes_featureids=[0, 0, 1, 0, 0, 2, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LEQ"]
        + ["LEAF"] * 2,
        nodes_values=[0.5, 0.0, 0.25, 0.0, 0.0, 0.1, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 3, 0, 0, 1, 0, 0],
        nodes_falsenodeids=[2, 0, 4, 0, 0, 2, 0, 0],
        target_treeids=[0, 0, 0, 1, 1],
        target_nodeids=[1, 3, 4, 1, 2],
        target_ids=[0] * 5,
        target_weights=[1.0, 2.0, 3.0, 4.0, 5.0],
    )
    graph = talaria.capture(_model(node, (7, 3), (7, 1), "ai.onnx.ml", 3))
    (op,) = graph.ops
    assert (op.attrs["trees"], op.attrs["levels"]) == (2, 2 + 1)
    assert any("longest way from root to leaf" in note for note in graph.notes)
    assert count(graph, op).flops == 7 * ((2 + 1) + 2)


def test_support_vectors_by_hand() -> None:
    node = helper.make_node(
        "SVMRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        kernel_type="RBF",
        kernel_params=[0.5, 0.0, 0.0],
        n_supports=4,
        coefficients=[1.0] * 4,
        support_vectors=[0.0] * (4 * 3),
        rho=[0.0],
    )
    graph = talaria.capture(_model(node, (7, 3), (7, 1), "ai.onnx.ml", 1))
    got = count(graph, graph.ops[0])
    assert got.macs == 7 * 4 * (3 + 1)
    # Beside the products: a subtraction per feature, and exp of a scaled distance.
    assert got.flops == 2 * (got.macs or 0) + 7 * 4 * (3 + 2)


def _model(
    node: onnx.NodeProto, taken: tuple[int, ...], given: tuple[int, ...], domain: str, version: int
) -> onnx.ModelProto:
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", taken), ("y", given))
    ]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    imports = [helper.make_opsetid("", 18), helper.make_opsetid(domain, version)]
    return helper.make_model(graph, opset_imports=imports)
