"""Layers that quantize what they take on every run: kernels, bytes and outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from rewrite_nets import (
    TiedModel,
    apart,
    apart_from,
    constants_model,
    kernels,
    linear_model,
    small_resnet,
)
from talaria_widget.recipe import Activations, Quantize
from talaria_widget.rewrite.draft import tensor_bytes
from talaria_widget.rewrite.export import export
from talaria_widget.rewrite.folding import fold
from talaria_widget.rewrite.inputs import feed
from talaria_widget.rewrite.onnx import rewrite
from talaria_widget.storage import weight_bytes

DYNAMIC = Quantize(8, activations=Activations(8, dynamic=True))
NEAR = 0.05


def normal(*shape: int) -> Any:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
@pytest.mark.parametrize("granularity", ["channel", "tensor"])
def test_a_linear_layer_is_one_kernel(
    shape: tuple[int, ...], granularity: Any, tmp_path: Path
) -> None:
    model = linear_model(64, shape)
    option = Quantize(8, granularity=granularity, activations=Activations(8, dynamic=True))
    written = rewrite(model, {"weight": option})
    onnx.checker.check_model(written.model)
    steps = 24 if granularity == "channel" else 1
    assert written.stored_bytes == {"weight": 24 * 64 + 5 * steps}
    assert written.tensor_bytes == 24 * 64 + 5 * steps + 4 * 24
    assert kernels(written.model, tmp_path) == {"DynamicQuantizeMatMul": 1}
    assert apart(model, written.model, {"x": normal(*shape, 64)}) < NEAR


def test_a_gemm_with_factors_and_turned_inputs(tmp_path: Path) -> None:
    tensors = [numpy_helper.from_array(normal(*s), n) for n, s in (("w", (24, 8)), ("b", (8,)))]
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transA=1, alpha=0.5, beta=3.0)
    info = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [info("x", 1, [24, 5])], [info("y", 1, [5, 8])], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    written = rewrite(model, {"w": DYNAMIC})
    assert kernels(written.model, tmp_path)["DynamicQuantizeMatMul"] == 1
    assert apart(model, written.model, {"x": normal(24, 5)}) < NEAR


def test_a_file_too_old_for_it_is_named() -> None:
    model = linear_model(8, (3,))
    model.opset_import[0].version = 10
    with pytest.raises(ValueError, match="opset 10, .* from opset 11 on"):
        rewrite(model, {"weight": DYNAMIC})


def test_layers_that_read_one_value_share_its_integers(tmp_path: Path) -> None:
    nodes, tensors = [], []
    for i in range(3):
        tensors.append(numpy_helper.from_array(normal(32, 16), f"w{i}"))
        nodes.append(helper.make_node("MatMul", ["x", f"w{i}"], [f"y{i}"]))
    info = helper.make_tensor_value_info
    ends = [info("x", 1, [2, 4, 32])], [info(f"y{i}", 1, [2, 4, 16]) for i in range(3)]
    graph = helper.make_graph(nodes, "g", *ends, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    written = rewrite(model, dict.fromkeys(("w0", "w1", "w2"), DYNAMIC))
    assert kernels(written.model, tmp_path) == {
        "DynamicQuantizeLinear": 1,
        "MatMulIntegerToFloat": 3,
    }
    assert apart(model, written.model, {"x": normal(2, 4, 32)}) < NEAR


def test_convolutions(tmp_path: Path) -> None:
    net, x = small_resnet(), torch.from_numpy(normal(2, 3, 32, 32))
    proto = export(net, (x,))
    names = [n.input[1] for n in proto.graph.node if n.op_type in ("Conv", "Gemm")]
    written = rewrite(proto, dict.fromkeys(names, DYNAMIC))
    onnx.checker.check_model(written.model)
    ran = kernels(written.model, tmp_path)
    assert (ran["ConvInteger"], ran["DynamicQuantizeMatMul"]) == (5, 1)
    assert not {"Conv", "FusedConv", "Gemm"} & set(ran)
    assert written.stored_bytes["stem.weight"] == 32 * 3 * 3 * 3 + 4 * 32 + 1
    for name in names:
        shape = net.get_parameter(name).shape
        kind = "linear" if name == "fc.weight" else "conv"
        expected = weight_bytes("onnxruntime", tuple(shape), "float32", 0, kind, DYNAMIC)
        assert written.stored_bytes[name] == expected
    assert apart_from(net, (x,), {}, written.model) < NEAR


def test_weights_in_constant_nodes_of_an_old_file(tmp_path: Path) -> None:
    model = fold(constants_model())
    written = rewrite(model, {"kernel": DYNAMIC, "matrix": DYNAMIC})
    ran = kernels(written.model, tmp_path)
    assert (ran["ConvInteger"], ran["DynamicQuantizeMatMul"]) == (1, 1)
    assert apart(model, written.model, {"x": normal(1, 3, 8, 8)}) < NEAR


@pytest.mark.parametrize(("layers", "both"), [(1, False), (2, True)])
def test_an_lstm(layers: int, both: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.LSTM(12, 20, layers, bidirectional=both).eval()
    x = torch.from_numpy(normal(7, 1, 12))
    proto = export(net, (x,))
    names = [name for name, _ in net.named_parameters() if name.startswith("weight")]
    written = rewrite(proto, dict.fromkeys(names, DYNAMIC))
    assert kernels(written.model, tmp_path)["DynamicQuantizeLSTM"] == layers
    expected = sum(
        weight_bytes("onnxruntime", tuple(p.shape), "float32", 0, "recurrent", DYNAMIC)
        for name, p in net.named_parameters()
        if name in names
    )
    assert sum(written.stored_bytes.values()) == expected
    assert sum(p.numel() + 5 * 80 for n, p in net.named_parameters() if n in names) == expected
    before = sum(4 * p.numel() for n, p in net.named_parameters() if n in names)
    saved = tensor_bytes(proto) - written.tensor_bytes
    assert 0 <= saved - (before - expected) < 400  # the bounds of slices that joined the gates
    assert apart_from(net, (x,), {}, written.model) < NEAR


def test_an_lstm_is_quantized_as_a_whole() -> None:
    proto = export(nn.LSTM(4, 3).eval(), (torch.randn(2, 1, 4),))
    with pytest.raises(ValueError, match="also uses 'weight_hh_l0'; give it the same option"):
        rewrite(proto, {"weight_ih_l0": DYNAMIC})


def test_there_is_no_integer_gru() -> None:
    proto = export(nn.GRU(4, 3).eval(), (torch.randn(2, 1, 4),))
    with pytest.raises(ValueError, match="cannot compute GRU .*for LSTM only"):
        rewrite(proto, dict.fromkeys(("weight_ih_l0", "weight_hh_l0"), DYNAMIC))


def test_tables_are_looked_up_in_integers(tmp_path: Path) -> None:
    net, ids = nn.Embedding(50, 32).eval(), torch.randint(0, 50, (2, 7))
    written = rewrite(export(net, (ids,)), {"weight": DYNAMIC})
    assert written.stored_bytes == {"weight": 50 * 32 + 5}
    assert kernels(written.model, tmp_path) == {"Gather": 1, "DequantizeLinear": 1}
    assert apart_from(net, (ids,), {}, written.model) < NEAR


def test_a_tied_table_is_stored_once(tmp_path: Path) -> None:
    net = TiedModel().eval()
    args = (torch.randint(0, 50, (2, 7)),)
    kwargs = {"shift": torch.randn(1), "gain": torch.randn(32)}
    proto = export(net, args, kwargs)
    written = rewrite(proto, {"table.weight": DYNAMIC})
    assert written.stored_bytes == {"table.weight": 50 * 32 + 5 * 50}
    ran = kernels(written.model, tmp_path)
    assert ran["DynamicQuantizeMatMul"] == 1
    assert "MatMul" not in ran
    assert apart_from(net, args, kwargs, written.model) < NEAR
    assert set(feed(net, args, kwargs, written.model)) == set(feed(net, args, kwargs, proto))
    with pytest.raises(ValueError, match="used by ConvTranspose"):
        rewrite(proto, {"up.weight": DYNAMIC})
