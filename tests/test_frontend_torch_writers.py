"""Models that write in their forward come back as they were, train mode and all."""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from talaria_widget.frontends.torch import capture

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


class Box:
    """A plain object that a model keeps its cache in."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.inner: dict[str, Any] = {"deep": deque([1, 2], maxlen=3)}
        self.count = 0


class Writer(nn.Module):
    """Layers, containers and attributes for one way to write."""

    seen = 0
    table: dict[str, int] = {}  # noqa: RUF012 (a class attribute that is written is the point)

    def __init__(self, write: Callable[..., Any]) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.spectral = parametrizations.spectral_norm(nn.Linear(4, 4))
        self.old_spectral = nn.utils.spectral_norm(nn.Linear(4, 4))
        self.weight_normed = nn.utils.weight_norm(nn.Linear(4, 4))
        self.more = nn.ParameterList([nn.Parameter(torch.ones(4))])
        self.parts = nn.ModuleList([nn.ReLU()])
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("memory", torch.zeros(2, 4))
        self.box = Box()
        self.history: deque[Any] = deque([0], maxlen=2)
        self.cache: dict[str, Any] = {"list": [1], "set": {1}}
        self.generator = torch.Generator().manual_seed(3)
        self.dice, self.numbers = random.Random(5), np.random.default_rng(7)
        self.flag: Any = None
        self.write = write

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        written = self.write(self, x)
        return self.fc(x if written is None else written)


def layers(self: Writer, x: torch.Tensor) -> torch.Tensor:
    return self.weight_normed(self.old_spectral(self.spectral(self.norm(x))))


def buffers(self: Writer, x: torch.Tensor) -> None:
    self.count.add_(1)
    self.count += 1
    self.memory[0] = x.mean(0)
    self.memory.copy_(torch.roll(self.memory, 1, 0))
    self.memory = self.memory * 0.9
    if self.memory.sum() > 100:
        self.count.zero_()


def containers(self: Writer, x: torch.Tensor) -> None:
    self.cache["list"].append(x)
    self.cache["set"].add(2)
    self.cache["new"] = {"x": x}
    self.history.append(x)
    self.box.items.append(x)
    self.box.inner["deep"].append(3)
    self.box.count += 1
    self.box.added = x
    self.flag = x
    self.__dict__["sneaked"] = 1
    del self.cache["list"]


def classes(self: Writer, x: torch.Tensor) -> None:
    type(self).seen += 1
    type(self).table["x"] = 1
    type(self).invented = 5


def modules(self: Writer, x: torch.Tensor) -> torch.Tensor:
    self.more.append(nn.Parameter(torch.zeros(4)))
    self.parts.append(nn.Linear(4, 4))
    self.extra = nn.Linear(4, 4)
    self.register_buffer("late", torch.zeros(3))
    self.fc.register_forward_hook(lambda *_: None)
    self.norm = nn.Identity()
    return self.extra(x) + self.more[1]


def flags(self: Writer, x: torch.Tensor) -> None:
    self.norm.train(not self.norm.training)
    self.fc.eval()
    self.fc.weight.requires_grad_(False)
    self.fc.bias.requires_grad = False
    self.fc.weight.grad = torch.ones_like(self.fc.weight)
    self.zero_grad()
    torch.set_default_dtype(torch.float64)


def parameters(self: Writer, x: torch.Tensor) -> None:
    self.fc.weight.data.mul_(2)
    self.fc.bias.add_(1)
    self.fc.weight.data = torch.zeros(4, 4)
    with torch.no_grad():
        functional.normalize(self.fc.weight, out=self.fc.weight)


def generators(self: Writer, x: torch.Tensor) -> torch.Tensor:
    noise = torch.rand(4, generator=self.generator) * self.dice.random() * self.numbers.random()
    noise = noise + torch.randn(4) + random.random() + np.random.rand()
    return x + noise + functional.dropout(x, 0.5, training=True)


def gradients(self: Writer, x: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        self.fc(x).sum().backward()
    return x + self.fc.weight.grad


def hooked(self: Writer, x: torch.Tensor) -> None:
    def hook(module: nn.Module, given: Any, result: torch.Tensor) -> torch.Tensor:
        module.calls = getattr(module, "calls", 0) + 1
        self.cache["hook"] = result
        return result * 2

    self.fc.register_forward_hook(hook)
    self.fc.register_forward_pre_hook(lambda module, given: (given[0] + 1,))
    self.fc(x)


def frozen(item: Any, depth: int = 6) -> Any:
    """Everything in a structure as values that can be compared."""
    if isinstance(item, torch.Tensor):
        return (id(item), item.detach().tolist(), item._version, item.requires_grad)
    if isinstance(item, torch.Generator):
        return item.get_state().tolist()
    if isinstance(item, random.Random):
        return item.getstate()
    if isinstance(item, np.random.Generator):
        return repr(item.bit_generator.state)
    if isinstance(item, dict):
        return [(key, frozen(value, depth - 1)) for key, value in item.items()]
    if isinstance(item, list | tuple | deque):
        return [frozen(part, depth - 1) for part in item]
    if isinstance(item, nn.Module | Box) and depth:
        return (id(item), frozen(vars(item), depth - 1))
    return copy.copy(item) if isinstance(item, set) else item


def everything(model: Writer) -> Any:
    """All that a capture could have changed."""
    own = {k: v for k, v in vars(Writer).items() if not k.startswith("__")}
    tensors = [frozen(item) for item in (*model.parameters(), *model.buffers())]
    grads = [None if p.grad is None else frozen(p.grad) for p in model.parameters()]
    world = (torch.get_rng_state().tolist(), random.getstate(), torch.get_default_dtype())
    modes = [module.training for module in model.modules()]
    return frozen(model), frozen(own), tensors, grads, world, modes


WAYS = [layers, buffers, containers, classes, modules, flags, parameters, generators, hooked]


@pytest.mark.parametrize("write", [*WAYS, gradients], ids=lambda way: way.__name__)
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_a_capture_changes_nothing(write: Callable[..., Any], training: bool) -> None:
    torch.manual_seed(0)
    model, x = Writer(write).train(training), torch.randn(4, 4)
    model.norm.eval()
    before = everything(model)
    numbers = np.random.get_state()[1].tolist()
    try:
        graph = capture(model, x)
        assert any(op.kind == "linear" for op in graph.ops)
        assert everything(model) == before
        assert np.random.get_state()[1].tolist() == numbers
        assert x._version == 0
    finally:
        torch.set_default_dtype(torch.float32)


def test_train_mode_is_captured_as_it_runs() -> None:
    model = Writer(layers).train()
    graph = capture(model, torch.randn(4, 4))
    norm = next(op for op in graph.ops if op.weights[:1] == ("norm.weight",))
    assert norm.attrs["statistics"] is True
    words = [op.word for op in graph.ops]
    # Spectral norm takes a step of its power iteration in training, two products each.
    assert words.count("mv") == 2 * (2 + 1)
    evaluated = [op.word for op in capture(model.eval(), torch.randn(4, 4)).ops]
    assert evaluated.count("mv") == 2 * 1


def test_a_failing_forward_is_undone_too() -> None:
    def fail(self: Writer, x: torch.Tensor) -> None:
        containers(self, x)
        buffers(self, x)
        raise KeyError("late")

    model, x = Writer(fail).eval(), torch.randn(4, 4)
    before = everything(model)
    with pytest.raises(ValueError, match="late"):
        capture(model, x)
    assert everything(model) == before
