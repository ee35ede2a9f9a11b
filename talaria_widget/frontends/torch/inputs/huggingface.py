"""Inputs of a transformers model: which arguments of its forward, by configuration."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product
from typing import Any

from torch import nn

from talaria_widget.frontends.torch.inputs import arguments, signals
from talaria_widget.frontends.torch.inputs.arguments import Subject, part
from talaria_widget.frontends.torch.inputs.samples import Guess, precision

_MOST = 8
_MAKERS = {**arguments.MAKERS, **signals.MAKERS}
_TOGETHER: dict[str, str] = {
    "past_values": "past_observed_mask observed_mask past_time_features",
    "past_time_features": "future_time_features future_values",
    "pixel_values": "image_grid_thw grid_thw mm_token_type_ids",
    "input_ids": "bbox visual_feats visual_pos visual_embeds",
    "states": "actions rewards returns_to_go timesteps",
}


def is_huggingface(model: nn.Module) -> bool:
    """Whether a module has what a transformers model has: a configuration and a main input."""
    return hasattr(model, "config") and isinstance(
        getattr(model, "main_input_name", None), str | tuple | list
    )


def from_configuration(model: nn.Module) -> list[Guess]:
    """Candidate arguments, likeliest first; none where the main input is of an unknown kind."""
    inner = getattr(model, "get_base_model", None)
    forward = inner().forward if callable(inner) else model.forward
    config: Any = model.config
    subject = Subject(
        config=config,
        text=part(config, "text_config", "llm_config", "language_config", "decoder")
        or _text(config),
        vision=part(config, "vision_config", "image_config", "encoder") or config,
        audio=part(config, "audio_config", "encoder_config", "encoder", "decoder_config") or config,
        accepted=inspect.signature(forward).parameters,
        dtype=precision(model),
    )
    named: Any = model.main_input_name
    wanted = [name for name in _wanted(subject, named) if name in subject.accepted]
    fixed, said = _settings(subject)
    found: list[Guess] = []
    for names in _sets(subject, wanted):
        seen = subject if "pixel_values" in names else _blind(subject)
        options = [_MAKERS[name](seen) for name in names if name in _MAKERS]
        if len(options) < len(names) or not options:
            continue
        for chosen in islice(product(*options), _MOST):
            kwargs = {name: made.value for name, made in zip(names, chosen, strict=True)}
            sentences = [made.said for made in chosen if made.said]
            sentences += [
                f"no {what} is given: the text alone is read"
                for name, what in (("pixel_values", "image"), ("input_features", "sound"))
                if name in wanted and name not in names
            ]
            found.append(Guess((), {**kwargs, **fixed}, (*sentences, *said), likely=True))
    return found


def _blind(subject: Subject) -> Subject:
    """The same model, given no image."""
    accepted = {name: item for name, item in subject.accepted.items() if name != "pixel_values"}
    return replace(subject, accepted=accepted)


def _text(config: Any) -> Any:
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def _wanted(subject: Subject, named: Any) -> list[str]:
    """The arguments to give, the main one first."""
    accepted = subject.accepted
    wanted = [named] if isinstance(named, str) else list(named)
    if not any(name in accepted for name in wanted):
        wanted = [next(iter(accepted), "")]
    wanted += [name for name, item in accepted.items() if item.default is item.empty]
    alone = wanted[0] in ("input_ids", "inputs")
    if "input_ids" in accepted and not alone and _has_text(subject.config):
        wanted.insert(0, "input_ids")
    if "pixel_values" in accepted and _has_images(subject.config):
        wanted.append("pixel_values")
    if "input_features" in accepted and part(subject.config, "audio_config", "speech_config"):
        wanted.append("input_features")
    for first, then in _TOGETHER.items():
        if first in wanted:
            wanted += [name for name in then.split() if name in accepted]
    if getattr(subject.config, "is_encoder_decoder", False) or "decoder" in vars(subject.config):
        wanted.append("decoder_input_ids")
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [
        name
        for name in dict.fromkeys(wanted)
        if name in accepted and accepted[name].kind not in kinds
    ]


def _has_text(config: Any) -> bool:
    own = getattr(config, "vocab_size", None) is not None
    return own or part(config, "text_config", "llm_config", "language_config") is not None


def _has_images(config: Any) -> bool:
    named = ("vision_config", "image_config", "visual_embed", "modality_type_vocab_size")
    return any(bool(getattr(config, name, None)) for name in named)


def _sets(subject: Subject, wanted: list[str]) -> Iterator[list[str]]:
    """The sets of arguments to try: all, with a decoder's ids, then fewer."""
    yield wanted
    masks = [name for name in signals.MASKS if name in subject.accepted]
    if masks and "input_features" in wanted:
        yield [*wanted, *masks]
    if "decoder_input_ids" in subject.accepted and "decoder_input_ids" not in wanted:
        yield [*wanted, "decoder_input_ids"]
    for other, more in (
        ("pixel_values", _TOGETHER["pixel_values"].split()),
        ("input_features", masks),
    ):
        if other not in wanted or "input_ids" not in wanted:
            continue
        yield [name for name in wanted if name not in (other, *more)]
        if all(subject.accepted[name].default is not inspect.Parameter.empty for name in wanted):
            yield [name for name in wanted if name != "input_ids"]


def _settings(subject: Subject) -> tuple[dict[str, Any], list[str]]:
    """Flags of a forward that keep caches out of it."""
    if "use_cache" not in subject.accepted:
        return {}, []
    if not any(getattr(part, "use_cache", False) for part in (subject.text, subject.config)):
        return {}, []
    return {"use_cache": False}, ["no key-value cache is kept (use_cache=False)"]
