"""Twenty models to time the capture of: vision, language, and some that run in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
import transformers
from torch import nn

from nets import SmallNet
from torchvision_cpu import models


class Case(NamedTuple):
    """A model, and its inputs as positional and keyword arguments."""

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class SpeechNet(nn.Module):
    """Two layers of LSTM over 160 frames."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 128, 2, batch_first=True)
        self.head = nn.Linear(128, 30)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(x)
        logits: torch.Tensor = self.head(states)
        return logits


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU())


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(128, 4, 512, batch_first=True)
    return nn.TransformerEncoder(layer, 4)


def image(side: int) -> tuple[torch.Tensor]:
    return (torch.randn(1, 3, side, side),)


def tokens(length: int = 128) -> torch.Tensor:
    return torch.randint(0, 900, (1, length))


def vision(name: str, side: int = 224) -> Case:
    return Case(models().get_model(name, weights=None).eval(), image(side), {})


def language(architecture: str, config: Mapping[str, Any], **kwargs: Any) -> Case:
    cls = getattr(transformers, architecture)
    model: nn.Module = cls(cls.config_class(**config)).eval()
    return Case(model, (), {"input_ids": tokens(), **kwargs})


def small(make: Callable[[], nn.Module], *shape: int) -> Case:
    return Case(make().eval(), (torch.randn(*shape),), {})


def t5() -> Case:
    case = language("T5ForConditionalGeneration", {"vocab_size": 1000}, use_cache=False)
    return case._replace(kwargs={**case.kwargs, "decoder_input_ids": tokens(16)})


GPT2 = {"vocab_size": 1000, "n_layer": 6, "bos_token_id": 1, "eos_token_id": 2}
LLAMA = {
    "vocab_size": 1000,
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
}
MODELS: Mapping[str, Callable[[], Case]] = {
    "ResNet-18": partial(vision, "resnet18"),
    "ResNet-50": partial(vision, "resnet50"),
    "VGG-11": partial(vision, "vgg11"),
    "DenseNet-121": partial(vision, "densenet121"),
    "MobileNetV2": partial(vision, "mobilenet_v2"),
    "EfficientNet-B0": partial(vision, "efficientnet_b0"),
    "ConvNeXt-T": partial(vision, "convnext_tiny"),
    "Swin-T": partial(vision, "swin_t"),
    "ViT-B/16": partial(vision, "vit_b_16"),
    "RegNetY-400MF": partial(vision, "regnet_y_400mf"),
    "BERT-base": partial(language, "BertModel", {}),
    "GPT-2, 6 layers": partial(language, "GPT2LMHeadModel", GPT2, use_cache=False),
    "Llama, 8 layers": partial(language, "LlamaForCausalLM", LLAMA, use_cache=False),
    "T5-small": t5,
    "MobileNetV3-S": partial(vision, "mobilenet_v3_small", 96),
    "ShuffleNetV2": partial(vision, "shufflenet_v2_x0_5", 96),
    "LSTM": partial(small, SpeechNet, 1, 160, 40),
    "encoder": partial(small, encoder, 1, 32, 128),
    "perceptron": partial(small, perceptron, 1, 784),
    "SmallNet": partial(small, SmallNet, 1, 3, 32, 32),
}
