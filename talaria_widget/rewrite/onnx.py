"""An ONNX model whose weights are really stored as their options say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from talaria_widget.recipe import Option
from talaria_widget.rewrite.activations import Plan, plan, quantize_activations
from talaria_widget.rewrite.assumed import Range, Ranges
from talaria_widget.rewrite.calibrate import calibrate
from talaria_widget.rewrite.draft import Draft, payload_bytes, tensor_bytes
from talaria_widget.rewrite.recurrent import store_recurrent
from talaria_widget.rewrite.uses import Use, is_plain
from talaria_widget.rewrite.writers import examine, writer_of


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
        examine(draft, name, (names or {}).get(name, name), option)
        for name, option in options.items()
    ]
    layers = [use for weight in weights for use in weight.layers]
    inputs = {id(use.node): use.node.input[0] for use in layers}
    quantized = plan(draft, [use.node for use in layers])
    known = _ranges(draft, quantized, feeds, ranges)
    scales = quantize_activations(draft, quantized, known)
    input_scales = {key: scales[tensor] for key, tensor in inputs.items()}
    parts: dict[str, list[str]] = {}
    store_recurrent(draft, [w for w in weights if w.dynamic and w.recurrent], parts)
    for weight in weights:
        if not (weight.dynamic and weight.recurrent):
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


def _notes(layers: list[Use]) -> list[str]:
    slow = [use.node for use in layers if use.node.op_type == "ConvTranspose"]
    slow += [use.node for use in layers if use.node.op_type == "Gemm" and not is_plain(use.node)]
    if not slow:
        return []
    names = ", ".join(node.name or node.output[0] for node in slow)
    return [f"ONNX Runtime has no integer kernel for {names}: float32 between quantized values."]
