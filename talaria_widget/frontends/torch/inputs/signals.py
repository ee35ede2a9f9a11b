"""Arguments that are signals: sound, and rows of numbers over time."""

from __future__ import annotations

from typing import Any

import torch

from talaria_widget.frontends.torch.inputs.arguments import Made, Maker, Subject, first
from talaria_widget.frontends.torch.inputs.samples import sizes

_FRAMES = 200
_SAMPLES = 16000


def _input_values(subject: Subject) -> list[Made]:
    audio = subject.audio
    bins, most = first(audio, "num_mel_bins"), first(audio, "max_length")
    if bins and most and hasattr(audio, "patch_size"):
        said = f"{most} frames of {bins} bins from the model's configuration; batch 1 is our guess"
        return [Made(subject.real(1, most, bins), said)]
    said = f"batch 1 and {_SAMPLES} samples are our guess"
    channels = first(audio, "audio_channels") or 1
    flat = Made(subject.real(1, _SAMPLES), said)
    layered = Made(subject.real(1, channels, _SAMPLES), said)
    return [layered, flat] if hasattr(audio, "audio_channels") else [flat, layered]


_WIDTHS = (
    "feature_projection_input_dim",
    "num_mel_bins",
    "input_feat_per_channel",
    "feature_size",
    "input_dim",
    "mel_bins",
)


def _input_features(subject: Subject) -> list[Made]:
    """A spectrogram: an image of it, bins of frames, or frames of bins."""
    audio = subject.audio
    bins = first(audio, *_WIDTHS)
    if bins is None:
        return []
    spectrum = first(audio, "spec_size")
    if spectrum is not None:
        steps = spectrum * max(spectrum // bins, 1)
        said = f"{steps} frames of {bins} bins from the model's configuration; batch 1 is our guess"
        return [Made(subject.real(1, 1, steps, bins), said)]
    made = []
    positions = first(audio, "max_source_positions")
    if positions and not hasattr(audio, "input_feat_per_channel"):
        said = f"{bins} bins of {2 * positions} frames from the model's configuration; batch 1 is "
        made.append(Made(subject.real(1, bins, 2 * positions), said + "our guess"))
    width = bins * (first(audio, "input_channels") or 1)
    said = f"batch 1 and {_FRAMES} frames of {width} features are our guess"
    frames = Made(subject.real(1, _FRAMES, width), said)
    return [*made, frames, Made(subject.real(1, width, _FRAMES), said)]


def _features_mask(subject: Subject) -> list[Made]:
    """Every frame heard, for each form that the features may have."""
    steps = dict.fromkeys(max(made.value.shape[1:]) for made in _input_features(subject))
    return [Made(torch.ones((1, count), dtype=torch.long), "no frame is masked") for count in steps]


MASKS = ("input_features_mask", "feature_attention_mask")


def _past(subject: Subject, *extra: int) -> tuple[int, ...]:
    config = subject.config
    context = first(config, "context_length") or 32
    lags: Any = getattr(config, "lags_sequence", None) or (0,)
    return (1, context + max(lags), *extra)


def _past_values(subject: Subject) -> list[Made]:
    config = subject.config
    count = first(config, "num_input_channels", "input_size") or 1
    patched = hasattr(config, "num_input_channels")
    shape = (*_past(subject), count) if patched or count > 1 else _past(subject)
    said = f"{sizes(shape[1:])} past values from the model's configuration; batch 1 is our guess"
    return [Made(subject.real(*shape), said)]


def _past_mask(subject: Subject) -> list[Made]:
    value = _past_values(subject)[0].value
    return [Made(torch.ones_like(value), "every past value is taken as observed")]


def _past_time(subject: Subject) -> list[Made]:
    count = first(subject.config, "num_time_features") or 0
    made = subject.real(*_past(subject), count)
    return [Made(made, f"{count} features of each time are our guess")]


def _future(subject: Subject, *extra: int) -> torch.Tensor:
    steps = first(subject.config, "prediction_length") or 1
    return subject.real(1, steps, *extra)


def _future_values(subject: Subject) -> list[Made]:
    count = first(subject.config, "input_size") or 1
    value = _future(subject) if count == 1 else _future(subject, count)
    return [Made(value, f"{value.shape[1]} future values, as in training, are our guess")]


def _future_time(subject: Subject) -> list[Made]:
    count = first(subject.config, "num_time_features") or 0
    return [Made(_future(subject, count), "")]


def _static(name: str) -> Maker:
    def make(subject: Subject) -> list[Made]:
        count = first(subject.config, f"num_static_{name}_features") or 0
        if name == "real":
            return [Made(subject.real(1, count), "")]
        return [Made(torch.zeros((1, count), dtype=torch.long), "")]

    return make


def _sequence(setting: str, text: str) -> Maker:
    """An argument of one row of numbers per step, as wide as a setting says."""

    def make(subject: Subject) -> list[Made]:
        width = 1 if not setting else first(subject.config, setting)
        if width is None:
            return []
        said = f"batch 1 and 20 {text} of {width} are our guess"
        return [Made(subject.real(1, 20, width), said)]

    return make


def _timesteps(subject: Subject) -> list[Made]:
    return [Made(torch.arange(20)[None], "")]


MAKERS: dict[str, Maker] = {
    "input_values": _input_values,
    "input_features": _input_features,
    **dict.fromkeys(MASKS, _features_mask),
    "past_values": _past_values,
    "past_observed_mask": _past_mask,
    "observed_mask": _past_mask,
    "past_time_features": _past_time,
    "future_values": _future_values,
    "future_time_features": _future_time,
    "static_real_features": _static("real"),
    "static_categorical_features": _static("categorical"),
    "states": _sequence("state_dim", "states"),
    "actions": _sequence("act_dim", "actions"),
    "rewards": _sequence("", "rewards"),
    "returns_to_go": _sequence("", "returns"),
    "timesteps": _timesteps,
    "visual_feats": _sequence("visual_feat_dim", "regions"),
    "visual_pos": _sequence("visual_pos_dim", "positions of regions"),
    "visual_embeds": _sequence("visual_embedding_dim", "regions"),
    "spectrogram": _sequence("model_in_dim", "frames"),
}
