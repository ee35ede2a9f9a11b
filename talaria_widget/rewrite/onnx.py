"""An ONNX model whose weights are really stored as their options say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from talaria_widget.recipe import Activations, Cast, Option, Quantize
from talaria_widget.rewrite.activations import Plan, plan, quantize_activations
from talaria_widget.rewrite.assumed import Range, Ranges
from talaria_widget.rewrite.block_storage import store_blocks
from talaria_widget.rewrite.calibrate import calibrate
from talaria_widget.rewrite.draft import Draft, payload_bytes, tensor_bytes
from talaria_widget.rewrite.half_storage import store_half
from talaria_widget.rewrite.integer_storage import store_integers
from talaria_widget.rewrite.uses import (
    Use,
    Weight,
    channel_axis,
    feeds_recurrent,
    is_plain,
    uses,
)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A compressed model.

    `stored_bytes` has the payload bytes of each weight that an option names, scales and zero
    points included, and of each bias that was stored anew. `tensor_bytes` is the whole file's.
    """

    model: ModelProto
    stored_bytes: dict[str, int]
    tensor_bytes: int
    notes: tuple[str, ...] = ()


Feeds = Iterable[Mapping[str, NDArray[np.generic]]]
Writer = Callable[[Draft, Weight, Mapping[int, np.float32], dict[str, list[str]]], None]


def _as_stored(
    _draft: Draft, weight: Weight, _scales: Mapping[int, np.float32], parts: dict[str, list[str]]
) -> None:
    parts[weight.name] = [weight.tensor]


def writer_of(option: Option, name: str) -> Writer:
    """What writes a weight of this option.

    Raises:
        ValueError: an option that cannot be written yet.
    """
    if option is None or option == Cast("float32"):
        return _as_stored
    if isinstance(option, Cast):
        return lambda draft, weight, _scales, parts: store_half(draft, weight, parts)
    if option.symmetric and option.granularity == "block" and option.bits in (4, 8):
        if option.activations is None:
            return lambda draft, weight, _scales, parts: store_blocks(draft, weight, parts)
    elif option.symmetric and option.bits == 8 and option.activations in (None, Activations(8)):
        return store_integers
    raise ValueError(
        f"apply cannot write {option!r} for {name!r} yet: use Quantize(8), with or without "
        'Activations(8), Quantize(4, granularity="block") or Cast("float16").'
    )


def rewrite(
    model: ModelProto,
    options: Mapping[str, Option],
    feeds: Feeds = (),
    *,
    names: Mapping[str, str] | None = None,
    ranges: Ranges | None = None,
) -> Rewritten:
    """The model with each named weight stored, and its layers computing, as its option says.

    Args:
        model: left as it is.
        options: by weight: an initialiser's name, or the output of a Constant node.
        feeds: inputs by name, to calibrate activations.
        names: where a weight is called something else in the file: its name there.
        ranges: gives the ranges of activations instead of calibration (`assumed_ranges`).

    Returns:
        The new model and its bytes. Tensors that no option touches are the same bit for bit.

    Raises:
        ValueError: an option or a use of a weight that cannot be written, a name that is not
            stored, or a calibration that is empty or not finite.
        UnsupportedModelError: more than 2 GiB, or ONNX Runtime cannot run the calibration.
    """
    draft = Draft(model)
    weights = [
        _examine(draft, name, (names or {}).get(name, name), option)
        for name, option in options.items()
    ]
    layers = [use for weight in weights for use in weight.layers]
    inputs = {id(use.node): use.node.input[0] for use in layers}
    quantized = plan(draft, [use.node for use in layers])
    known = _ranges(draft, quantized, feeds, ranges)
    scales = quantize_activations(draft, quantized, known)
    input_scales = {key: scales[tensor] for key, tensor in inputs.items()}
    parts: dict[str, list[str]] = {}
    for weight in weights:
        writer_of(weight.option, weight.name)(draft, weight, input_scales, parts)
    result = draft.finish()
    sizes = {name: payload_bytes(tensor) for name, tensor in draft.stored.items()}
    return Rewritten(
        model=result,
        stored_bytes={name: sum(sizes[part] for part in kept) for name, kept in parts.items()},
        tensor_bytes=tensor_bytes(result),
        notes=tuple(_notes(layers)),
    )


def _ranges(
    draft: Draft, quantized: Plan, feeds: Feeds, ranges: Ranges | None
) -> Mapping[str, Range]:
    if ranges is not None:
        return ranges(draft, quantized.unknown)
    return calibrate(draft.finish(), quantized.unknown, feeds) if quantized.unknown else {}


def _examine(draft: Draft, name: str, tensor: str, option: Option) -> Weight:
    writer = writer_of(option, name)
    if tensor not in draft.stored:
        raise ValueError(
            f"the file stores no weight {tensor!r} outside branches, loops and functions, into "
            f"which apply cannot write yet: leave {name!r} out of the recipe."
        )
    if writer is _as_stored:
        return _kept(draft, Weight(name, tensor, option, (), None))
    static = isinstance(option, Quantize) and option.activations is not None
    dtype = draft.array(tensor).dtype
    if dtype != np.float32 and (dtype != np.float16 or writer is not store_integers or static):
        raise ValueError(f"apply cannot compress {name!r}: it is stored as {dtype}.")
    if feeds_recurrent(draft, tensor):
        raise ValueError(f"apply cannot compress {name!r} yet: it belongs to a recurrent layer.")
    found = uses(draft, tensor)
    odd = next((use for use in found if not _integer(use)), None)
    if static and (odd is not None or not found):
        what = "a branch of the graph" if odd is None else f"{odd.node.op_type} {odd.node.name!r}"
        raise ValueError(
            f"apply cannot quantize the activations of {name!r}, which is used by {what}: "
            "use Quantize(8)."
        )
    per_tensor = isinstance(option, Quantize) and option.granularity == "tensor"
    axis = None if per_tensor else channel_axis(found)
    return Weight(name, tensor, option, tuple(found), axis, static)


def _kept(draft: Draft, weight: Weight) -> Weight:
    dtype = draft.array(weight.tensor).dtype
    if weight.option is not None and dtype != np.float32:
        raise ValueError(f"apply cannot write {weight.name!r} in float32: it is stored as {dtype}.")
    return weight


def _integer(use: Use) -> bool:
    slot = 0 if use.node.op_type == "Gather" else 1
    return use.axis is not None and use.slot == slot


def _notes(layers: list[Use]) -> list[str]:
    slow = [use.node for use in layers if use.node.op_type == "ConvTranspose"]
    slow += [use.node for use in layers if use.node.op_type == "Gemm" and not is_plain(use.node)]
    if not slow:
        return []
    names = ", ".join(node.name or node.output[0] for node in slow)
    return [f"ONNX Runtime has no integer kernel for {names}: float32 between quantized values."]
