"""Each argument of a transformers forward, made up from the configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from talaria_widget.frontends.torch.inputs.samples import ids, numbers

_LENGTH = 128
_SIDE = 224
_GRID = 16


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of a model: its configurations by modality, and what its forward takes."""

    config: Any
    text: Any
    vision: Any
    audio: Any
    accepted: Mapping[str, inspect.Parameter]
    dtype: torch.dtype

    def real(self, *shape: int) -> torch.Tensor:
        """Made-up numbers in the model's precision."""
        return numbers(shape, self.dtype)


@dataclass(frozen=True, slots=True)
class Made:
    """One argument's value, and how it came about."""

    value: Any
    said: str


Maker = Callable[[Subject], list[Made]]


def part(config: Any, *names: str) -> Any:
    """The first of some settings that is a configuration of its own."""
    parts = (getattr(config, name, None) for name in names)
    return next((part for part in parts if hasattr(part, "to_dict")), None)


def first(config: Any, *names: str) -> int | None:
    """The first of some settings that is a positive whole number."""
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _positions(config: Any, length: int = _LENGTH) -> int:
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "max_target_positions")
    most = first(config, *names)
    if most is None:
        return length
    padded = getattr(config, "position_embedding_type", None) == "absolute"
    offset = getattr(config, "pad_token_id", None) or 0
    spare = offset + 1 if padded and most < length + offset + 1 else 0
    return max(min(length, most - spare), 1)


def _input_ids(subject: Subject) -> list[Made]:
    vocabulary = first(subject.text, "vocab_size") or first(subject.config, "vocab_size") or 2
    length = _positions(subject.text)
    multiple = first(subject.text, "input_ids_multiple") or 1
    length = max(length // multiple, 1) * multiple
    tokens = ids((1, length), vocabulary)
    marker = _marker(subject.config, vocabulary)
    said = f"batch 1 and {length} token ids below {vocabulary} are our guess"
    if marker is None or "pixel_values" not in subject.accepted:
        return [Made(tokens, said)]
    tokens = torch.where(tokens == marker, (marker + 1) % vocabulary, tokens)
    made = []
    for count in _image_tokens(subject):
        room = max(length, count + 8)
        filled = ids((1, room), vocabulary)
        filled = torch.where(filled == marker, (marker + 1) % vocabulary, filled)
        filled[0, 1 : 1 + count] = marker
        text = f"batch 1 and {room} token ids below {vocabulary}, {count} of them for one image, "
        made.append(Made(filled, text + "are our guess"))
    return [*made, Made(tokens, said)]


def _marker(config: Any, below: int | None = None) -> int | None:
    """The token that stands for a piece of an image, where the vocabulary has it."""
    value = first(config, "image_token_id", "image_token_index")
    return None if value is None or (below and value >= below) else value


def _image_tokens(subject: Subject) -> list[int]:
    """How many tokens of the text one image may take, likeliest first."""
    config, vision = subject.config, subject.vision
    if _in_patches(subject):
        return [_GRID * _GRID // (first(vision, "spatial_merge_size") or 1) ** 2]
    names = ("image_seq_length", "image_seq_len", "mm_tokens_per_image", "num_query_tokens")
    counts = [first(config, *names)]
    patch = first(vision, "patch_size")
    height, width = _image_size(vision) or (_SIDE, _SIDE)
    if patch:
        patches = (height // patch) * (width // patch)
        factor = first(config, "scale_factor") or 1
        counts += [patches // factor**2, patches, patches // 4, patches + 1]
    counts.append(first(vision, "num_image_tokens"))
    return list(dict.fromkeys(count for count in counts if count))


def _image_size(config: Any) -> tuple[int, int] | None:
    for name in ("image_size", "input_size", "img_size"):
        size = getattr(config, name, None)
        if isinstance(size, list | tuple) and len(size) >= 2:
            return int(size[-2]), int(size[-1])
        if isinstance(size, int):
            return size, size
    return None


def _in_patches(subject: Subject) -> bool:
    """Whether images come as rows of patches with their grid, as Qwen2-VL takes them."""
    return any(name in subject.accepted for name in ("image_grid_thw", "grid_thw"))


def _grid(subject: Subject) -> list[Made]:
    return [Made(torch.tensor([[1, _GRID, _GRID]]), f"one image of {_GRID}x{_GRID} patches")]


def _patch_rows(subject: Subject) -> list[Made]:
    vision = subject.vision
    channels = first(vision, "in_channels", "in_chans", "num_channels") or 3
    width = channels * (first(vision, "temporal_patch_size") or 1)
    width *= (first(vision, "patch_size") or 14) ** 2
    return [Made(subject.real(_GRID * _GRID, width), "its patches' pixels are our guess")]


def _pixel_values(subject: Subject) -> list[Made]:
    if _in_patches(subject):
        return _patch_rows(subject)
    vision = subject.vision
    channels = first(vision, "num_channels", "in_channels", "in_chans", "num_input_channels") or 3
    size = _image_size(vision) or _image_size(subject.config)
    height, width = size or (_SIDE, _SIDE)
    image = subject.real(1, channels, height, width)
    said = f"{channels} channels and {height}x{width} from the model's configuration; batch 1 is "
    said += "our guess"
    if size is None:
        said = f"{channels} channels, {height}x{width} and batch 1 are our guess"
    frames = first(vision, "num_frames", "frames_per_clip")
    still = Made(image, said)
    if frames is not None:
        video = subject.real(1, frames, channels, height, width)
        return [Made(video, f"{frames} frames, {said}"), still]
    several = Made(image.unsqueeze(1), said + ", as is one image")
    return [still, several] if _marker(subject.config) is not None else [still]


def _token_types(subject: Subject) -> list[Made]:
    """1 where a token stands for a piece of an image, as the first choice of ids has it."""
    tokens = _input_ids(subject)[0].value
    marker = _marker(subject.config)
    return [Made((tokens == (-1 if marker is None else marker)).long(), "")]


def _hidden_states(subject: Subject) -> list[Made]:
    return _patch_rows(subject) if _in_patches(subject) else []


def _query_ids(subject: Subject) -> list[Made]:
    below = first(part(subject.config, "qformer_config"), "vocab_size") or 2
    return [Made(ids((1, 16), below), f"16 ids of the question below {below} are our guess")]


def _decoder_input_ids(subject: Subject) -> list[Made]:
    decoder = part(subject.config, "decoder") or subject.text
    vocabulary = first(decoder, "decoder_vocab_size", "vocab_size") or 2
    length = _positions(decoder)
    own = first(decoder, "max_target_positions")
    length = min(length, own) if own else length
    said = f"{length} ids of the decoder below {vocabulary} are our guess"
    plain = Made(ids((1, length), vocabulary), said)
    books, streams = first(decoder, "num_codebooks"), first(decoder, "num_channels")
    if books:
        return [Made(ids((books, length), vocabulary), f"{books} codebooks: {said}"), plain]
    if streams:
        return [Made(ids((1, length, streams), vocabulary), f"{streams} channels: {said}"), plain]
    return [plain]


def _inputs(subject: Subject) -> list[Made]:
    width = first(subject.config, "d_model")
    if width is None:
        return [Made(subject.real(1, 16000), "batch 1 and 16000 samples are our guess")]
    made = [
        Made(
            subject.real(1, _LENGTH, width),
            f"{width} features from the model's configuration; batch 1 and {_LENGTH} steps are "
            "our guess",
        )
    ]
    if hasattr(subject.config, "vocab_size"):
        text = _input_ids(subject)[0]
        image = _pixel_values(subject)[0]
        made += [text, image]
    return made


def _bbox(subject: Subject) -> list[Made]:
    length = _positions(subject.text)
    return [Made(torch.zeros((1, length, 4), dtype=torch.long), "every token's box is our guess")]


def _patches(subject: Subject) -> list[Made]:
    vision = subject.vision
    patch, channels = first(vision, "patch_size") or 16, first(vision, "num_channels") or 3
    rows = torch.arange(_LENGTH) // 16 + 1
    columns = torch.arange(_LENGTH) % 16 + 1
    width = patch * patch * channels
    image = torch.cat(
        [torch.stack([rows, columns], 1).to(subject.dtype), subject.real(_LENGTH, width)], 1
    )
    return [Made(image[None], f"one image of {_LENGTH} patches is our guess")]


MAKERS: dict[str, Maker] = {
    "input_ids": _input_ids,
    "decoder_input_ids": _decoder_input_ids,
    "pixel_values": _pixel_values,
    "pixel_values_videos": _pixel_values,
    "image_grid_thw": _grid,
    "grid_thw": _grid,
    "mm_token_type_ids": _token_types,
    "hidden_states": _hidden_states,
    "qformer_input_ids": _query_ids,
    "inputs": _inputs,
    "bbox": _bbox,
    "flattened_patches": _patches,
}
