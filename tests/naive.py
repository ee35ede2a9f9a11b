"""Layers written as loops over their indices, on a machine that counts each product it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import nn

Array = dict[tuple[int, ...], float]


class Machine:
    """Multiplies two numbers, and knows how often it did."""

    def __init__(self) -> None:
        self.products = 0

    def multiply(self, a: float, b: float) -> float:
        self.products += 1
        return a * b


def array(tensor: torch.Tensor) -> Array:
    values = tensor.detach().flatten().tolist()
    return dict(zip(product(*map(range, tensor.shape)), values, strict=True))


def tensor(values: Array, shape: Sequence[int]) -> torch.Tensor:
    flat = [values.get(index, 0.0) for index in product(*map(range, shape))]
    return torch.tensor(flat, dtype=torch.float64).reshape(tuple(shape))


def _bias(layer: Any, channel: int) -> float:
    return 0.0 if layer.bias is None else float(layer.bias[channel])


def convolution(machine: Machine, layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Positions in the padding are multiplied too, as zeros."""
    sizes, kernel = x.shape[2:], layer.kernel_size
    out = [
        (size + 2 * pad - gap * (k - 1) - 1) // step + 1
        for size, pad, gap, k, step in zip(
            sizes, layer.padding, layer.dilation, kernel, layer.stride, strict=True
        )
    ]
    image, weight, result = array(x), array(layer.weight), {}
    per_group, made = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    for n, channel in product(range(len(x)), range(layer.out_channels)):
        first = channel // made * per_group
        for position in product(*map(range, out)):
            total = _bias(layer, channel)
            for offset in product(*map(range, kernel)):
                at = tuple(
                    p * step - pad + o * gap
                    for p, step, pad, o, gap in zip(
                        position, layer.stride, layer.padding, offset, layer.dilation, strict=True
                    )
                )
                for part in range(per_group):
                    seen = image.get((n, first + part, *at), 0.0)
                    total += machine.multiply(seen, weight[channel, part, *offset])
            result[n, channel, *position] = total
    return tensor(result, (len(x), layer.out_channels, *out))


def transposed(machine: Machine, layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Each input is spread over the kernel, cropped or not."""
    sizes, kernel = x.shape[2:], layer.kernel_size
    out = [
        (size - 1) * step - 2 * pad + gap * (k - 1) + more + 1
        for size, step, pad, gap, k, more in zip(
            sizes,
            layer.stride,
            layer.padding,
            layer.dilation,
            kernel,
            layer.output_padding,
            strict=True,
        )
    ]
    image, weight = array(x), array(layer.weight)
    shape = (len(x), layer.out_channels, *out)
    result = {index: _bias(layer, index[1]) for index in product(*map(range, shape))}
    per_group, made = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    for (n, channel, *position), value in image.items():
        first = channel // per_group * made
        for offset in product(*map(range, kernel)):
            at = tuple(
                p * step - pad + o * gap
                for p, step, pad, o, gap in zip(
                    position, layer.stride, layer.padding, offset, layer.dilation, strict=True
                )
            )
            for part in range(made):
                spread = machine.multiply(value, weight[channel, part, *offset])
                if (n, first + part, *at) in result:
                    result[n, first + part, *at] += spread
    return tensor(result, shape)


def equation(machine: Machine, text: str, *operands: torch.Tensor) -> torch.Tensor:
    """An einsum of two operands over every index at once."""
    left, right = text.split("->")
    terms = left.split(",")
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, operands, strict=True):
        sizes.update(zip(term, operand.shape, strict=True))
    first, second = map(array, operands)
    result: Array = {}
    for point in product(*map(range, sizes.values())):
        at: Mapping[str, int] = dict(zip(sizes, point, strict=True))
        a, b = (tuple(at[index] for index in term) for term in terms)
        where = tuple(at[index] for index in right)
        result[where] = result.get(where, 0.0) + machine.multiply(first[a], second[b])
    return tensor(result, [sizes[index] for index in right])


def rows_times(machine: Machine, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Every row of x times every row of a weight."""
    rows = x.reshape(-1, x.shape[-1])
    made = equation(machine, "ij,oj->io", rows, weight)
    return made.reshape(*x.shape[:-1], len(weight))


def linear(machine: Machine, layer: Any, x: torch.Tensor) -> torch.Tensor:
    made = rows_times(machine, layer.weight, x)
    return made if layer.bias is None else made + layer.bias


def attention(
    machine: Machine, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool
) -> torch.Tensor:
    """Heads that share keys read them once each; what a causal mask hides is computed first."""
    shared = q.shape[1] // k.shape[1]
    k, v = (part.repeat_interleave(shared, 1) for part in (k, v))
    scores = equation(machine, "bhqd,bhkd->bhqk", q, k) * q.shape[-1] ** -0.5
    if causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(hidden, float("-inf"))
    return equation(machine, "bhqk,bhkd->bhqd", scores.softmax(-1), v)


def _lstm(gates: list[torch.Tensor], cell: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    i, f, g, o = sum(gates).chunk(4, -1)  # type: ignore[union-attr]
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def recurrent(machine: Machine, layer: Any, x: torch.Tensor) -> torch.Tensor:
    """A recurrent layer of any mode, step by step; its batch comes first."""
    directions = 2 if layer.bidirectional else 1
    for depth in range(layer.num_layers):
        ways = []
        for way in range(directions):
            tail = f"l{depth}" + ("_reverse" if way else "")
            ways.append(_one_way(machine, layer, x, tail, backwards=bool(way)))
        x = torch.cat(ways, -1)
    return x


def _one_way(
    machine: Machine, layer: Any, x: torch.Tensor, tail: str, *, backwards: bool
) -> torch.Tensor:
    def given(name: str) -> Any:
        return getattr(layer, f"{name}_{tail}", None)

    def affine(kind: str, value: torch.Tensor) -> torch.Tensor:
        made = rows_times(machine, given(f"weight_{kind}"), value)
        return made if given(f"bias_{kind}") is None else made + given(f"bias_{kind}")

    state = torch.zeros(len(x), layer.proj_size or layer.hidden_size, dtype=x.dtype)
    cell = torch.zeros(len(x), layer.hidden_size, dtype=x.dtype)
    states = []
    steps = range(x.shape[1])
    for step in reversed(steps) if backwards else steps:
        gates = [affine("ih", x[:, step]), affine("hh", state)]
        if layer.mode == "LSTM":
            state, cell = _lstm(gates, cell)
            if layer.proj_size:
                state = rows_times(machine, given("weight_hr"), state)
        elif layer.mode == "GRU":
            (r1, z1, n1), (r2, z2, n2) = (gate.chunk(3, -1) for gate in gates)
            update = (z1 + z2).sigmoid()
            state = (1 - update) * (n1 + (r1 + r2).sigmoid() * n2).tanh() + update * state
        else:
            state = (gates[0] + gates[1]).tanh()
        states.append(state)
    return torch.stack(states[::-1] if backwards else states, 1)


LAYERS: tuple[tuple[type[nn.Module], Callable[[Machine, Any, torch.Tensor], torch.Tensor]], ...] = (
    (nn.modules.conv._ConvTransposeNd, transposed),
    (nn.modules.conv._ConvNd, convolution),
    (nn.Linear, linear),
    (nn.RNNBase, recurrent),
)
