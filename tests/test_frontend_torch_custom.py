"""A user's own operators: one op with a readable name, its arguments by name, and a counter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

import talaria_widget as talaria
from talaria_widget.frontends.torch import capture
from talaria_widget.work import count
from test_frontend_torch import Written, op


@torch.library.custom_op("talaria_test::scaled", mutates_args=())
def scaled(x: torch.Tensor, factor: float, times: int = 2, mode: str = "plain") -> torch.Tensor:
    return x * factor * times


@torch.library.custom_op("talaria_test::fused_mlp", mutates_args=())
def fused_mlp(x: torch.Tensor, weight: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    return (x @ weight).relu()


@fused_mlp.register_fake
def _(x: torch.Tensor, weight: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    return x.new_empty(*x.shape[:-1], weight.shape[1])


@torch.library.custom_op("talaria_test::halve", mutates_args=("x",))
def halve(x: torch.Tensor) -> None:
    x.mul_(0.5)


@pytest.fixture
def counter() -> Iterator[Any]:
    """Registers counters that are gone after the test."""
    names: list[str] = []

    def add(name: str, function: Any) -> None:
        names.append(name)
        talaria.register(name, function)

    yield add
    for name in names:
        talaria.register(name, None)


def mlp(self: Any, x: torch.Tensor) -> torch.Tensor:
    return fused_mlp(x, self.weight, [4, 8])


def test_an_operator_is_one_unknown_op_with_its_arguments() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = scaled(x, 1.5)
        y = torch.ops.talaria_test.scaled(y, 2.0, times=3)
        return torch.ops.talaria_test.scaled.default(y, 1.0, 1, "other")

    graph = capture(Written(forward).eval(), torch.ones(2, 4))
    assert [op.target for op in graph.ops] == ["talaria_test.scaled"] * 3
    assert [op.kind for op in graph.ops] == ["unknown"] * 3
    assert [dict(op.attrs) for op in graph.ops] == [
        {"factor": 1.5},
        {"factor": 2.0, "times_": 3},
        {"factor": 1.0, "times_": 1, "mode": "other"},
    ]
    assert all(op.times == 1 for op in graph.ops)
    assert graph.ops[1].inputs == graph.ops[0].outputs
    assert graph.tensors[graph.outputs[0]].shape == (2, 4)


@pytest.mark.parametrize("name", ["talaria_test::fused_mlp", "talaria_test.fused_mlp"])
def test_a_counter_of_one_s_own_is_found(counter: Any, name: str) -> None:
    model = Written(mlp, weight=nn.Parameter(torch.randn(4, 8))).eval()
    x = torch.randn(3, 4)
    graph = talaria.capture(model, x)
    only = op(graph, graph.ops[0].name)
    assert only.weights == ("weight",)
    assert only.attrs == {"sizes": [4, 8]}
    assert count(graph, only).macs is None

    def macs(inputs: Any, outputs: Any, attrs: Any) -> int:
        return inputs[0].shape[0] * attrs["sizes"][0] * attrs["sizes"][1]

    counter(name, macs)
    assert count(graph, only).macs == 3 * 4 * 8
    assert talaria.analyze(model, x, device="cpu-avx2").totals["macs"] == 3 * 4 * 8


def test_an_operator_that_writes_moves_the_edges() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = x + 1
        halve(y)
        return y * 2

    graph = capture(Written(forward).eval(), torch.ones(2, 4))
    assert [op.word for op in graph.ops] == ["add", "halve", "mul"]
    assert graph.ops[2].inputs == graph.ops[1].outputs


def test_without_a_shape_of_its_own_the_real_operator_answers() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = scaled(self.fc(x), 2.0)
        return y if bool((y == 4 * self.fc(x)).all()) else y[:0]

    graph = capture(Written(forward, fc=nn.Linear(4, 6)).eval(), torch.ones(2, 4))
    assert graph.tensors[graph.outputs[0]].shape == (2, 6)


def test_on_meta_weights_only_an_operator_with_shapes_can_be_read() -> None:
    with torch.device("meta"):
        weight = nn.Parameter(torch.empty(4, 8))
    graph = capture(Written(mlp, weight=weight).eval(), torch.ones(2, 4))
    assert graph.tensors[graph.outputs[0]].shape == (2, 8)
    blind = Written(lambda self, x: scaled(x @ self.weight, 2.0), weight=weight).eval()
    with pytest.raises(talaria.UnsupportedModelError, match="scaled"):
        capture(blind, torch.ones(2, 4))
