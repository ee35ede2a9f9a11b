"""TorchScript as child, root and free function: its operations are those of the module."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import nets
from talaria_widget.frontends.torch import capture
from talaria_widget.graph import Graph
from talaria_widget.work import count
from test_frontend_torch import Written, op

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def macs(graph: Graph) -> int:
    return sum(count(graph, op).macs or 0 for op in graph.ops)


def owners(graph: Graph) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(op.name, op.kind, op.weights) for op in graph.ops if op.weights]


class Block(nn.Module):
    """A convolution whose next step its data decides, and a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 5)
        self.lstm = nn.LSTM(5, 6)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        y = functional.relu(self.norm(self.conv(x)))
        if bool(y.sum() > 0):
            y = functional.interpolate(y, scale_factor=2.0, mode="nearest")
        steps = []
        for _ in range(3):
            steps.append(self.head(y.mean((2, 3))))
        out, _ = self.lstm(torch.stack(steps))
        return torch.softmax(out, -1).to(torch.float16)


SCRIPTS: dict[str, Callable[[nn.Module, torch.Tensor], Any]] = {
    "scripted": lambda model, x: torch.jit.script(model),
    "traced": lambda model, x: torch.jit.trace(model, x, check_trace=False),
    "child": lambda model, x: nn.Sequential(nn.Identity(), torch.jit.script(model)),
}


@pytest.mark.parametrize("way", SCRIPTS)
def test_a_script_counts_what_its_module_does(way: str) -> None:
    torch.manual_seed(0)
    model, x = Block().eval(), torch.ones(2, 3, 8, 8)
    plain = capture(model, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = SCRIPTS[way](model, x)
    graph = capture(script, x)
    prefix = "1." if way == "child" else ""
    wanted = [
        (prefix + name, kind, tuple(prefix + weight for weight in weights))
        for name, kind, weights in owners(plain)
    ]
    assert owners(graph) == wanted
    assert macs(graph) == macs(plain) > 2 * 64 * 4 * 3 * 9
    assert graph.parameters == plain.parameters
    # A traced module has forgotten the question that its branch asked: a sum and a comparison.
    asked = {op.name for op in plain.ops if way == "traced" and op.word in ("sum", "gt")}
    assert [op.kind for op in graph.ops] == [o.kind for o in plain.ops if o.name not in asked]
    assert graph.tensors[graph.outputs[0]].shape == (3, 2, 6)
    assert graph.tensors[graph.outputs[0]].dtype == "float16"


def test_a_branch_in_a_script_is_noted_with_its_line() -> None:
    graph = capture(torch.jit.script(Block().eval()), torch.ones(2, 3, 8, 8))
    assert any(
        note.startswith("what runs depends on data, at ")
        and "test_frontend_torch_script.py:" in note
        for note in graph.notes
    )
    assert op(graph, "conv").source is None
    assert str(op(graph, "mean").source).partition(":")[0].endswith("test_frontend_torch_script.py")


def test_a_script_is_left_as_it_was() -> None:
    script = torch.jit.script(Block().train())
    before = {name: value.clone() for name, value in script.state_dict().items()}
    versions = [value._version for value in script.buffers()]
    capture(script, torch.randn(2, 3, 8, 8))
    assert script.calls == 0
    assert all(torch.equal(value, before[name]) for name, value in script.state_dict().items())
    assert [value._version for value in script.buffers()] == versions
    assert script.training


def test_a_frozen_script_keeps_its_weights() -> None:
    script = torch.jit.freeze(torch.jit.script(Block().eval()))
    graph = capture(script, torch.ones(2, 3, 8, 8))
    assert op(graph, "conv").weights == ("conv.weight_fused_bn", "conv.bias_fused_bn")
    assert op(graph, "head").weights == ("head.weight", "head.bias")
    lstm = 4 * 6 * (5 + 6 + 2)
    assert graph.parameters == 4 * 3 * 9 + 4 + 4 * 5 + 5 + lstm


def test_scripted_functions_are_read_where_they_are_called() -> None:
    @torch.jit.script
    def inner(x: torch.Tensor, factor: float = 2.0) -> torch.Tensor:
        return x * factor

    @torch.jit.script
    def outer(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.linear(inner(x), weight)

    model = Written(lambda self, x: outer(x, self.fc.weight) + x, fc=nn.Linear(4, 4))
    graph = capture(model.eval(), torch.randn(2, 4))
    assert [op.word for op in graph.ops] == ["mul", "linear", "add"]
    assert graph.ops[1].weights == ("fc.weight",)
    assert graph.ops[2].inputs == ("fc:0", "x")


def test_a_method_of_a_script_is_read_like_its_forward() -> None:
    class Coder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        @torch.jit.export
        def encode(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    script = torch.jit.script(Coder().eval())
    graph = capture(Written(lambda self, x: self.coder.encode(x), coder=script), torch.ones(1, 4))
    assert [(op.name, op.kind) for op in graph.ops] == [("coder.fc", "linear")]


def test_lists_dicts_and_strings_of_a_script() -> None:
    def plenty(x: torch.Tensor, names: list[str]) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = {}
        for at, name in enumerate(names):
            if name != "skip" and len(name) > 1:
                found[name] = x[at : at + 1] * (at + 1)
        pair = (x, len(found))
        found["last"] = pair[0] / float(pair[1])
        return found

    script = torch.jit.script(plenty)
    model = Written(lambda self, x: script(x, ["one", "skip", "b", "four"]))
    graph = capture(model.eval(), torch.ones(5, 2))
    assert [op.word for op in graph.ops if op.kind == "elementwise"] == ["mul", "mul", "div"]
    assert [graph.tensors[name].shape for name in graph.outputs] == [(1, 2), (1, 2), (5, 2)]


def test_what_is_not_read_is_one_unknown_operation_and_said() -> None:
    @torch.jit.script
    def forked(x: torch.Tensor) -> torch.Tensor:
        future = torch.jit.fork(torch.relu, x)
        return torch.jit.wait(future) + 1

    graph = capture(Written(lambda self, x: forked(x) * 2).eval(), torch.ones(2, 3))
    assert [(op.kind, op.target) for op in graph.ops][:1] == [
        ("unknown", "torch.jit.ScriptFunction")
    ]
    assert graph.ops[1].inputs == graph.ops[0].outputs
    assert any("TorchScript holds prim::fork" in note for note in graph.notes)


def test_a_script_runs_as_before_when_nobody_reads_it() -> None:
    call = torch._C.ScriptMethod.__call__
    script = torch.jit.script(nets.small_net())
    x = torch.randn(1, 3, 32, 32)
    before = script(x)
    capture(script, x)
    assert torch.equal(script(x), before)
    assert torch._C.ScriptMethod.__call__ is call
