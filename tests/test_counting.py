"""Random small networks: our counts against loops that count each product they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import naive
from naive import Machine
from talaria_widget.frontends.torch import capture
from talaria_widget.graph import Graph, Work
from talaria_widget.work import count

Run = Callable[[Machine, torch.Tensor], torch.Tensor]
# The same networks on every run: a count that is wrong now and then must not come and go.
FEW = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@dataclass(frozen=True)
class Step:
    """A module, and the same written as loops."""

    module: nn.Module
    run: Run


def total(graph: Graph) -> Work:
    return sum((count(graph, op) for op in graph.ops), Work())


def plain(module: nn.Module) -> Step:
    """A module without products of its own."""
    return Step(module, lambda machine, x: module(x))


def layer(module: nn.Module) -> Step:
    run = next(run for kind, run in naive.LAYERS if isinstance(module, kind))
    return Step(module, lambda machine, x: run(machine, module, x))


class Heads(nn.Module):
    """Attention of a sequence with itself, its heads sharing keys."""

    def __init__(self, heads: int, shared: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.shared, self.causal = heads, shared, causal

    def split(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        batch, length, width = x.shape
        q = x.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)
        return q, q[:, :: self.shared]

    def merge(self, y: torch.Tensor) -> torch.Tensor:
        return y.transpose(1, 2).flatten(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k = self.split(x)
        return self.merge(
            functional.scaled_dot_product_attention(
                q, k, k, is_causal=self.causal, enable_gqa=self.shared > 1
            )
        )


class Equation(nn.Module):
    """An einsum of the input with itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum(self.text, x, x)


class Gram(nn.Module):
    """The product of the input's rows with one another, and with the input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ x.transpose(-1, -2) @ x


def heads(heads: int, shared: int, causal: bool) -> Step:
    module = Heads(heads, shared, causal)

    def run(machine: Machine, x: torch.Tensor) -> torch.Tensor:
        q, k = module.split(x)
        return module.merge(naive.attention(machine, q, k, k, causal))

    return Step(module, run)


def gram() -> Step:
    def run(machine: Machine, x: torch.Tensor) -> torch.Tensor:
        square = naive.equation(machine, "bid,bjd->bij", x, x)
        return naive.equation(machine, "bij,bjd->bid", square, x)

    return Step(Gram(), run)


def einsum(text: str) -> Step:
    return Step(Equation(text), lambda machine, x: naive.equation(machine, text, x, x))


@st.composite
def convolutions(draw: st.DrawFn, channels: int, dims: int) -> tuple[Step, int]:
    groups = draw(st.sampled_from([g for g in (1, 2, channels) if channels % g == 0]))
    out = groups * draw(st.integers(1, 3))
    kernel, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    options: dict[str, Any] = {
        "groups": groups,
        "dilation": dilation,
        "stride": draw(st.integers(1, 2)),
        "padding": dilation * (kernel // 2),
        "bias": draw(st.booleans()),
    }
    if draw(st.booleans()):
        kinds: Sequence[Any] = (nn.ConvTranspose1d, nn.ConvTranspose2d)
        options["padding"] = 0
    else:
        kinds = (nn.Conv1d, nn.Conv2d)
    return layer(kinds[dims - 1](channels, out, kernel, **options)), out


@st.composite
def images(draw: st.DrawFn) -> tuple[list[Step], torch.Tensor]:
    """A chain of convolutions, norms, pools and activations over an image or a signal."""
    dims = draw(st.integers(1, 2))
    channels = draw(st.integers(1, 4))
    shape = (draw(st.integers(1, 2)), channels, *[draw(st.integers(4, 6)) for _ in range(dims)])
    steps: list[Step] = []
    norm, pool = (nn.BatchNorm1d, nn.BatchNorm2d)[dims - 1], (nn.MaxPool1d, nn.MaxPool2d)[dims - 1]
    for _ in range(draw(st.integers(1, 2))):
        step, channels = draw(convolutions(channels, dims))
        steps.append(step)
        others = (norm(channels), nn.GroupNorm(1, channels), nn.ReLU(), nn.SiLU(), pool(2, 1))
        steps.append(plain(draw(st.sampled_from(others))))
    return steps, torch.randn(shape, dtype=torch.float64)


@st.composite
def sequences(draw: st.DrawFn) -> tuple[list[Step], torch.Tensor]:
    """A chain of linear, attention and recurrent layers over a sequence."""
    width = draw(st.sampled_from([2, 4, 8]))
    shape = (draw(st.integers(1, 2)), draw(st.integers(2, 5)), width)
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["linear", "heads", "gram", "einsum", "recurrent", "norm"]))
        if kind == "linear":
            out = draw(st.sampled_from([2, 4, 8]))
            steps.append(layer(nn.Linear(width, out, bias=draw(st.booleans()))))
            width = out
        elif kind == "heads":
            count_of = draw(st.sampled_from([h for h in (1, 2, 4) if width % h == 0]))
            shared = draw(st.sampled_from([s for s in (1, 2) if count_of % s == 0]))
            steps.append(heads(count_of, shared, draw(st.booleans())))
        elif kind == "gram":
            steps.append(gram())
        elif kind == "einsum":
            steps.append(einsum(draw(st.sampled_from(["bid,bie->bde", "bid,ajd->biaj"]))))
            break
        elif kind == "recurrent":
            step, width = draw(recurrences(width))
            steps.append(step)
        else:
            steps.append(plain(nn.Sequential(nn.LayerNorm(width), nn.GELU())))
    return steps, torch.randn(shape, dtype=torch.float64)


@st.composite
def recurrences(draw: st.DrawFn, width: int) -> tuple[Step, int]:
    kind = draw(st.sampled_from([nn.LSTM, nn.GRU, nn.RNN]))
    hidden = draw(st.integers(2, 3))
    options: dict[str, Any] = {
        "num_layers": draw(st.integers(1, 2)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "batch_first": True,
    }
    if kind is nn.LSTM and draw(st.booleans()):
        options["proj_size"] = 1
    module = kind(width, hidden, **options)
    state = options.get("proj_size", hidden) * (2 if options["bidirectional"] else 1)
    return Step(Taken(module), layer(module).run), state


class Taken(nn.Module):
    """A recurrent layer's states, without the last one apart."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.layer(x)[0]
        return states


def check(steps: list[Step], x: torch.Tensor) -> None:
    model = nn.Sequential(*[step.module for step in steps]).double().eval()
    machine, value = Machine(), x
    with torch.no_grad():
        expected = model(x)
        for step in steps:
            value = step.run(machine, value)
    assert torch.allclose(value, expected), "the loops compute something else"
    assert total(capture(model, x)).macs == machine.products


@FEW
@given(images())
def test_convolutions(net: tuple[list[Step], torch.Tensor]) -> None:
    check(*net)


@settings(FEW, max_examples=100)
@given(sequences())
def test_products_attention_and_recurrence(net: tuple[list[Step], torch.Tensor]) -> None:
    check(*net)


class Renamed(nn.Module):
    """The same chain under other names, in modules within modules."""

    def __init__(self, parts: Sequence[nn.Module], names: Sequence[str]) -> None:
        super().__init__()
        self.order = [f"{name}_{at}" for at, name in enumerate(names)]
        for name, part in zip(self.order, parts, strict=True):
            self.add_module(name, nn.Sequential(nn.Sequential(part)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name in self.order:
            x = self.get_submodule(name)(x)
        return x


class Branches(nn.Module):
    """Independent branches that run in one order and are put together in another."""

    def __init__(self, branches: Sequence[nn.Module], order: Sequence[int]) -> None:
        super().__init__()
        self.branches, self.order = nn.ModuleList(branches), order

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        done = {at: self.branches[at](x) for at in self.order}
        return [done[at] for at in range(len(done))]


def amounts(model: nn.Module, x: torch.Tensor) -> tuple[Work, int]:
    """All work, and the parameters used."""
    graph = capture(model.double().eval(), x)
    return total(graph), graph.parameters


@FEW
@given(images() | sequences(), st.data())
def test_names_and_wrapping_change_no_total(
    net: tuple[list[Step], torch.Tensor], data: st.DataObject
) -> None:
    steps, x = net
    parts = [step.module for step in steps]
    names = [data.draw(st.text("abcxyz", min_size=1, max_size=5)) for _ in parts]
    assert amounts(nn.Sequential(*parts), x) == amounts(Renamed(parts, names), x)


@FEW
@given(st.lists(images(), min_size=2, max_size=3), st.data())
def test_order_of_branches_changes_no_total(
    nets: list[tuple[list[Step], torch.Tensor]], data: st.DataObject
) -> None:
    x = nets[0][1]
    branches = [
        nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), chain[1][0].numel())) for chain in nets
    ]
    branches += [nn.Sequential(*[step.module for step in nets[0][0]])]
    order = data.draw(st.permutations(range(len(branches))))
    assert amounts(Branches(branches, range(len(branches))), x) == amounts(
        Branches(branches, order), x
    )
