"""Control flow that torch knows as operators, and functions of functions: bodies are counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from talaria_widget.frontends.torch import capture, record
from talaria_widget.graph import Graph, Op
from talaria_widget.work import count
from test_frontend_torch import Written, op


def read(
    forward: Callable[..., Any],
    x: torch.Tensor,
    shape: tuple[int, ...] | None = None,
    **members: Any,
) -> Graph:
    """The graph; its output has `shape`, or that of a real run (control flow compiles there)."""
    model = Written(forward, **members).eval()
    graph = capture(model, x)
    assert graph.tensors[graph.outputs[0]].shape == (shape or tuple(model(x).shape))
    assert not any("no recorded call" in note for note in graph.notes)
    return graph


def macs(graph: Graph) -> int:
    return sum(count(graph, op).macs or 0 for op in graph.ops)


def linears(graph: Graph) -> list[tuple[str, int | None]]:
    return [(op.name, op.times) for op in graph.ops if op.kind == "linear"]


def branch(self: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.cond(x.sum() > 0, lambda x: self.a(x), lambda x: self.b(x), (x,))


@pytest.mark.parametrize("sign", [1, -1])
def test_both_branches_stand_in_the_graph_and_one_is_counted(sign: int) -> None:
    layers = {"a": nn.Linear(4, 8, bias=False), "b": nn.Linear(4, 8, bias=False)}
    graph = read(branch, sign * torch.ones(2, 4), (2, 8), **layers)
    taken, other = ("a", "b") if sign > 0 else ("b", "a")
    assert linears(graph) == [(taken, 1), (other, 0)]
    assert macs(graph) == 2 * 4 * 8
    assert graph.outputs == (f"{taken}:0",)
    position = "first" if sign > 0 else "second"
    assert any(
        note.startswith(f"torch.cond took its {position} branch, at ")
        and "test_frontend_torch_control.py:" in note
        for note in graph.notes
    )
    assert graph.parameters == 2 * 4 * 8


def test_a_condition_without_values_is_assumed_and_said() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = self.c(x)
        return torch.cond(y.sum() > 0, lambda x: self.a(x), lambda x: self.b(x), (y,))

    with torch.device("meta"):
        layers = {name: nn.Linear(4, 4) for name in "abc"}
    graph = capture(Written(forward, **layers).eval(), torch.ones(2, 4))
    assert linears(graph) == [("c", 1), ("a", 1), ("b", 0)]
    assert any("assumed to take its first branch" in note for note in graph.notes)


def test_a_condition_imported_by_name_is_read_too() -> None:
    from torch import cond

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return cond(x.sum() > 0, self.a, lambda x: x * 2, (x,))

    graph = read(forward, torch.ones(2, 4), (2, 4), a=nn.Linear(4, 4))
    assert linears(graph) == [("a", 1)]
    assert graph.ops[-1].times == 0


def test_a_while_loop_is_its_body_and_how_often_it_ran() -> None:
    from torch._higher_order_ops.while_loop import while_loop

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        start = (torch.tensor(0), x)
        return while_loop(lambda i, y: i < 5, lambda i, y: (i + 1, self.a(y).relu()), start)[1]

    graph = read(forward, torch.ones(2, 4), (2, 4), a=nn.Linear(4, 4, bias=False))
    assert linears(graph) == [("a", 5)]
    assert [op.times for op in graph.ops] == [5, 5]
    assert macs(graph) == 5 * 2 * 4 * 4
    assert any("torch.while_loop ran 5 times" in note for note in graph.notes)


def test_a_loop_whose_end_nobody_knows_says_so() -> None:
    from torch._higher_order_ops.while_loop import while_loop

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return while_loop(lambda y: y.sum() < 9, lambda y: (self.a(y),), (self.a(x),))[0]

    with torch.device("meta"):
        layer = nn.Linear(4, 4)
    graph = capture(Written(forward, a=layer).eval(), torch.ones(2, 4))
    assert linears(graph) == [("a", 1), ("a#2", None)]
    assert count(graph, op(graph, "a#2")).macs is None


def test_scan_and_map_count_every_round() -> None:
    from torch._higher_order_ops import map
    from torch._higher_order_ops.scan import scan

    def recur(self: Any, x: torch.Tensor) -> torch.Tensor:
        return scan(lambda c, y: (self.a(c + y), c * 2), torch.zeros(4), x)[1]

    layer = nn.Linear(4, 4, bias=False)
    graph = read(recur, torch.randn(7, 4), (7, 4), a=layer)
    assert macs(graph) == 7 * 4 * 4
    assert sum(op.times or 0 for op in graph.ops if op.kind == "linear") == 7
    mapped = read(lambda self, x: map(self.a, x), torch.randn(6, 2, 4), (6, 2, 4), a=layer)
    assert linears(mapped) == [("a", 6)]
    assert macs(mapped) == 6 * 2 * 4 * 4


def test_an_associative_scan_adds_as_often_as_torch_does() -> None:
    from torch._higher_order_ops.associative_scan import associative_scan

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return associative_scan(lambda a, b: a * b, x, 0, combine_mode="generic")

    graph = read(forward, torch.randn(8, 4))
    products = [op for op in graph.ops if op.word == "mul"]
    # Eight rows, in pairs on three levels up (4, 2, 1) and two down (1, 3).
    assert sum(op.times or 0 for op in products) == 4 + 2 + 1 + 1 + 3


def test_rounds_that_differ_stand_apart() -> None:
    from torch._higher_order_ops.while_loop import while_loop

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        def body(i: torch.Tensor, y: torch.Tensor) -> Any:
            return i + 1, self.a(y) if bool(i == 1) else self.b(y)

        return while_loop(lambda i, y: i < 4, body, (torch.tensor(0), x))[1]

    graph = read(forward, torch.ones(2, 4), (2, 4), a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    assert linears(graph) == [("b", 3), ("a", 1)]


def test_the_body_of_a_vmap_counts_once_for_each_sample() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        h = self.a(x)
        return torch.vmap(lambda row: self.a(row) @ h.T, out_dims=1)(x)

    graph = read(forward, torch.randn(3, 4), a=nn.Linear(4, 4, bias=False))
    assert linears(graph) == [("a", 1), ("a#2", 3)]
    assert macs(graph) == 3 * 4 * 4 + 3 * 4 * 4 + 3 * (4 * 3)
    whole = op(graph, "vmap")
    assert (whole.kind, whole.attrs["inlined"]) == ("control", True)
    assert "matmul:0" in whole.inputs


def test_a_vmap_in_a_vmap_multiplies() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.vmap(torch.vmap(self.a, in_dims=1, out_dims=1))(x)

    graph = read(forward, torch.randn(3, 4, 5), a=nn.Linear(4, 4, bias=False))
    assert linears(graph) == [("a", 3 * 5)]


def test_a_branch_on_the_result_of_a_vmap_has_its_real_value() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = torch.vmap(lambda row: self.a(row).sum())(x)
        return y if bool((y == self.a(x).sum(1)).all()) else y[:1]

    assert read(forward, torch.randn(3, 4), a=nn.Linear(4, 4)).ops


@pytest.mark.parametrize(
    ("forward", "unknown"),
    [
        (lambda self, x: torch.func.grad(lambda y: self.a(y).sum())(x), ["torch.func.grad"]),
        (lambda self, x: torch.func.jacrev(self.a)(x[0]), ["torch.func.vjp"]),
        (lambda self, x: torch.func.jacfwd(self.a)(x[0]), ["torch.func.jvp"]),
        (
            lambda self, x: torch.vmap(torch.func.grad(lambda y: self.a(y).sum()))(x),
            ["torch.func.grad"],
        ),
        (lambda self, x: torch.func.jvp(self.a, (x,), (x,))[1], ["torch.func.jvp"]),
    ],
    ids=["grad", "jacrev", "jacfwd", "per-sample", "jvp"],
)
def test_a_derivative_counts_its_function_and_lists_itself(
    forward: Callable[..., Any], unknown: list[str]
) -> None:
    graph = read(forward, torch.randn(2, 4), a=nn.Linear(4, 4))
    assert linears(graph)
    assert [op.target for op in graph.ops if op.kind == "unknown"] == unknown


def checkpointed(reentrant: bool) -> Callable[..., Any]:
    from torch.utils.checkpoint import checkpoint

    return lambda self, x: checkpoint(self.a, x, use_reentrant=reentrant) + 1


class Twice(torch.autograd.Function):
    """A function with a backward of its own."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0) * 2

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad


class Same(Twice):
    """A function that gives its argument."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x


def without_gradients(self: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        y = self.a(x)
    return torch.enable_grad()(self.a)(y)


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (checkpointed(True), ["linear", "add"]),
        (checkpointed(False), ["linear", "add"]),
        (lambda self, x: Twice.apply(self.a(x)), ["linear", "clamp", "mul"]),
        (lambda self, x: Same.apply(self.a(x)) + 1, ["linear", "view_as", "add"]),
        (without_gradients, ["linear", "linear"]),
    ],
    ids=["checkpoint reentrant", "checkpoint", "autograd function", "identity", "no_grad"],
)
def test_what_only_gradients_need_hides_nothing(
    forward: Callable[..., Any], words: list[str]
) -> None:
    graph = read(forward, torch.randn(2, 4), a=nn.Linear(4, 4))
    assert [op.word for op in graph.ops] == words


def test_a_half_precision_region_is_only_as_long_as_it_is() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = self.a(x)
        return y.float() + self.a(x)

    graph = read(forward, torch.randn(2, 4), a=nn.Linear(4, 4))
    assert [graph.tensors[name].dtype for name in ("a:0", "a#2:0")] == ["bfloat16", "float32"]


def test_operators_below_the_public_functions_are_those_functions() -> None:
    aten = torch.ops.aten

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = aten.convolution.default(
            x, self.c.weight, self.c.bias, [1, 1], [1, 1], [1, 1], False, [0, 0], 1
        )
        norm = self.n
        y = aten._native_batch_norm_legit_no_training.default(
            y, norm.weight, norm.bias, norm.running_mean, norm.running_var, 0.1, 1e-5
        )[0]
        y = aten.upsample_nearest2d.vec(aten.relu(y), None, [2.0, 2.0])
        return aten.addmm(self.f.bias, y.mean((2, 3)), aten.t.default(self.f.weight))

    members = {"c": nn.Conv2d(3, 4, 3, padding=1), "n": nn.BatchNorm2d(4), "f": nn.Linear(4, 5)}
    graph = read(forward, torch.randn(1, 3, 8, 8), **members)
    assert [(op.name, op.kind) for op in graph.ops if op.kind != "movement"] == [
        ("c", "conv"),
        ("n", "norm"),
        ("relu", "activation"),
        ("interpolate", "resize"),
        ("mean", "reduction"),
        ("f", "linear"),
    ]
    assert op(graph, "n").weights[:2] == ("n.weight", "n.bias")


def test_every_round_is_accounted_for() -> None:
    from torch._higher_order_ops import map

    recording = record(Written(lambda self, x: map(self.a, x), a=nn.Linear(4, 4)), torch.ones(5, 4))
    calls = recording.trace.calls
    rounds = [call for call in calls if call.repeats is not None]
    assert len(rounds) == 4 * 2
    ops: list[Op] = list(recording.graph.ops)
    assert sum(op.times or 0 for op in ops) == len(calls)
