"""Writes `fixtures/*.json` for the front end without Jupyter: real models, the real pipeline."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import talaria_widget as talaria
from talaria_widget.widget.commands import QUESTIONS

FOLDER = Path(__file__).parent / "fixtures"


class Bottleneck(nn.Module):
    """Three convolutions around a shortcut."""

    def __init__(self, width: int, inner: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        same = width == out and stride == 1
        self.downsample = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet(nn.Module):
    """Fifty layers, in the sizes of the paper."""

    def __init__(self, depths: tuple[int, ...] = (3, 4, 6, 3), width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        at = width
        for stage, depth in enumerate(depths):
            inner = width * 2**stage
            blocks = []
            for block in range(depth):
                stride = 2 if stage and not block else 1
                blocks.append(Bottleneck(at, inner, inner * 4, stride))
                at = inner * 4
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.stages = len(depths)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(at, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The network."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


@torch.library.custom_op("mine::blend", mutates_args=())
def blend(x: torch.Tensor) -> torch.Tensor:
    """An operation that only its author could count."""
    return x * 2


blend.register_fake(torch.empty_like)


class Odd(nn.Module):
    """A layer with an operation that nobody counts, and a branch of which one side runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 64, 3, padding=1)
        self.head, self.other = nn.Linear(64, 10), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The network."""
        y = blend(self.conv(x)).mean((2, 3))
        return torch.cond(y.sum() < 1e9, self.head, self.other, (y,))


class Attention(nn.Module):
    """Self-attention with its four projections."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.output = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix the tokens."""
        shape = (x.shape[0], x.shape[1], self.heads, -1)
        q, k, v = (p(x).view(shape).transpose(1, 2) for p in (self.query, self.key, self.value))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.output(mixed.transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    """A layer of an encoder."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention, self.norm1 = Attention(width, heads), nn.LayerNorm(width)
        self.intermediate, self.output = nn.Linear(width, width * 4), nn.Linear(width * 4, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer."""
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.output(nn.functional.gelu(self.intermediate(x))))


class Encoder(nn.Module):
    """Twelve layers, in the sizes of BERT-base."""

    def __init__(self, depth: int = 12, width: int = 768, heads: int = 12) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(30522, width)
        self.encoder = nn.ModuleList([Layer(width, heads) for _ in range(depth)])
        self.classifier = nn.Linear(width, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """The network."""
        x = self.embeddings(ids)
        for layer in self.encoder:
            x = layer(x)
        return self.classifier(x[:, 0])


def resnet(device: str = "apple-a17-pro-ane", marked: bool = True) -> Any:
    """ResNet-50 with a recipe of three rules."""
    widget = talaria.show(ResNet().eval(), device=device, recipe={})
    if marked:
        wide = talaria.Quantize(8, activations=talaria.Activations(8))
        widget.mark("layer3.[1-5].conv2", wide)
        widget.mark("layer4.*", talaria.Quantize(8))
        widget.mark("fc", talaria.Quantize(8))
        widget.targets = {"size_bytes": 45e6, "latency_s": 1.3e-3}
    widget.selection = ["layer4.1.conv1", "layer4.1.conv3", "layer4.2.conv1"]
    return widget


def here() -> Any:
    """ResNet-50, most of it in 8 bits, for `measured.ts` to make a measured one of."""
    widget = talaria.show(ResNet().eval(), device="cpu-avx2", recipe={})
    widget.mark("*", talaria.Quantize(8, activations=talaria.Activations(8)))
    widget.mark("layer1.*", None)
    widget.mark("fc", talaria.Quantize(8))
    widget.targets = {"size_bytes": 45e6, "latency_s": 8e-2}
    widget.selection = ["layer4.1.conv1", "layer4.1.conv3", "layer4.2.conv1"]
    return widget


FIXTURES: dict[str, Callable[[], Any]] = {
    "resnet": resnet,
    "resnet-plain": lambda: resnet(marked=False),
    "resnet-here": here,
    "resnet-stm32": lambda: resnet("stm32-h7", marked=False),
    "encoder": lambda: talaria.show(
        Encoder().eval(), torch.zeros(1, 128, dtype=torch.long), device="cpu-avx2"
    ),
    "unknown": lambda: talaria.show(Odd().eval(), torch.zeros(1, 3, 64, 64), device="cpu-avx2"),
    "large": lambda: talaria.show(
        ResNet((200, 400, 500, 100), 8).eval(), torch.zeros(1, 3, 64, 64), device="cpu-avx2"
    ),
}


DETAILED: dict[str, tuple[str, ...]] = {
    "resnet": ("conv1", "layer3.1.conv2", "layer4.1.conv1"),
    "resnet-here": ("conv1", "layer4.1.conv1"),
    "encoder": ("encoder.0.attention/scaled_dot_product_attention",),
    "unknown": ("conv", "blend"),
}
"""Rows whose details are kept with a fixture."""


def write(name: str, widget: Any, folder: Path = FOLDER) -> None:
    """One widget's traits as JSON, with its buffers in base64."""
    state = widget.get_state()
    packed = {key: base64.b64encode(state[key]).decode() for key in ("_program", "_report")}
    plain = {key: state[key] for key in ("_recipe", "_status", "device", "selection", "targets")}
    plain["details"] = {row: told(widget, row) for row in DETAILED.get(name, ())}
    (folder / f"{name}.json").write_text(json.dumps(packed | plain), encoding="utf-8")


def told(widget: Any, row: str) -> Any:
    """What Python says of a row that the page asks for."""
    return QUESTIONS["details"](widget, {"sequence": 0, "row": row})


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in FIXTURES.items():
        write(name, make())


if __name__ == "__main__":
    main()
