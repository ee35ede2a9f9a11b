"""Multiply-adds counted on real tensors while a model runs; none of the product's code is used.

Layers are counted by forward hooks with a formula each. What runs outside of them is counted
where torch dispatches it, matrix products and convolutions. Attention is made to run as its two
products, so that it needs no formula here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from transformers.pytorch_utils import Conv1D

aten = torch.ops.aten


@dataclass(slots=True)
class Tally:
    """Multiply-adds of layers and of what runs outside them; `inside` is the depth in layers."""

    layers: int = 0
    outside: int = 0
    inside: int = 0

    @property
    def total(self) -> int:
        """All multiply-adds."""
        return self.layers + self.outside


def convolved(layer: Any, x: torch.Tensor, y: torch.Tensor) -> int:
    """Each output channel of each position sees the inputs of its group under the kernel."""
    positions = y.numel() // layer.out_channels
    kernel = 1
    for side in layer.kernel_size:
        kernel *= side
    return int(positions * layer.out_channels * (layer.in_channels // layer.groups) * kernel)


def spread(layer: Any, x: torch.Tensor, y: torch.Tensor) -> int:
    """A transposed convolution: each input is spread over the outputs of its group."""
    positions = x.numel() // layer.in_channels
    kernel = 1
    for side in layer.kernel_size:
        kernel *= side
    return int(positions * layer.in_channels * (layer.out_channels // layer.groups) * kernel)


def projected(layer: Any, x: torch.Tensor, y: torch.Tensor) -> int:
    """One product per row, input and output."""
    rows = x.numel() // layer.in_features
    return int(rows * layer.in_features * layer.out_features)


def projected_by_columns(layer: Any, x: torch.Tensor, y: torch.Tensor) -> int:
    """GPT-2's layer, a linear one with its weight the other way round."""
    return int(x.numel() // layer.nx * layer.nx * layer.nf)


def combined(layer: Any, x: torch.Tensor, y: torch.Tensor) -> int:
    """A bilinear layer: x1 W for each output, then its product with x2."""
    rows = x.numel() // layer.in1_features
    return int(rows * layer.out_features * layer.in1_features * (layer.in2_features + 1))


def recurred(gates: int, layer: Any, x: Any, y: Any) -> int:
    """Per step, row, layer and direction: each gate sees the input and the last state."""
    rows = x.data.shape[0] if hasattr(x, "batch_sizes") else x.numel() // x.shape[-1]
    directions = 2 if layer.bidirectional else 1
    state = layer.proj_size or layer.hidden_size
    total, width = 0, layer.input_size
    for _ in range(layer.num_layers):
        cell = gates * layer.hidden_size * (width + state) + layer.proj_size * layer.hidden_size
        total += rows * directions * cell
        width = state * directions
    return int(total)


def stepped(gates: int, layer: Any, x: torch.Tensor, y: Any) -> int:
    """One step of a recurrent layer."""
    rows = x.numel() // layer.input_size
    return int(rows * gates * layer.hidden_size * (layer.input_size + layer.hidden_size))


LAYERS: Mapping[type[nn.Module], Callable[[Any, Any, Any], int]] = {
    nn.Conv1d: convolved,
    nn.Conv2d: convolved,
    nn.Conv3d: convolved,
    nn.ConvTranspose1d: spread,
    nn.ConvTranspose2d: spread,
    nn.ConvTranspose3d: spread,
    nn.Linear: projected,
    Conv1D: projected_by_columns,
    nn.Bilinear: combined,
    nn.LSTM: partial(recurred, 4),
    nn.GRU: partial(recurred, 3),
    nn.RNN: partial(recurred, 1),
    nn.LSTMCell: partial(stepped, 4),
    nn.GRUCell: partial(stepped, 3),
    nn.RNNCell: partial(stepped, 1),
}


def _mm(a: torch.Tensor, b: torch.Tensor) -> int:
    return a.shape[0] * a.shape[1] * b.shape[1]


def _bmm(a: torch.Tensor, b: torch.Tensor) -> int:
    return a.shape[0] * a.shape[1] * a.shape[2] * b.shape[2]


def _convolution(x: torch.Tensor, weight: torch.Tensor, *rest: Any, result: torch.Tensor) -> int:
    transposed = rest[4]
    per_position = weight.numel() // weight.shape[0]
    return (x if transposed else result).numel() * per_position


def _grouped(a: torch.Tensor, b: torch.Tensor, ends: torch.Tensor) -> int:
    """Only the rows that were routed, group by group."""
    total, start = 0, 0
    for group, end in enumerate(ends.tolist()):
        matrix = b[group]
        total += (end - start) * matrix.shape[0] * matrix.shape[1]
        start = end
    return total


class Products(TorchDispatchMode):
    """Counts products and convolutions as torch runs them, outside of counted layers."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tally = tally

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self._tally.inside:
            self._tally.outside += self._count(func.overloadpacket, args, kwargs or {}, result)
        return result

    def _count(self, packet: Any, args: Any, kwargs: Any, result: Any) -> int:
        if packet is aten.mm:
            return _mm(args[0], args[1])
        if packet is aten.addmm:
            return _mm(args[1], args[2])
        if packet is aten.bmm:
            return _bmm(args[0], args[1])
        if packet is aten.baddbmm:
            return _bmm(args[1], args[2])
        if packet in (aten.mv, aten.dot, aten.vdot):
            return int(args[0].numel())
        if packet is aten.addmv:
            return int(args[1].numel())
        if packet is aten.linalg_solve_triangular:
            return int(result.numel()) * (int(args[0].shape[-1]) - 1) // 2
        if packet is aten.convolution:
            return _convolution(*args, result=result)
        if packet is aten._grouped_mm:
            ends = args[2] if len(args) > 2 else kwargs["offs"]
            return _grouped(args[0], args[1], ends)
        name = str(packet)
        if "attention" in name or "rnn" in name or "lstm" in name or "gru" in name:
            raise NotImplementedError(f"{name} ran in one piece, and has no formula here")
        return 0


@contextmanager
def _hooked(model: nn.Module, tally: Tally) -> Iterator[None]:
    def enter(layer: nn.Module, args: Any) -> None:
        tally.inside += 1

    def leave(layer: nn.Module, args: Any, result: Any) -> None:
        tally.inside -= 1
        if not tally.inside:
            tally.layers += _formula(layer)(layer, args[0], result)  # type: ignore[misc]

    handles = []
    for layer in model.modules():
        if _formula(layer) is not None:
            handles += [
                layer.register_forward_pre_hook(enter),
                layer.register_forward_hook(leave),
            ]
    yield
    for handle in handles:
        handle.remove()


def _formula(layer: nn.Module) -> Callable[[Any, Any, Any], int] | None:
    """The formula of a layer that computes as its class does, subclasses that only rename too."""
    for kind, formula in LAYERS.items():
        if isinstance(layer, kind) and type(layer).forward is kind.forward:
            return formula
    return None


@torch.no_grad()
def independent_count(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tally:
    """Run a model once on real tensors and count its multiply-adds."""
    tally = Tally()
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as stack:
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            stack.enter_context(_hooked(model, tally))
            stack.enter_context(Products(tally))
            model(*args, **kwargs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return tally
