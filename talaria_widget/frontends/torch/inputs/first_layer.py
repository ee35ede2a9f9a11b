"""Inputs that a model's first layer with weights can take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from talaria_widget.frontends.torch.inputs.samples import Guess, ids, numbers, precision, sizes

_SIDES = (224, 32, 28, 64, 96, 128, 256, 299, 384, 512)
_LENGTH = 128
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def guesses(model: nn.Module, only: type[nn.Module] = nn.Module) -> list[Guess]:
    """Candidates for one argument, likeliest first; none where no layer says a size."""
    for name, module in model.named_modules():
        maker = next((make for kinds, make in _MAKERS if _is_one(module, kinds)), None)
        if maker is not None and _is_one(module, (only,)):
            try:
                return maker(name or "the model", module)
            except AttributeError:  # a traced layer keeps its weights, not its settings
                continue
    return []


def _is_one(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> bool:
    """Whether a module is of some kinds, or TorchScript of one."""
    scripted = getattr(module, "original_name", None)
    return isinstance(module, kinds) or scripted in [kind.__name__ for kind in kinds]


def channels(model: nn.Module) -> int | None:
    """The channels that the first convolution takes."""
    found = (module for module in model.modules() if isinstance(module, _CONVOLUTIONS))
    first = next(found, None)
    return None if first is None else first.in_channels


def _image(name: str, count: int, module: nn.Module) -> list[Guess]:
    return [
        Guess(
            (numbers((1, count, side, side), precision(module, False)),),
            {},
            (f"{_channels(count)} from {name}; batch 1 and {side}x{side} are our guess",),
        )
        for side in (_SIDES if count != 1 else (28, *_SIDES))
    ]


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _conv1d(name: str, module: Any) -> list[Guess]:
    count = module.in_channels
    lengths = (16000, 1024, 128) if count == 1 else (128, 1024, 16000)
    return [
        Guess(
            (numbers((1, count, length), precision(module, False)),),
            {},
            (f"{_channels(count)} from {name}; batch 1 and length {length} are our guess",),
        )
        for length in lengths
    ]


def _conv2d(name: str, module: Any) -> list[Guess]:
    return _image(name, module.in_channels, module)


def _conv3d(name: str, module: Any) -> list[Guess]:
    count = module.in_channels
    said = f"{_channels(count)} from {name}"
    return [
        Guess(
            (numbers((1, count, frames, side, side), precision(module, False)),),
            {},
            (f"{said}; batch 1 and {frames}x{side}x{side} are our guess",),
        )
        for frames, side in ((16, 112), (16, 224), (32, 224), (32, 32))
    ]


def _linear(name: str, module: Any) -> list[Guess]:
    size, dtype = module.in_features, precision(module, False)
    said = f"{size} features from {name}; batch 1"
    return [
        Guess((numbers((1, size), dtype),), {}, (f"{said} is our guess",)),
        Guess(
            (numbers((1, _LENGTH, size), dtype),),
            {},
            (f"{said} and {_LENGTH} steps are our guess",),
        ),
    ]


def _embedding(name: str, module: Any) -> list[Guess]:
    below = module.num_embeddings
    said = f"ids below {below} from {name}; batch 1"
    return [
        Guess((ids((1, length), below),), {}, (f"{said} and {length} ids are our guess",))
        for length in (_LENGTH, 32, 16, 8)
    ]


def _recurrent(name: str, module: Any) -> list[Guess]:
    steps, size = 16, module.input_size
    shape = (1, steps, size) if module.batch_first else (steps, 1, size)
    said = f"{size} features from {name}; batch 1 and {steps} steps are our guess"
    return [Guess((numbers(shape, precision(module, False)),), {}, (said,))]


def _layer_norm(name: str, module: Any) -> list[Guess]:
    shape = (1, *module.normalized_shape)
    said = f"shape {sizes(shape[1:])} from {name}; batch 1 is our guess"
    return [Guess((numbers(shape, precision(module, False)),), {}, (said,))]


def _batch_norm(name: str, module: Any) -> list[Guess]:
    return _image(name, module.num_features, module)


_MAKERS: tuple[tuple[tuple[type[nn.Module], ...], Callable[[str, Any], list[Guess]]], ...] = (
    ((nn.Conv1d,), _conv1d),
    ((nn.Conv2d, nn.ConvTranspose2d), _conv2d),
    ((nn.Conv3d,), _conv3d),
    ((nn.Linear,), _linear),
    ((nn.Embedding, nn.EmbeddingBag), _embedding),
    ((nn.RNNBase, nn.LSTM, nn.GRU, nn.RNN), _recurrent),
    ((nn.LayerNorm,), _layer_norm),
    ((nn.BatchNorm2d,), _batch_norm),
)
