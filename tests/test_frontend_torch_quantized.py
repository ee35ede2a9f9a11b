"""Layers quantized by torch's eager mode: counted as what they are, stored as they are kept."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import nn

from talaria_widget.frontends.torch import capture
from talaria_widget.graph import Graph
from talaria_widget.work import count
from test_frontend_torch import Written, op

pytestmark = pytest.mark.filterwarnings("ignore")
MATRIX = torch.qint8


def quantized(model: nn.Module, kinds: set[Any], dtype: torch.dtype = MATRIX) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model.eval(), kinds, dtype)


def macs(graph: Graph) -> int:
    return sum(count(graph, op).macs or 0 for op in graph.ops)


def stored(graph: Graph) -> int:
    """Bytes of weights and biases, scales aside."""
    names = {name for op in graph.ops for name in op.weights}
    held = [graph.tensors[name] for name in names]
    return sum(tensor.nbytes or 0 for tensor in held if tensor.role != "buffer")


def test_dynamic_linear_layers() -> None:
    net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    graph = capture(quantized(net, {nn.Linear}), torch.randn(2, 16))
    assert [(op.name, op.kind) for op in graph.ops] == [
        ("0", "linear"),
        ("1/relu", "activation"),
        ("2", "linear"),
    ]
    assert op(graph, "0").attrs == {"precision": "int8"}
    weight = graph.tensors["0.weight"]
    assert (weight.dtype, weight.role, weight.channel_axis) == ("int8", "weight", 0)
    assert macs(graph) == 2 * 16 * 32 + 2 * 32 * 4
    assert graph.parameters == 16 * 32 + 32 + 32 * 4 + 4
    assert stored(graph) == 16 * 32 + 4 * 32 + 32 * 4 + 4 * 4
    assert graph.outputs == ("2:0",)


def test_half_precision_layers_are_no_integers() -> None:
    half = quantized(nn.Sequential(nn.Linear(8, 4)), {nn.Linear}, torch.float16)
    graph = capture(half, torch.randn(1, 8))
    assert graph.ops[0].kind == "linear"
    assert "precision" not in graph.ops[0].attrs
    assert macs(graph) == 8 * 4


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
def test_dynamic_recurrent_layers(kind: Any, gates: int) -> None:
    layer = kind(16, 8, 2, bidirectional=True)
    model = quantized(Written(lambda self, x: self.l(x)[0], l=layer), {kind})
    graph = capture(model, torch.randn(5, 3, 16))
    found = op(graph, "l")
    assert found.kind == "recurrent"
    matrices = 2 * gates * 8 * ((16 + 8) + (2 * 8 + 8))
    assert macs(graph) == 5 * 3 * matrices
    assert graph.parameters == matrices + 2 * 2 * 2 * gates * 8
    assert stored(graph) == matrices + 4 * 2 * 2 * 2 * gates * 8
    assert found.attrs["directions"] == 2
    assert graph.tensors[graph.outputs[0]].shape == (5, 3, 2 * 8)


def test_a_dynamic_cell() -> None:
    model = quantized(nn.Sequential(nn.GRUCell(4, 5)), {nn.GRUCell})
    graph = capture(model, torch.randn(2, 4))
    assert [op.kind for op in graph.ops if op.weights] == ["recurrent"]
    assert macs(graph) == 2 * 3 * 5 * (4 + 5)


def static(model: nn.Module, x: torch.Tensor, fuse: list[Any]) -> nn.Module:
    tools = torch.ao.quantization
    model.eval()
    model.qconfig = tools.get_default_qconfig("x86")
    if fuse:
        tools.fuse_modules(model, fuse, inplace=True)
    tools.prepare(model, inplace=True)
    model(x)
    return tools.convert(model, inplace=True)


def test_static_convolutions_and_linear_layers() -> None:
    tools, x = torch.ao.quantization, torch.randn(2, 4, 8, 8)
    net = nn.Sequential(
        tools.QuantStub(),
        nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2),
        nn.ReLU(),
        nn.Conv2d(8, 8, 1),
        nn.Flatten(),
        nn.Linear(8 * 16, 5),
        tools.DeQuantStub(),
    )
    graph = capture(static(net, x, [["1", "2"]]), x)
    conv = op(graph, "1")
    assert (conv.kind, conv.attrs["precision"], conv.attrs["activation"]) == (
        "conv",
        "int8",
        "relu",
    )
    assert (conv.attrs["groups"], conv.attrs["stride"], conv.attrs["padding"]) == (
        2,
        (2, 2),
        (1, 1),
    )
    assert graph.tensors["1.weight_scale"].shape == (8,)
    assert graph.tensors[conv.outputs[0]].dtype == "uint8"
    convolutions = 2 * 16 * 8 * (2 * 9) + 2 * 16 * 8 * 8
    assert macs(graph) == convolutions + 2 * 8 * 16 * 5
    assert stored(graph) == 8 * 2 * 9 + 8 * 8 + 8 * 16 * 5 + 4 * (8 + 8 + 5)
    assert (graph.ops[0].word, graph.ops[-1].word) == ("quantize_per_tensor", "dequantize")


def test_a_static_residual_and_a_transposed_convolution() -> None:
    quantized_layers, x = torch.ao.nn.quantized, torch.randn(1, 4, 6, 6)

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = quantized_layers.ConvTranspose2d(4, 6, 2, stride=2)
            self.plus = quantized_layers.QFunctional()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.up(torch.quantize_per_tensor(x, 0.1, 64, torch.quint8))
            return self.plus.add_relu(y, y).dequantize()

    graph = capture(Residual().eval(), x)
    assert op(graph, "up").kind == "conv_transpose"
    assert graph.tensors["up.weight"].channel_axis == 1
    assert macs(graph) == (4 * 6 * 6) * 6 * 2 * 2


def test_a_script_of_a_quantized_model() -> None:
    net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    script = torch.jit.script(quantized(net, {nn.Linear}))
    graph = capture(script, torch.randn(2, 16))
    assert [op.kind for op in graph.ops] == ["linear", "activation", "linear"]
    assert macs(graph) == 2 * 16 * 32 + 2 * 32 * 4
    assert graph.parameters == 16 * 32 + 32 + 32 * 4 + 4


def test_a_table_of_integers() -> None:
    graph = capture(torch.ao.nn.quantized.Embedding(10, 12), torch.tensor([1, 2, 3]))
    assert graph.ops[0].kind == "embedding"
    assert graph.tensors["weight"].shape == (10, 12)
    assert graph.tensors["weight"].dtype == "uint8"


def test_the_zoo_s_model_is_left_as_it_was() -> None:
    model = quantized(nn.Sequential(nn.Linear(16, 32), nn.ReLU()), {nn.Linear})
    x = torch.randn(2, 16)
    before, held = model(x), model[0]._packed_params._packed_params
    capture(model, x)
    assert model[0]._packed_params._packed_params is held
    assert torch.equal(model(x), before)
