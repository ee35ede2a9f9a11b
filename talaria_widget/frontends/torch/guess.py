"""Inputs for a model that came with none, from its configuration or its first layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

Guess = tuple[tuple[Any, ...], dict[str, Any], list[str]]
_ASK = "pass inputs=, a tensor, a tuple of arguments or a dict of keyword arguments"
_SIDES = (224, 32, 28, 64, 96, 128, 256, 299, 384, 512)
_LENGTH = 128


def guess(model: nn.Module) -> list[Guess]:
    """Candidate arguments, likeliest first, each with a sentence on what was invented.

    Raises:
        ValueError: nothing can be inferred; the message says what to pass.
    """
    if hasattr(model, "config") and isinstance(getattr(model, "main_input_name", None), str):
        found = _from_configuration(model, model.config, str(model.main_input_name))
        if found:
            return found
    required = _required(model)
    if len(required) != 1:
        names = ", ".join(required) or "none"
        raise ValueError(
            f"inputs cannot be inferred: the forward of {type(model).__name__} takes "
            f"{len(required)} required arguments ({names}); {_ASK}"
        )
    for name, module in model.named_modules():
        maker = next((make for kind, make in _MAKERS if isinstance(module, kind)), None)
        if maker is not None:
            return maker(name or "the model", module)
    raise ValueError(
        f"inputs cannot be inferred: {type(model).__name__} has no convolution, linear, "
        f"recurrent or embedding layer to read a size from; {_ASK}"
    )


def _required(model: nn.Module) -> list[str]:
    return [
        parameter.name
        for parameter in inspect.signature(model.forward).parameters.values()
        if (
            parameter.default is inspect.Parameter.empty
            and parameter.kind is not inspect.Parameter.VAR_KEYWORD
        )
    ]


def _from_configuration(model: nn.Module, config: Any, main: str) -> list[Guess]:
    accepted = inspect.signature(model.forward).parameters
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    extra: dict[str, Any] = {}
    said: list[str] = []
    if "use_cache" in accepted and getattr(text, "use_cache", False):
        extra["use_cache"] = False
        said.append("no key-value cache is kept (use_cache=False)")
    if main == "input_ids":
        vocabulary = getattr(text, "vocab_size", 2)
        length = min(_LENGTH, _positions(text) or _LENGTH)
        ids = _ids((1, length), vocabulary)
        if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in accepted:
            extra["decoder_input_ids"] = ids.clone()
        said.insert(0, f"batch 1 and {length} token ids below {vocabulary} are our guess")
        return [((), {main: ids, **extra}, said)]
    if main == "pixel_values":
        channels = getattr(config, "num_channels", 3)
        size = getattr(config, "image_size", None)
        height, width = size if isinstance(size, list | tuple) else (size or 224, size or 224)
        whence = "from the model's configuration" if size else "is our guess"
        said.insert(0, f"{channels} channels and {height}x{width} {whence}; batch 1 is our guess")
        return [((), {main: _real((1, channels, height, width)), **extra}, said)]
    if main == "input_values":
        said.insert(0, "batch 1 and 16000 samples are our guess")
        return [((), {main: _real((1, 16000)), **extra}, said)]
    return []


def _positions(config: Any) -> int | None:
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _real(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator).to(dtype)


def _ids(shape: tuple[int, ...], below: int) -> torch.Tensor:
    count = 1
    for size in shape:
        count *= size
    return (torch.arange(count) % max(below - 1, 1) + min(1, below - 1)).reshape(shape)


def _dtype(module: nn.Module) -> torch.dtype:
    weights = (p.dtype for p in module.parameters(recurse=False) if p.is_floating_point())
    return next(weights, torch.float32)


def _image(name: str, channels: int, dtype: torch.dtype) -> list[Guess]:
    return [
        (
            (_real((1, channels, side, side), dtype),),
            {},
            [f"{_channels(channels)} from {name}; batch 1 and {side}x{side} are our guess"],
        )
        for side in (_SIDES if channels != 1 else (28, *_SIDES))
    ]


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _conv1d(name: str, module: Any) -> list[Guess]:
    channels = module.in_channels
    lengths = (16000, 1024, 128) if channels == 1 else (128, 1024, 16000)
    return [
        (
            (_real((1, channels, length), _dtype(module)),),
            {},
            [f"{_channels(channels)} from {name}; batch 1 and length {length} are our guess"],
        )
        for length in lengths
    ]


def _conv2d(name: str, module: Any) -> list[Guess]:
    return _image(name, module.in_channels, _dtype(module))


def _conv3d(name: str, module: Any) -> list[Guess]:
    channels = module.in_channels
    said = f"{_channels(channels)} from {name}"
    return [
        (
            (_real((1, channels, frames, side, side), _dtype(module)),),
            {},
            [f"{said}; batch 1 and {frames}x{side}x{side} are our guess"],
        )
        for frames, side in ((16, 112), (16, 224), (32, 224), (32, 32))
    ]


def _linear(name: str, module: Any) -> list[Guess]:
    size = module.in_features
    return [
        (
            (_real((1, size), _dtype(module)),),
            {},
            [f"{size} features from {name}; batch 1 is our guess"],
        ),
        (
            (_real((1, _LENGTH, size), _dtype(module)),),
            {},
            [f"{size} features from {name}; batch 1 and {_LENGTH} steps are our guess"],
        ),
    ]


def _embedding(name: str, module: Any) -> list[Guess]:
    below = module.num_embeddings
    return [
        (
            (_ids((1, length), below),),
            {},
            [f"ids below {below} from {name}; batch 1 and {length} ids are our guess"],
        )
        for length in (_LENGTH, 32, 16, 8)
    ]


def _recurrent(name: str, module: Any) -> list[Guess]:
    steps, size = 16, module.input_size
    shape = (1, steps, size) if module.batch_first else (steps, 1, size)
    said = f"{size} features from {name}; batch 1 and {steps} steps are our guess"
    return [((_real(shape, _dtype(module)),), {}, [said])]


def _layer_norm(name: str, module: Any) -> list[Guess]:
    shape = (1, *module.normalized_shape)
    said = f"shape {'x'.join(map(str, shape[1:]))} from {name}; batch 1 is our guess"
    return [((_real(shape, _dtype(module)),), {}, [said])]


def _batch_norm(name: str, module: Any) -> list[Guess]:
    return _image(name, module.num_features, _dtype(module))


_MAKERS: tuple[tuple[Any, Callable[[str, Any], list[Guess]]], ...] = (
    (nn.Conv1d, _conv1d),
    (nn.Conv2d, _conv2d),
    (nn.ConvTranspose2d, _conv2d),
    (nn.Conv3d, _conv3d),
    (nn.Linear, _linear),
    ((nn.Embedding, nn.EmbeddingBag), _embedding),
    (nn.RNNBase, _recurrent),
    (nn.LayerNorm, _layer_norm),
    (nn.BatchNorm2d, _batch_norm),
)
