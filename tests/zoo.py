"""The zoo: thirty-seven models that come inside ordinary packages, with real inputs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from torch import nn

import torchvision_cpu
from zoo_files import FILES, package_folder
from zoo_traps import TRAPS

ENCODER = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 256,
}
LLAMA = ENCODER | {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000}
GPT2 = {
    "n_embd": 128,
    "n_layer": 2,
    "n_head": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "vocab_size": 1000,
}
T5 = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4, "vocab_size": 1000}
VIT = {
    "hidden_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 192,
    "image_size": 64,
}
MAMBA = {"hidden_size": 64, "num_hidden_layers": 2, "state_size": 8, "vocab_size": 1000}


@dataclass(frozen=True, slots=True)
class Specimen:
    """A model of the zoo: `load(folder)` makes it and its inputs, writing files to the folder."""

    name: str
    framework: Literal["torch", "onnx"]
    load: Callable[[Path], tuple[Any, Any]]


def ids(length: int = 16) -> torch.Tensor:
    return torch.randint(3, 900, (1, length))


def transformer(architecture: str, config: Mapping[str, Any]) -> nn.Module:
    """A Hugging Face model of a configuration, with weights of no meaning."""
    torchvision_cpu.models()  # transformers imports it where it can
    import transformers

    model = getattr(transformers, architecture)
    return model(model.config_class(**config)).eval()


def vision(name: str) -> nn.Module:
    """A torchvision architecture, with weights of no meaning."""
    return torchvision_cpu.models().get_model(name, weights=None).eval()


def source_file(package: str, file: str) -> ModuleType:
    """One source file of a package, without its relative imports nor the package's `__init__`."""
    path = package_folder(package) / file
    tree = ast.parse(path.read_text())
    tree.body = [n for n in tree.body if not (isinstance(n, ast.ImportFrom) and n.level)]
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    exec(compile(tree, str(path), "exec"), module.__dict__)
    return module


def detector(name: str) -> nn.Module:
    """One of MTCNN's networks, with its trained weights."""
    return getattr(source_file("facenet_pytorch", "models/mtcnn.py"), name)().eval()


def _seeded(
    model: Callable[[], nn.Module], inputs: Callable[[], Any], _folder: Path
) -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    return model().eval(), inputs()


def _module(
    name: str, model: Callable[..., nn.Module], *arguments: Any, inputs: Callable[[], Any]
) -> Specimen:
    return Specimen(name, "torch", partial(_seeded, partial(model, *arguments), inputs))


def _uncached() -> dict[str, Any]:
    return {"input_ids": ids(), "use_cache": False}


def _translation() -> dict[str, Any]:
    return {"input_ids": ids(), "decoder_input_ids": ids(4), "use_cache": False}


def _image(size: int = 64, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 3, size, size)


ARCHITECTURES = (
    _module("bert", transformer, "BertForMaskedLM", ENCODER, inputs=ids),
    _module("gpt2", transformer, "GPT2LMHeadModel", GPT2, inputs=_uncached),
    _module("llama-gqa", transformer, "LlamaForCausalLM", LLAMA, inputs=_uncached),
    _module("t5", transformer, "T5ForConditionalGeneration", T5, inputs=_translation),
    _module("vit", transformer, "ViTForImageClassification", VIT, inputs=_image),
    _module("mamba", transformer, "MambaForCausalLM", MAMBA, inputs=_uncached),
    _module("resnet18", vision, "resnet18", inputs=_image),
    _module("mobilenet-v3-small", vision, "mobilenet_v3_small", inputs=_image),
    _module("shufflenet-v2", vision, "shufflenet_v2_x0_5", inputs=_image),
    _module("mtcnn-pnet", detector, "PNet", inputs=lambda: _image(48, 2)),
    _module("mtcnn-onet", detector, "ONet", inputs=lambda: _image(48, 2)),
)
ZOO: Mapping[str, Specimen] = {
    specimen.name: specimen
    for specimen in (
        *ARCHITECTURES,
        *(_module(name, model, inputs=inputs) for name, (model, inputs) in TRAPS.items()),
        *(Specimen(name, "onnx", load) for name, load in FILES.items()),
    )
}
