"""LSTM, GRU and plain recurrent layers, one ONNX node for each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

aten = torch.ops.aten
Tensor = torch.Tensor


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of recurrent layer: its operator, and torch's gates in ONNX's order."""

    kind: str
    gates: tuple[int, ...]
    attributes: Mapping[str, Any]


# torch keeps i f g o, ONNX i o f c; torch r z n, ONNX z r h (onnx/docs/Operators.md).
LSTM = Cell("LSTM", (0, 3, 1, 2), {})
GRU = Cell("GRU", (1, 0, 2), {"linear_before_reset": 1})


def _reordered(emit: Emit, given: Tensor, gates: Sequence[int]) -> str:
    """A weight or bias with its gates in another order."""
    if len(gates) == 1:
        return emit.value(given)
    parts = emit.ops("Split", len(gates), given, axis=0, num_outputs=len(gates))
    return emit.op("Concat", *[parts[gate] for gate in gates], axis=0)


def _stacked(emit: Emit, names: Sequence[str]) -> str:
    """One entry for each direction."""
    first = emit.ints([0])
    parts = [emit.op("Unsqueeze", name, first) for name in names]
    return parts[0] if len(parts) == 1 else emit.op("Concat", *parts, axis=0)


def _for_directions(attributes: Mapping[str, Any], directions: int) -> dict[str, Any]:
    return {
        name: value * directions if isinstance(value, list) else value
        for name, value in attributes.items()
    }


def _of_layer(emit: Emit, state: Tensor, at: int, directions: int, layers: int) -> str:
    """A layer's part of a first state."""
    if layers == 1:
        return emit.value(state)
    ends = emit.ints([at + directions])
    return emit.op("Slice", state, emit.ints([at]), ends, emit.ints([0]))


def recurrent(
    cell: Cell,
    emit: Emit,
    out: Sequence[Tensor],
    x: Tensor,
    hx: Tensor | Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[str, ...]:
    """Layers of a cell, with one state or, as an LSTM has them, two."""
    if train and dropout and num_layers > 1:
        raise CannotLower("the recurrent layer drops out at random: call model.eval() first")
    states = [hx] if isinstance(hx, Tensor) else hx
    directions = 2 if bidirectional else 1
    per_direction = len(params) // (num_layers * directions)
    if per_direction not in (2, 4):
        raise CannotLower("a recurrent layer with a projection has no form in ONNX")
    steps, batch = (x.shape[1], x.shape[0]) if batch_first else (x.shape[0], x.shape[1])
    hidden = params[1].shape[1]
    name = emit.op("Transpose", x, perm=[1, 0, 2]) if batch_first else emit.value(x)
    finals: list[list[str]] = [[] for _ in states]
    for layer in range(num_layers):
        at = layer * directions
        groups = [
            params[(at + d) * per_direction : (at + d + 1) * per_direction]
            for d in range(directions)
        ]
        weights = [
            _stacked(emit, [_reordered(emit, group[i], cell.gates) for group in groups])
            for i in range(2)
        ]
        bias = None
        if has_biases:
            pairs = [[_reordered(emit, b, cell.gates) for b in group[2:4]] for group in groups]
            bias = _stacked(emit, [emit.op("Concat", *pair, axis=0) for pair in pairs])
        initial = [_of_layer(emit, state, at, directions, num_layers) for state in states]
        made = emit.ops(
            cell.kind,
            1 + len(states),
            name,
            *weights,
            bias,
            None,
            *initial,
            hidden_size=hidden,
            direction="bidirectional" if bidirectional else "forward",
            **_for_directions(cell.attributes, directions),
        )
        name = emit.op("Transpose", made[0], perm=[0, 2, 1, 3])
        name = emit.reshape(name, (steps, batch, directions * hidden))
        for final, found in zip(finals, made[1:], strict=True):
            final.append(found)
    if batch_first:
        name = emit.op("Transpose", name, perm=[1, 0, 2])
    ends = [f[0] if len(f) == 1 else emit.op("Concat", *f, axis=0) for f in finals]
    return (name, *ends)


def packed(emit: Emit, *_: Any, **__: Any) -> str:
    """Sequences of different lengths, one behind another."""
    raise CannotLower("a packed sequence has no form in ONNX")


RULES: Mapping[Any, Any] = {
    aten.lstm.input: partial(recurrent, LSTM),
    aten.gru.input: partial(recurrent, GRU),
    aten.rnn_tanh.input: partial(recurrent, Cell("RNN", (0,), {"activations": ["Tanh"]})),
    aten.rnn_relu.input: partial(recurrent, Cell("RNN", (0,), {"activations": ["Relu"]})),
    aten.lstm.data: packed,
    aten.gru.data: packed,
    aten.rnn_tanh.data: packed,
    aten.rnn_relu.data: packed,
}
