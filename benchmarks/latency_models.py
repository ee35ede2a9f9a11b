"""Models of 4 ms and more, of different kinds, to measure predicted latencies on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from torchvision_cpu import models

Loader = Callable[[], tuple[Any, Any]]


class Speech(nn.Module):
    """Three layers of LSTM over 200 frames of 80 features."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(80, 320, 3, batch_first=True)
        self.head = nn.Linear(320, 64)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(frames)
        logits: torch.Tensor = self.head(states)
        return logits


def double(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
        nn.Conv2d(outside, outside, 3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Four levels down and up again, with the wide values of the way down put beside."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        self.down = nn.ModuleList(map(double, (3, *widths[:-1]), widths))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(double(2 * b, b) for _, b in pairs)
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        kept = []
        for level, step in enumerate(self.down):
            image = step(image if level == 0 else nn.functional.max_pool2d(image, 2))
            kept.append(image)
        for grow, step, beside in zip(self.grow, self.up, kept[-2::-1], strict=True):
            image = step(torch.cat([grow(image), beside], 1))
        mask: torch.Tensor = self.head(image)
        return mask


def image(side: int = 224) -> torch.Tensor:
    return torch.randn(1, 3, side, side)


def tokens(length: int = 128) -> torch.Tensor:
    return torch.randint(5, 900, (1, length))


def vision(name: str) -> tuple[Any, Any]:
    return models().get_model(name, weights=None).eval(), image()


def small_vit() -> tuple[Any, Any]:
    config = transformers.ViTConfig(hidden_size=192, num_attention_heads=3, intermediate_size=768)
    return transformers.ViTModel(config).eval(), image()


def bert() -> tuple[Any, Any]:
    return transformers.BertModel(transformers.BertConfig(num_hidden_layers=4)).eval(), tokens()


def gpt2() -> tuple[Any, Any]:
    config = transformers.GPT2Config(n_layer=4, n_embd=512, n_head=8, use_cache=False)
    return transformers.GPT2Model(config).eval(), tokens(64)


def packaged(package: str, path: str, inputs: Any) -> tuple[Any, Any]:
    """An ONNX file that comes inside a package, which is not imported."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{package} is not installed: make setup")
    return Path(spec.submodule_search_locations[0]) / path, inputs


OCR = "rapidocr_onnxruntime"
MODELS: dict[str, Loader] = {
    "ResNet-18": partial(vision, "resnet18"),
    "ResNet-50": partial(vision, "resnet50"),
    "MobileNetV2": partial(vision, "mobilenet_v2"),
    "MobileNetV3-large": partial(vision, "mobilenet_v3_large"),
    "SqueezeNet 1.1": partial(vision, "squeezenet1_1"),
    "ConvNeXt-tiny": partial(vision, "convnext_tiny"),
    "UNet": lambda: (UNet().eval(), image(128)),
    "ViT-tiny": small_vit,
    "BERT, 4 layers": bert,
    "LSTM, 3 layers": lambda: (Speech().eval(), torch.randn(1, 200, 80)),
    "PP-OCRv4 recognition (ONNX)": partial(
        packaged, OCR, "models/ch_PP-OCRv4_rec_infer.onnx", {"x": (1, 3, 48, 320)}
    ),
    "Magika (ONNX)": partial(packaged, "magika", "models/standard_v3_3/model.onnx", None),
}
"""What the rules of the runtime were found on."""

HELD_OUT: dict[str, Loader] = {
    "RegNetY-400MF": partial(vision, "regnet_y_400mf"),
    "GPT-2, 4 layers": gpt2,
}
"""Chosen before anything was measured of them, and reported apart."""
