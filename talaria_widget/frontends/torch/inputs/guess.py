"""Inputs for a model that came with none: from whoever knows most about it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from talaria_widget.frontends.torch.bodies.script import signature
from talaria_widget.frontends.torch.inputs import first_layer
from talaria_widget.frontends.torch.inputs.huggingface import from_configuration, is_huggingface
from talaria_widget.frontends.torch.inputs.samples import Guess, ids, numbers, precision, sizes

_LENGTH = 128
_SIZES = ("input_size", "test_input_size")
_FORMS = "a tensor, a tuple of arguments or a dict of keyword arguments"


def guess(model: nn.Module) -> list[Guess]:
    """Candidate arguments, likeliest first, each with a sentence on what was invented.

    Raises:
        ValueError: nothing can be inferred; the message says what to pass.
    """
    if is_huggingface(model):
        found = from_configuration(model)
        if found:
            return found
        main = getattr(model, "main_input_name", None)
        if not _required(model) and isinstance(main, str):
            raise ValueError(
                f"inputs cannot be inferred: nothing in the configuration of "
                f"{type(model).__name__} says what shape {main} has; pass "
                f"inputs={{{main!r}: a tensor}}"
            )
    required = _required(model)
    found = [*_by_pretraining(model, required), *_by_names(model, required)]
    if len(required) == 1:
        found += first_layer.guesses(model)
    if found:
        return found
    name = type(model).__name__
    if len(required) == 1:
        raise ValueError(
            f"inputs cannot be inferred: {name} has no convolution, linear, recurrent or "
            f"embedding layer to read a size from; {ask(model)}"
        )
    named = ", ".join(required) or "none"
    raise ValueError(
        f"inputs cannot be inferred: the forward of {name} takes {len(required)} required "
        f"arguments ({named}); {ask(model)}"
    )


def ask(model: nn.Module) -> str:
    """What to pass as inputs, with the names of the forward's own arguments."""
    names = _required(model)
    if not names or any(name in ("args", "kwargs") for name in names):
        return f"pass inputs=, {_FORMS}"
    comma = "," if len(names) == 1 else ""
    return f"pass inputs=({', '.join(names)}{comma}), or {_FORMS}"


def _required(model: nn.Module) -> list[str]:
    return [
        parameter.name
        for parameter in signature(model.forward).parameters.values()
        if (
            parameter.default is inspect.Parameter.empty
            and parameter.kind is not inspect.Parameter.VAR_KEYWORD
        )
    ]


def _by_pretraining(model: nn.Module, required: list[str]) -> Iterator[Guess]:
    """The image that timm's `pretrained_cfg` names: its own size, then the one for tests."""
    settings = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    if len(required) != 1 or settings is None:
        return
    settings = settings if isinstance(settings, dict) else vars(settings)
    embedded = getattr(getattr(model, "patch_embed", None), "img_size", None)
    named: list[tuple[Any, str]] = [(embedded, "patch_embed.img_size")]
    named += [(settings.get(key), f"pretrained_cfg's {key}") for key in _SIZES]
    made: set[tuple[int, ...]] = set()
    for size, whence in named:
        if not isinstance(size, list | tuple) or len(size) < 2:
            continue
        stated = int(size[0]) if len(size) == 3 else 3
        for count in (first_layer.channels(model) or stated, stated):
            shape = (count, int(size[-2]), int(size[-1]))
            if shape not in made:
                made.add(shape)
                said = f"{sizes(shape)} from {whence}; batch 1 is our guess"
                yield Guess((numbers((1, *shape), precision(model)),), {}, (said,), likely=True)


def _by_names(model: nn.Module, required: list[str]) -> Iterator[Guess]:
    """Arguments whose names say what they are: images of a detector, ids of a text."""
    parameters = list(signature(model.forward).parameters)
    if parameters[:2] == ["images", "targets"]:
        yield from _detection(model)
    elif len(required) > 1 and all(name in _TEXT for name in required):
        yield from _text(model, required)
    elif len(required) > 1 and all(name.startswith(_IMAGES) for name in required):
        for found in first_layer.guesses(model):
            said = (*found.assumed, f"{_spoken(required)} have the same shape")
            yield Guess(found.args * len(required), {}, said)
    elif required[:2] == ["src", "tgt"]:
        width: Any = getattr(model, "d_model", None)
        if isinstance(width, int):
            yield _translation(model, width)


_TEXT = frozenset(("input_ids", "attention_mask", "token_type_ids", "position_ids"))
_IMAGES = ("image", "img", "frame")


def _translation(model: nn.Module, width: int) -> Guess:
    """The two sequences of an `nn.Transformer`."""
    first = bool(getattr(model, "batch_first", False))
    shape = (1, _LENGTH, width) if first else (_LENGTH, 1, width)
    said = f"{width} features from d_model; batch 1 and {_LENGTH} steps are our guess"
    made = numbers(shape, precision(model))
    return Guess((made, made.clone()), {}, (said,))


def _detection(model: nn.Module) -> Iterator[Guess]:
    """A list of one image, as torchvision's detectors take it."""
    resize = getattr(model, "transform", None)
    shortest = getattr(resize, "min_size", None)
    side = shortest[-1] if isinstance(shortest, list | tuple) and shortest else 512
    fixed = getattr(resize, "fixed_size", None)
    width, height = fixed if isinstance(fixed, list | tuple) else (side, side)
    shape = (first_layer.channels(model) or 3, height, width)
    whence = "which the model resizes to" if resize is not None else "our guess"
    said = f"a list of one image of {sizes(shape)}, {whence}"
    image = numbers(shape, precision(model)).sigmoid()
    yield Guess(([image],), {}, (said,))


def _text(model: nn.Module, required: list[str]) -> Iterator[Guess]:
    for found in first_layer.guesses(model, nn.Embedding):
        tokens = found.args[0]
        length = tokens.shape[1]
        made = {
            "input_ids": tokens,
            "attention_mask": torch.ones_like(tokens),
            "token_type_ids": torch.zeros_like(tokens),
            "position_ids": ids((1, length), length + 1) - 1,
        }
        said = found.assumed
        if "attention_mask" in required:
            said = (*said, "no token is masked")
        yield Guess((), {name: made[name] for name in required}, said)


def _spoken(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
