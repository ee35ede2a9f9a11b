"""The torch front end on tiny networks: kinds, names, roles, attributes, noise, places."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import nets
from talaria_widget.frontends.torch import capture, record
from talaria_widget.graph import Graph, Op


class Written(nn.Module):
    """A forward written as a function of the module and its inputs."""

    def __init__(self, forward: Callable[..., Any], **members: Any) -> None:
        super().__init__()
        self.written = forward
        for name, member in members.items():
            if isinstance(member, torch.Tensor) and not isinstance(member, nn.Parameter):
                self.register_buffer(name, member)
            else:
                setattr(self, name, member)

    def forward(self, x: torch.Tensor) -> Any:
        return self.written(self, x)


def read(forward: Callable[..., Any], *shape: int, **members: Any) -> Graph:
    return capture(Written(forward, **members).eval(), torch.randn(*(shape or (3, 4))))


def op(graph: Graph, name: str) -> Op:
    return next(op for op in graph.ops if op.name == name)


def kinds(graph: Graph) -> list[tuple[str, str]]:
    return [(op.name, op.kind) for op in graph.ops]


def test_small_net_reads_as_written() -> None:
    graph = capture(nets.small_net(), torch.randn(1, 3, 32, 32))
    assert kinds(graph)[:6] == [
        ("stem", "conv"),
        ("relu", "activation"),
        ("blocks.0.conv", "conv"),
        ("blocks.0.norm", "norm"),
        ("blocks.0/add", "elementwise"),
        ("blocks.0/relu", "activation"),
    ]
    assert graph.inputs == ("x",)
    assert graph.outputs == ("fc:0",)
    assert graph.modules["blocks.0"] == "Residual"
    assert graph.parameters == sum(p.numel() for p in nets.small_net().parameters())
    stem = op(graph, "stem")
    assert stem.attrs == {
        "kernel": (3, 3),
        "stride": (2, 2),
        "padding": (1, 1),
        "dilation": (1, 1),
        "groups": 1,
    }
    assert (stem.inputs, stem.weights) == (("x",), ("stem.weight", "stem.bias"))
    assert graph.tensors["stem.weight"].role == "weight"
    assert graph.tensors["stem.weight"].channel_axis == 0
    assert graph.tensors["stem.bias"].role == "parameter"
    assert graph.tensors["blocks.0.norm.running_mean"].role == "buffer"
    assert op(graph, "blocks.0.norm").attrs == {"statistics": False}
    assert op(graph, "blocks.0/add").inputs == ("relu:0", "blocks.0.norm:0")


def test_source_is_the_author_s_line_and_never_absolute() -> None:
    graph = capture(nets.small_net())
    source = op(graph, "blocks.0/add").source
    assert source is not None
    assert source.file.endswith("nets.py")
    assert not source.file.startswith("/")
    assert "relu(x + self.norm" in linecache.getline(nets.__file__, source.line)
    assert all(op.source is None for op in capture(nn.Sequential(nn.Linear(2, 2))).ops)


def test_every_call_is_an_op_or_noise() -> None:
    recording = record(nets.Attention().eval(), torch.randn(1, 5, 32))
    calls = len(recording.trace.calls) + sum(recording.trace.queries.values())
    assert calls == len(recording.graph.ops) + sum(recording.graph.noise.values())


def test_tied_weights_are_one_tensor_and_ops_are_named_after_their_callers() -> None:
    graph = capture(nets.Tied().eval(), torch.randint(0, 100, (1, 7)))
    assert kinds(graph) == [
        ("embed", "embedding"),
        ("mid", "linear"),
        ("tanh", "activation"),
        ("head", "linear"),
    ]
    assert op(graph, "embed").weights == op(graph, "head").weights == ("embed.weight",)
    assert graph.parameters == 100 * 32 + 32 * 32 + 32


def test_a_module_called_twice_gets_numbers() -> None:
    graph = read(lambda self, x: self.a(self.b(self.a(x))), a=nn.Linear(4, 4), b=nn.ReLU())
    assert [op.name for op in graph.ops] == ["a", "b/relu", "a#2"]
    assert len({op.name for op in graph.ops}) == len(graph.ops)


def test_products_with_parameters_are_linear() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return x @ self.w + torch.addmm(self.b, x, self.w) + x @ self.w.t()

    graph = read(forward, w=nn.Parameter(torch.randn(4, 4)), b=nn.Parameter(torch.randn(4)))
    linear = [op for op in graph.ops if op.kind == "linear"]
    assert [op.weights for op in linear] == [("w",), ("w", "b"), ("w",)]
    assert graph.tensors["w"].role == "weight"
    product = read(lambda self, x: x @ x.T)
    assert product.ops[-1].kind == "matmul"
    assert "operands" not in product.ops[-1].attrs


def test_einsum_keeps_its_equation_and_the_order_of_operands() -> None:
    weight = nn.Parameter(torch.randn(4, 5))
    graph = read(lambda self, x: torch.einsum("ij, jk -> ik", x, self.w), w=weight)
    assert graph.ops[0].kind == "matmul"
    assert graph.ops[0].attrs == {"equation": "ij,jk->ik", "operands": ("x", "w")}


def test_attention_both_ways() -> None:
    mha = nn.MultiheadAttention(8, 2, batch_first=True)
    graph = read(lambda self, x: self.mha(x, x, x, need_weights=False)[0], 1, 5, 8, mha=mha)
    projected = op(graph, "mha")
    assert projected.kind == "attention"
    assert projected.attrs == {"causal": False, "heads": 2, "query_first": True}
    assert projected.weights[:2] == ("mha.in_proj_weight", "mha.out_proj.weight")
    assert graph.tensors["mha.out_proj.weight"].role == "weight"

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return functional.scaled_dot_product_attention(x, x, x, is_causal=True)

    plain = read(forward, 1, 2, 5, 8).ops[0]
    assert (plain.kind, plain.attrs, len(plain.inputs)) == ("attention", {"causal": True}, 3)


def test_recurrent_is_one_op() -> None:
    lstm = nn.LSTM(16, 32, 2, batch_first=True, bidirectional=True)
    graph = capture(lstm, torch.randn(3, 7, 16))
    (only,) = graph.ops
    assert (
        dict(only.attrs)
        | {
            "mode": "lstm",
            "steps": 7,
            "batch": 3,
            "hidden": 32,
            "layers": 2,
            "directions": 2,
        }
        == only.attrs
    )
    assert only.outputs == ("lstm:0", "lstm:1", "lstm:2")
    assert graph.tensors["lstm:0"].shape == (3, 7, 64)
    assert graph.tensors["weight_ih_l0"].role == "weight"
    assert graph.tensors["bias_ih_l0"].role == "parameter"
    eager, _ = lstm(torch.randn(3, 7, 16))
    assert tuple(eager.shape) == graph.tensors["lstm:0"].shape


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_long_recurrence_costs_no_time(kind: Any) -> None:
    graph = capture(kind(4, 8), torch.randn(5000, 1, 4))
    assert graph.ops[0].attrs["steps"] == 5000
    assert graph.ops[0].attrs["hidden"] == 8


def test_transposed_and_grouped_convolution() -> None:
    graph = capture(nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1, groups=2).eval())
    only = graph.ops[0]
    assert only.kind == "conv_transpose"
    assert graph.tensors["weight"].channel_axis == 1
    assert only.attrs["groups"] == 2
    same = capture(nn.Conv2d(3, 6, 3, groups=3, dilation=2, padding="same").eval())
    assert same.ops[0].attrs["padding"] == (2, 2)


def test_free_movement_is_told_from_copies() -> None:
    def forward(self: Any, x: torch.Tensor) -> Any:
        turned = x.transpose(0, 1)
        return turned.reshape(-1), x.view(-1), torch.cat([x, x]), turned.contiguous(), x[1:]

    found = {op.word: op.attrs["free"] for op in read(forward).ops}
    assert found == {
        "transpose": True,
        "reshape": False,
        "view": True,
        "cat": False,
        "contiguous": False,
        "getitem": True,
    }


def test_noise_is_named_and_edges_skip_it() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Identity(), nn.Linear(4, 4)).eval()
    graph = capture(net)
    assert [op.name for op in graph.ops] == ["0", "3"]
    assert graph.ops[1].inputs == graph.ops[0].outputs
    assert graph.noise == {"dropout": 1}


def test_constants_are_folded_into_noise() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        mask = torch.arange(4).unsqueeze(0) < 2
        return x.masked_fill(mask, 0.0)

    graph = read(forward)
    assert kinds(graph) == [("masked_fill", "elementwise")]
    assert graph.tensors[graph.ops[0].inputs[1]].role == "constant"
    assert graph.noise == {"arange": 1, "unsqueeze": 1, "lt": 1}


def test_in_place_writes_move_the_edges() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        y[:, 0] = 0
        y.add_(1)
        return y * x

    graph = read(forward)
    assert [op.word for op in graph.ops] == ["clone", "setitem", "add", "mul"]
    assert graph.ops[2].inputs == graph.ops[1].outputs
    assert graph.ops[3].inputs == (graph.ops[2].outputs[0], "x")


def test_a_view_read_after_its_base_was_written_depends_on_the_writer() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        row = y[0]
        y.mul_(2)
        return row + 1

    graph = read(forward)
    writer = next(op for op in graph.ops if op.word == "mul")
    assert graph.ops[-1].inputs[0] in writer.outputs
    assert graph.tensors[graph.ops[-1].inputs[0]].shape == (4,)


def test_a_constant_written_with_live_data_is_no_constant() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        m = torch.zeros(3, 5)
        row = m[0]
        m[:, 1] = x[:, 0]
        return m + row

    graph = read(forward)
    assert [op.word for op in graph.ops] == ["getitem", "setitem", "add"]
    assert set(graph.ops[-1].inputs) <= set(graph.ops[1].outputs)


def test_casts_are_seen_where_they_are() -> None:
    graph = read(lambda self, x: x.half().float().float())
    assert [op.kind for op in graph.ops] == ["cast", "cast"]
    assert graph.noise == {"float": 1}


def test_autocast_changes_dtypes() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.fc(x)

    graph = read(forward, fc=nn.Linear(4, 4))
    assert graph.tensors["fc:0"].dtype == "bfloat16"


def test_unused_parameters_are_listed() -> None:
    graph = read(lambda self, x: self.a(x), a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    assert graph.unused == ("b.weight", "b.bias")


def test_training_mode_is_read_as_it_runs_and_said() -> None:
    graph = capture(nets.small_net().train(), torch.randn(2, 3, 32, 32))
    assert op(graph, "blocks.0.norm").attrs == {"statistics": True}
    assert any("training" in note for note in graph.notes)


def test_keyword_arguments_and_nested_outputs() -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: Any, *, mask: Any = None, extra: Any = None) -> Any:
            y = self.fc(x) * mask
            return {"y": y, "deep": [(y + extra["b"],), {"z": extra["l"][0]}], "none": None}

    inputs = {
        "x": torch.randn(2, 4),
        "mask": torch.ones(2, 1),
        "extra": {"b": torch.randn(4), "l": [torch.randn(2)]},
    }
    graph = capture(Nested(), inputs)
    assert graph.inputs == ("x", "mask", "extra.b", "extra.l.0")
    assert graph.outputs == ("mul:0", "add:0", "extra.l.0")


def test_a_model_on_meta_needs_no_memory() -> None:
    with torch.device("meta"):
        net = nn.Sequential(nn.Linear(100_000, 100_000), nn.ReLU())
    graph = capture(net)
    assert graph.tensors["0.weight"].nbytes == 4 * 100_000**2
    assert all(p.is_meta for p in net.parameters())
