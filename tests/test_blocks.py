"""Repeated blocks: found whatever their names, in modules, in calls and in bare sequences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import talaria_widget as talaria
from nets import Residual, Tied
from talaria_widget.blocks import find_blocks
from talaria_widget.graph import Block, Graph, Op, Tensor


class Layer(nn.Module):
    """Two linear layers around an activation, and a skip."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(torch.relu(self.up(x)))


class Stack(nn.Module):
    """Layers in a list, each of the inner width given."""

    def __init__(self, *inner: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(8, n) for n in inner)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


class Shared(Stack):
    """One layer called again and again."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(5):
            x = self.layers[0](x)
        return self.head(x)


X = torch.zeros(1, 8)


def blocks(model: nn.Module, x: torch.Tensor = X) -> tuple[Block, ...]:
    return talaria.capture(model, x).blocks


def test_equal_layers() -> None:
    (block,) = blocks(Stack(*[16] * 12))
    assert block.name == "layers.[0-11]"
    assert block.instances == tuple(f"layers.{i}" for i in range(12))
    assert block.ops[3] == ("layers.3.up", "layers.3/relu", "layers.3.down", "layers.3/add")


def test_the_last_one_differs() -> None:
    (block,) = blocks(Stack(*[16] * 5, 24))
    assert block.name == "layers.[0-4]"


def test_one_in_the_middle_differs() -> None:
    (block,) = blocks(Stack(16, 16, 24, 16))
    assert block.name == "layers.[0-1,3]"


def test_two_kinds_in_turn() -> None:
    assert [b.name for b in blocks(Stack(16, 24, 16, 24))] == ["layers.[0,2]", "layers.[1,3]"]


def test_blocks_inside_blocks() -> None:
    inner = lambda: nn.Sequential(*[nn.Sequential(Layer(8, 16)) for _ in range(3)])  # noqa: E731
    found = blocks(nn.Sequential(inner(), inner(), nn.Linear(8, 8)))
    assert [(b.name, len(b.instances)) for b in found] == [("[0-1]", 2), ("[0-1].[0-2]", 6)]


def test_one_module_called_again_and_again() -> None:
    (block,) = blocks(Shared(16))
    assert block.instances == ("layers.0", *(f"layers.0#{n}" for n in range(2, 6)))
    assert block.ops[1] == ("layers.0.up#2", "layers.0/relu#2", "layers.0.down#2", "layers.0/add#2")


def test_names_that_end_in_a_number() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block1, self.block2 = Residual(4), Residual(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.block2(self.block1(x))

    (block,) = blocks(Named(), torch.zeros(1, 4, 8, 8))
    assert block.instances == ("block1", "block2")
    assert block.name == "block1 … block2"


def test_nothing_repeats() -> None:
    assert blocks(Tied(), torch.zeros(1, 4, dtype=torch.int64)) == ()
    assert blocks(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))) == ()


def without_names(layers: int) -> onnx.ModelProto:
    """The same stack as nodes without names or paths."""
    rng = np.random.default_rng(0)
    nodes, stored, x = [], [], "x"

    def node(kind: str, *inputs: str) -> str:
        nodes.append(onnx.helper.make_node(kind, inputs, [f"t{len(nodes)}"]))
        return f"t{len(nodes) - 1}"

    def weight(*shape: int) -> str:
        values = rng.random(shape, np.float32)
        stored.append(onnx.numpy_helper.from_array(values, f"{len(stored)}"))
        return stored[-1].name

    x = node("Relu", "x")
    for _ in range(layers):
        up = node("Relu", node("MatMul", x, weight(8, 16)))
        x = node("Add", x, node("MatMul", up, weight(16, 8)))
    x = node("Tanh", x)
    ends = [onnx.helper.make_tensor_value_info(n, 1, (1, 8)) for n in ("x", x)]
    graph = onnx.helper.make_graph(nodes, "bare", ends[:1], ends[1:], stored)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])


def test_a_file_without_names() -> None:
    (block,) = talaria.capture(without_names(7)).blocks
    assert len(block.instances) == 7
    kinds = {op.name: op.target for op in talaria.capture(without_names(7)).ops}
    assert [kinds[name] for name in block.ops[6]] == ["MatMul", "Relu", "MatMul", "Add"]


def test_equal_ops_wired_otherwise_are_no_repeat() -> None:
    """Two layers of the same ops: a skip from the first one, and one from the second."""

    def layer(i: int, x: str, skip: int) -> list[tuple[str, str, tuple[str, ...]]]:
        a, b, c = f"a{i}", f"b{i}", f"c{i}"
        made = [(a, "relu", (x,)), (b, "tanh", (a,)), (c, "relu", (b,))]
        return [*made, (f"d{i}", "add", (c, (a, b)[skip]))]

    def graph(*skips: int) -> Graph:
        rows, x = [], "x"
        for i, skip in enumerate(skips):
            rows += layer(i, x, skip)
            x = f"d{i}"
        ops = tuple(
            Op(n, "elementwise", w, f"layer.{n[1:]}", inputs=t, outputs=(n,)) for n, w, t in rows
        )
        tensors = {n: Tensor(n, (4,)) for n in ("x", *(op.name for op in ops))}
        return Graph("g", "torch", ops, tensors, ("x",), (x,))

    assert find_blocks(graph(0, 1)) == ()
    assert [b.name for b in find_blocks(graph(0, 0))] == ["layer.[0-1]"]
    bare = graph(0, 0, 1)
    bare = replace(bare, ops=tuple(replace(op, path="") for op in bare.ops))
    assert [b.instances for b in find_blocks(bare)] == [("a0", "a1")]


@pytest.mark.parametrize("device", ["cpu-avx2", "apple-a17-pro-ane"])
def test_instances_cost_the_same(device: str) -> None:
    report = talaria.analyze(Stack(*[16] * 6), X, device=device)
    seconds = report.column("latency_s").values
    row = report.program.row_of_op
    (block,) = report.program.graph.blocks
    costs = [[seconds[row[name]] for name in ops if name in row] for ops in block.ops]
    assert costs == [costs[0]] * 6


def test_the_name_is_a_rule() -> None:
    (block,) = blocks(Stack(*[16] * 4))
    report = talaria.analyze(
        Stack(*[16] * 4), X, recipe={f"{block.name}.up": talaria.Quantize(8)}, device="cpu-avx2"
    )
    assert list(report.column("option").values).count("int8") == 4


def test_ten_thousand_operations() -> None:
    found = blocks(Stack(*[16] * 2500))
    assert [(b.name, len(b.instances)) for b in found] == [("layers.[0-2499]", 2500)]


def test_an_empty_graph() -> None:
    assert find_blocks(Graph("g", "torch", (), {}, (), ())) == ()
