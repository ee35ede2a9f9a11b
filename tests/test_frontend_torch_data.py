"""Where a model asks for data: answers are those of a real run, and the place is noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from talaria_widget.frontends.torch import capture, record, recorder
from talaria_widget.frontends.torch.trace import complete
from talaria_widget.frontends.torch.trace.complete import admit, faults
from talaria_widget.frontends.torch.trace.recording import Recording
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.work import count
from test_frontend_torch import Written


def test_a_branch_follows_the_real_data_and_is_noted() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return self.a(x) if x.sum() > 0 else self.b(x)

    model = Written(forward, a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    assert [op.name for op in capture(model, torch.ones(2, 4)).ops] == ["sum", "gt", "a"]
    graph = capture(model, -torch.ones(2, 4))
    assert [op.name for op in graph.ops] == ["sum", "gt", "b"]
    assert graph.notes[0].startswith("what runs depends on data, at ")
    assert "test_frontend_torch_data.py:" in graph.notes[0]


def test_a_loop_asks_again_and_again() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        while x.abs().max().item() < 10:
            x = x * 2
        return x

    graph = capture(Written(forward), torch.ones(3))
    assert sum(op.word == "mul" for op in graph.ops) == 4


def test_shapes_that_depend_on_data_are_the_run_s_own() -> None:
    def forward(self: Any, x: torch.Tensor) -> Any:
        return torch.nonzero(x), x[x > 0], x.unique()

    graph = capture(Written(forward).eval(), torch.tensor([1.0, 0.0, 2.0, 2.0]))
    shapes = [graph.tensors[name].shape for name in graph.outputs]
    assert shapes == [(3, 1), (3,), (3,)]
    assert all(note.startswith("shapes depend on data") for note in graph.notes)


@pytest.mark.parametrize(
    "select",
    [
        lambda x: x[x > 0],
        lambda x: x[x.sum(1) > 0],
        lambda x: x[:, x[0] > 0],
        lambda x: x[torch.nonzero(x > 0, as_tuple=True)],
        lambda x: x.masked_select(x > 0),
    ],
    ids=["mask", "rows", "columns", "nonzero", "masked_select"],
)
def test_a_shape_that_depends_on_data_is_noted(select: Any) -> None:
    graph = capture(Written(lambda self, x: select(x)).eval(), torch.tensor([[1.0, 2], [-1, -2]]))
    assert [note.rpartition(", at ")[0] for note in graph.notes] == ["shapes depend on data"]


def test_replay_sees_writes_in_their_order() -> None:
    answers: list[float] = []

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        before = y * 1
        y.add_(10)
        answers.append(y.sum().item())
        answers.append(before.sum().item())
        view = y[0]
        y[0] = 0
        answers.append(view.item())
        m = torch.zeros(3)
        first = m[:1]
        m[0] = x[1]
        answers.append(first.item())
        return y

    capture(Written(forward), torch.tensor([1.0, 2.0, 3.0]))
    assert answers == [36.0, 6.0, 0.0, 2.0]


def test_buffers_written_before_a_replay_are_seen_as_the_forward_saw_them() -> None:
    answers: list[float] = []

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        self.count.add_(1)
        y = x * self.count
        self.count.add_(1)
        answers.append(y.sum().item())
        answers.append(self.count.item())
        return y

    model = Written(forward, count=torch.ones(()))
    capture(model, torch.ones(3))
    assert answers == [6.0, 3.0]
    assert model.count.item() == 1.0


def test_numpy_leaves_the_trace_and_says_so() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(x.numpy() * 2) + x

    graph = capture(Written(forward).eval(), torch.ones(2))
    assert "numpy" in graph.notes[0]


def test_frozen_random_numbers_are_noted_and_kept() -> None:
    recording = record(Written(lambda self, x: x + torch.randn(3)).eval(), torch.ones(3))
    assert "random" in recording.graph.notes[0]
    kept = [v.tensor for v in recording.trace.values if v.role == "constant"]
    assert len(kept) == 1


def test_a_model_on_meta_that_asks_for_data_is_told_something_and_says_so() -> None:
    with torch.device("meta"):
        layer = nn.Linear(4, 4)
    model = Written(lambda self, x: x if self.fc(x).sum() > 0 else -x, fc=layer)
    graph = capture(model, torch.ones(2, 4))
    assert [op.word for op in graph.ops] == ["linear", "sum", "gt", "neg"]
    assert any("the model has no values: False is assumed" in note for note in graph.notes)


def test_a_shape_that_depends_on_values_nobody_has_is_refused_with_the_place() -> None:
    with torch.device("meta"):
        layer = nn.Linear(4, 4)
    model = Written(lambda self, x: torch.nonzero(self.fc(x)), fc=layer)
    with pytest.raises(UnsupportedModelError, match="test_frontend_torch_data.py:.*on the meta"):
        capture(model, torch.ones(2, 4))


def test_the_record_holds_what_lowering_needs() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        m = torch.zeros(2, 4)
        m[:, 3] = x[:, 0]
        return x.add_(m)

    x = torch.ones(2, 4)
    recording = record(Written(forward), x)
    zeros, pick, write, add = recording.trace.calls
    assert zeros.constant
    assert not write.constant
    assert pick.depends
    assert [ref.value for ref in write.mutated] == [zeros.writes[0].value]
    assert write.mutated[0].version == 1
    assert add.reads[1] == write.mutated[0]
    assert recording.args[0].equal(torch.ones(2, 4))
    assert recording.names[add.writes[0]] == recording.graph.outputs[0]
    assert recording.calls == {"getitem": 1, "setitem": 2, "add": 3}


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: torch.vmap(lambda row: self.fc(row).sum())(x),
        lambda self, x: torch.cond(x.sum() > 0, self.fc, self.fc, (x,)),
        lambda self, x: torch.stack([row * 2 for row in x]),
        lambda self, x: torch.as_strided(x * 2, (2, 2), (1, 2)),
    ],
    ids=["vmap", "cond", "iterate", "as_strided"],
)
def test_outputs_have_the_shape_of_a_real_run(forward: Callable[..., Any]) -> None:
    model = Written(forward, fc=nn.Linear(4, 4)).eval()
    x = torch.randn(3, 4)
    graph = capture(model, x)
    assert graph.tensors[graph.outputs[0]].shape == tuple(model(x).shape)
    assert not any("no recorded call" in note for note in graph.notes)


def test_a_compiled_part_is_read_as_written() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.compile(lambda y: y.sin() + 1)(self.fc(x))

    graph = capture(Written(forward, fc=nn.Linear(4, 4)), torch.randn(2, 4))
    assert [op.word for op in graph.ops] == ["linear", "sin", "add"]


def test_a_backward_pass_inside_the_forward_is_an_unknown_op() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            self.fc(x).sum().backward()
        return self.fc(x) + self.fc.weight.grad

    model = Written(forward, fc=nn.Linear(4, 4))
    graph = capture(model, torch.randn(4, 4))
    assert [op.word for op in graph.ops] == ["linear", "sum", "backward", "linear", "add"]
    assert graph.ops[2].kind == "unknown"
    assert graph.ops[2].inputs == graph.ops[1].outputs
    assert model.fc.weight.grad is None
    assert any("a tensor enters that no recorded call made" in note for note in graph.notes)


def test_samples_of_different_lengths() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        nested = torch.nested.as_nested_tensor([x[0], x[1, :2]])
        return torch.nested.to_padded_tensor(self.fc(nested), 0.0)

    layer = nn.Linear(4, 6, bias=False)
    graph = capture(Written(forward, fc=layer).eval(), torch.randn(2, 5, 4))
    linear = next(op for op in graph.ops if op.kind == "linear")
    assert count(graph, linear).macs == (5 + 2) * 4 * 6
    assert graph.tensors[graph.outputs[0]].shape == (2, 5, 6)
    assert not any(op.kind == "unknown" for op in graph.ops)


def test_parameters_that_the_forward_writes() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        self.fc.weight.div_(2)
        return self.fc(x)

    graph = capture(Written(forward, fc=nn.Linear(4, 4)).eval(), torch.randn(2, 4))
    assert [op.name for op in graph.ops] == ["div", "fc"]
    assert graph.ops[1].weights == ("fc.weight", "fc.bias")


def test_a_gradient_inside_the_forward_is_one_call() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            y = x.detach().clone().requires_grad_(True)
            return torch.autograd.grad((self.fc(y) ** 2).sum(), y)[0]

    graph = capture(Written(forward, fc=nn.Linear(4, 4)), torch.randn(2, 4))
    assert graph.ops[-1].target == "torch.autograd.grad"
    assert graph.tensors[graph.outputs[0]].shape == (2, 4)


def test_a_forward_that_takes_gradients_as_it_is_called() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        x.requires_grad_()
        energy = self.net(x).pow(2).sum()
        return -torch.autograd.grad(energy, x, create_graph=True)[0]

    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))
    model, x = Written(forward, net=net), torch.randn(2, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    graph = capture(model, x)
    assert [op.name for op in graph.ops if op.kind == "linear"] == ["net.0", "net.3"]
    assert [op.target for op in graph.ops if op.kind == "unknown"] == ["torch.autograd.grad"]
    assert not x.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_reading_that_is_not_complete_says_so() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.ReLU()).eval()
    recording = record(net, torch.ones(1, 4))
    graph = recording.graph
    assert faults(recording) == []
    assert admit(recording) is recording
    shorter = replace(recording, graph=replace(graph, ops=graph.ops[1:]))
    assert faults(shorter) == [
        "3 calls were recorded and 2 are accounted for",
        "0:0, which 2/relu reads, was made by no operation",
    ]
    silent = replace(recording, graph=replace(graph, noise={}))
    assert faults(silent) == ["3 calls were recorded and 2 are accounted for"]
    assert admit(silent).graph.notes[-1].startswith("the reading is not complete: 3 calls")


@pytest.mark.parametrize("mends", [True, False])
def test_a_reading_that_is_not_complete_is_tried_on_real_tensors(
    monkeypatch: pytest.MonkeyPatch, mends: bool
) -> None:
    copies: list[Recording] = []
    original = recorder._record_copy

    def copied(*args: Any) -> Recording:
        copies.append(original(*args))
        return copies[-1]

    def amiss(recording: Recording) -> list[str]:
        mended = mends and any(recording is copy for copy in copies)
        return [] if mended else ["an edge is lost"]

    monkeypatch.setattr(recorder, "_record_copy", copied)
    monkeypatch.setattr(recorder, "faults", amiss)
    monkeypatch.setattr(complete, "faults", amiss)
    found = record(nn.Sequential(nn.Linear(4, 4)), torch.ones(1, 4))
    assert len(copies) == 1
    assert (found is copies[0]) == mends
    said = "the reading is not complete: an edge is lost"
    assert (said in found.graph.notes) != mends
