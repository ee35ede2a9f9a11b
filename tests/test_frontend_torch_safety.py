"""The user's model, inputs and random generators come back exactly as they were."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

import nets
from talaria_widget.frontends.torch import capture
from test_frontend_torch import Written


def containers(model: nn.Module) -> Iterator[tuple[Any, Any]]:
    for module in model.modules():
        yield module.__dict__, dict(module.__dict__)
        for value in module.__dict__.values():
            if isinstance(value, dict | list | set):
                yield value, copy.copy(value)


class Untidy(nn.Module):
    """A forward that changes all it can reach."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.instance = nn.InstanceNorm2d(4, track_running_stats=True)
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.seen: list[Any] = []
        self.cache: dict[str, Any] = {"nested": {"list": [1]}}
        self.names = {"a"}
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.count += 1
        self.steps = self.steps + 1
        self.seen.append(x)
        self.cache["nested"]["list"].append(2)
        self.cache["x"] = x
        self.names.add("b")
        self.added = 3
        self.conv.weight.data.mul_(1)
        self.eval()
        self.train()
        x.mul_(2)
        noise = torch.rand(1) + random.random() + np.random.rand()
        y = self.instance(self.norm(self.conv(x))) + noise.to(x.dtype)
        if y.sum() > 0:
            self.count.mul_(2)
        return y * self.count


@pytest.mark.parametrize("training", [True, False])
def test_nothing_of_an_untidy_model_changes(training: bool) -> None:
    model, x = Untidy().train(training), torch.randn(2, 3, 8, 8)
    model.conv.weight.grad = torch.ones_like(model.conv.weight)
    calls: list[str] = []
    model.conv.register_forward_hook(lambda *_: calls.append("hook"))
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    values = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    versions = {name: tensor._version for name, tensor in tensors.items()}
    grad, given = model.conv.weight.grad, x.clone()
    held = list(containers(model))
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph = capture(model, x)
    assert graph.ops
    assert calls == ["hook"]
    after = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for name, tensor in tensors.items():
        assert after[name] is tensor
        assert torch.equal(tensor, values[name])
        assert tensor._version == versions[name]
    for now, before in held:
        same = now == before if isinstance(now, set) else list(now) == list(before)
        assert same
        if isinstance(now, dict):
            assert all(now[key] is value for key, value in before.items())
    assert model.conv.weight.grad is grad
    assert model.training is training
    assert torch.equal(x, given)
    assert x._version == 0
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]


def test_the_fallback_spares_model_and_inputs_too() -> None:
    class Sparse(nn.Module):
        """Sparse tensors have no meta twin, so this one runs on a copy."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("matrix", torch.eye(4).to_sparse())
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.count.add_(1)
            x.add_(1)
            return torch.sparse.mm(self.matrix, x)

    model, x = Sparse().eval(), torch.zeros(4, 2)
    graph = capture(model, x)
    assert graph.tensors[graph.outputs[0]].shape == (4, 2)
    assert model.count.item() == 0
    assert model.count._version == 0
    assert x.sum() == 0


def test_torch_itself_is_put_back_also_after_an_error() -> None:
    def fail(self: Any, x: torch.Tensor) -> torch.Tensor:
        raise KeyError("no")

    before = nn.Module.__call__, torch.cond
    with pytest.raises(ValueError, match="KeyError"):
        capture(Written(fail), torch.ones(1))
    assert (nn.Module.__call__, torch.cond) == before
    assert torch._C._len_torch_function_stack() == 0
    assert torch.is_grad_enabled()


def test_the_model_still_computes_what_it_did() -> None:
    model, x = nets.small_net(), torch.randn(1, 3, 32, 32)
    before = model(x)
    capture(model, x)
    assert torch.equal(model(x), before)


def test_capture_inside_inference_mode_and_other_modes() -> None:
    class Other(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            return func(*args, **(kwargs or {}))

    model, x = nets.small_net(), torch.randn(1, 3, 32, 32)
    plain = capture(model, x).fingerprint
    with torch.inference_mode():
        assert capture(model, x).fingerprint == plain
    with Other():
        assert capture(model, x).fingerprint == plain


def test_a_tensor_made_in_inference_mode_is_fine() -> None:
    with torch.inference_mode():
        x = torch.randn(1, 3, 32, 32)
        model = nets.small_net()
    assert capture(model, x).ops
