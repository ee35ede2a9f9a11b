"""Twelve small modules that each hold one thing that naive analysers trip over."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class _TwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.warm = nn.Linear(8, 8)
        self.cold = nn.Linear(8, 8)


class HigherOrderBranch(_TwoLayers):
    """Both branches are traced and one is taken."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(
            x.sum() > 0, lambda given: self.warm(given), lambda given: self.cold(given), (x,)
        )


class PythonBranch(_TwoLayers):
    """The question can only be answered by the data."""

    def forward(self, x: Tensor) -> Tensor:
        return self.warm(x) if x.sum() > 0 else self.cold(x)


class TiedTable(nn.Module):
    """One weight under two names, looked up and multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(1000, 32)
        self.head = nn.Linear(32, 1000, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.table(ids))


class CalledThrice(nn.Module):
    """One layer under two names, called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)
        self.again = self.layer

    def forward(self, x: Tensor) -> Tensor:
        return self.again(functional.relu(self.layer(self.layer(x))))


class Convolutions(nn.Module):
    """Grouped, depthwise with dilation, and transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(8, 16, 3, groups=4, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, groups=16, dilation=2, padding="same")
        self.transposed = nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.transposed(functional.relu_(self.depthwise(self.grouped(x)))))


class Recurrent(nn.Module):
    """A two-layer bidirectional LSTM before a GRU; the outputs are nested."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(16, 32, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(64, 32, batch_first=True)

    def forward(self, x: Tensor) -> dict[str, Any]:
        states, last = self.lstm(x)
        out, hidden = self.gru(states)
        return {"out": out, "state": (last, hidden)}


class WritesInPlace(nn.Module):
    """Counts its own calls in a buffer, and writes into views."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        y = x.clone()
        y[:, 0] = 0
        y.add_(self.calls)
        y[y > 1] = 1
        return y


class Spectrum(nn.Module):
    """A filter whose weight is complex."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Parameter(torch.randn(17, dtype=torch.cfloat))

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(x, dim=-1) * self.filter, n=32, dim=-1)


class Keywords(nn.Module):
    """Keyword-only arguments, one of them nested, and nested outputs with a `None`."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor, *, mask: Tensor, extra: Mapping[str, Any]) -> dict[str, Any]:
        y = self.layer(x) * mask
        return {"y": y, "deep": [(y + extra["shift"],), {"z": extra["list"][0]}], "none": None}


class SizesFromData(nn.Module):
    """How long the results are is known only once it runs."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[x > 0].sum(), torch.nonzero(x)


class PartlyHalf(nn.Module):
    """One call under autocast, one outside."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = self.layer(x)
        return half.float() + self.layer(x)


def _quantized() -> nn.Module:
    """Layers whose int8 weights are packed inside, out of sight."""
    net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on its way out of torch, and still in people's models
        return torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, torch.qint8)


def _keywords() -> dict[str, Any]:
    extra = {"shift": torch.randn(4), "list": [torch.randn(2)]}
    return {"x": torch.randn(2, 4), "mask": torch.ones(2, 1), "extra": extra}


TRAPS: Mapping[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "torch-cond": (HigherOrderBranch, lambda: torch.randn(2, 8)),
    "branch-on-data": (PythonBranch, lambda: torch.randn(2, 8)),
    "tied": (TiedTable, lambda: torch.randint(0, 9, (2, 5))),
    "shared-module": (CalledThrice, lambda: torch.randn(2, 16)),
    "group-depthwise-transposed": (Convolutions, lambda: torch.randn(1, 8, 16, 16)),
    "lstm-gru": (Recurrent, lambda: torch.randn(2, 5, 16)),
    "in-place-buffer": (WritesInPlace, lambda: torch.randn(3, 4)),
    "fft-complex": (Spectrum, lambda: torch.randn(2, 32)),
    "keywords-nested": (Keywords, _keywords),
    "nonzero": (SizesFromData, lambda: torch.randn(4, 4)),
    "autocast": (PartlyHalf, lambda: torch.randn(2, 8)),
    "eager-quantized": (_quantized, lambda: torch.randn(2, 16)),
}
