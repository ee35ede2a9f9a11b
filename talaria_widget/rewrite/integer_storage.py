"""Int8 weights and int32 biases in the file, and the nodes that make floats of them again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from talaria_widget.rewrite.draft import Draft, attribute, linear_domain
from talaria_widget.rewrite.integers import (
    LARGEST,
    LARGEST_WITH_HEADROOM,
    Floats,
    quantize_bias,
    quantize_weight,
    weight_range,
    weight_scale,
    widen_for_bias,
)
from talaria_widget.rewrite.uses import Use, Weight, bias_of, permutation

Parts = dict[str, list[str]]


def store_integers(
    draft: Draft, weight: Weight, input_scales: Mapping[int, np.float32], parts: Parts
) -> None:
    """Store a weight as int8, and the biases of its integer layers as int32.

    `input_scales` has the scale of each integer layer's input, by the node's id; `parts` gets
    the names of what was stored. Weights of integer layers keep to +-63: x86 CPUs without VNNI
    add pairs of products in 16 bits, which +-127 overflows.
    """
    name, axis = weight.tensor, weight.axis
    values = draft.array(name)
    scale = weight_scale(values, axis, LARGEST_WITH_HEADROOM if weight.layers else LARGEST)
    for use in weight.layers:
        place = bias_of(draft, use, values.shape[use.axis or 0])
        if place is not None:
            bias = draft.array(place[0].input[place[1]])
            scale = widen_for_bias(scale, bias.reshape(-1), input_scales[id(use.node)])
    zero = np.zeros(scale.shape, np.int8)
    centred = getattr(weight.option, "symmetric", True)
    if not centred:
        scale, zero = weight_range(values, axis)
    scale = scale.astype(values.dtype)
    quantized = quantize_weight(values, scale, axis, None if centred else zero)
    steps = (draft.store(f"{name}_scale", scale), draft.store(f"{name}_zero_point", zero))
    stored = draft.store(f"{name}_quantized", quantized)
    parts[weight.name] = [stored, *steps]
    for use in weight.layers:
        _store_bias(draft, use, values.shape[use.axis or 0], scale, input_scales, parts)
    draft.drop(name)
    dequantize(draft, name, stored, steps, axis, values.ndim)


def _store_bias(
    draft: Draft,
    use: Use,
    channels: int,
    weight_steps: Floats,
    input_scales: Mapping[int, np.float32],
    parts: Parts,
) -> None:
    place = bias_of(draft, use, channels)
    if place is None:
        return
    node, slot = place
    name = node.input[slot]
    values = draft.array(name)
    scale = (weight_steps * input_scales[id(use.node)]).astype(np.float32)
    kept = [
        draft.store(f"{name}_quantized", quantize_bias(values, scale)),
        draft.store(f"{name}_scale", scale),
        draft.store(f"{name}_zero_point", np.zeros(scale.shape, np.int32)),
    ]
    parts.setdefault(name, []).extend(kept)
    alone = len(draft.readers(name)) == 1 and name not in draft.lasting
    if alone:
        draft.drop(name)
    else:
        draft.rewire(node, slot, draft.fresh(f"{name}_dequantized"))
    axis = {} if scale.ndim == 0 else {"axis": values.ndim - 1}
    domain = linear_domain(draft, per_axis=bool(axis))
    draft.add("DequantizeLinear", kept, node.input[slot], domain=domain, **axis)


def dequantize(
    draft: Draft, value: str, quantized: str, steps: tuple[str, str], axis: int | None, rank: int
) -> None:
    """Put floats back where they are read; turn and look up the integers, not the floats."""
    for node, slot in draft.readers(value):
        if node.op_type in ("Transpose", "Identity"):
            order = permutation(node, rank)
            turned = draft.fresh(f"{node.output[0]}_quantized")
            draft.add("Transpose", [quantized], turned, perm=list(order))
            draft.remove([node])
            moved = None if axis is None else order.index(axis)
            dequantize(draft, node.output[0], turned, steps, moved, rank)
        elif node.op_type == "Gather" and (slot, rank) == (0, 2) and not attribute(node, "axis", 0):
            _look_up(draft, node.input[1], node.output[0], quantized, steps, axis)
            draft.remove([node])
    if draft.readers(value) or value in draft.lasting:
        _add_dequantize(draft, [quantized, *steps], value, axis)


def _look_up(
    draft: Draft,
    indices: str,
    output: str,
    quantized: str,
    steps: tuple[str, str],
    axis: int | None,
) -> None:
    """Take the rows wanted, then make floats of them: never of the whole table."""
    rows = draft.fresh(f"{output}_quantized")
    if axis != 0:
        draft.add("Gather", [quantized, indices], rows)
        _add_dequantize(draft, [rows, *steps], output, None if axis is None else -1)
        return
    flat = draft.fresh(f"{output}_indices")
    draft.add("Reshape", [indices, draft.store(f"{flat}_shape", np.array([-1]))], flat)
    draft.add("Gather", [quantized, flat], rows)
    taken = [draft.fresh(f"{output}_{what}") for what in ("scale", "zero_point")]
    for source, target in zip(steps, taken, strict=True):
        draft.add("Gather", [source, flat], target)
    floats = _add_dequantize(draft, [rows, *taken], draft.fresh(f"{output}_rows"), axis)
    shape = draft.add("Shape", [indices], draft.fresh(f"{output}_shape"))
    width = draft.store(f"{output}_width", np.array([draft.stored[quantized].dims[1]]))
    whole = draft.fresh(f"{output}_whole")
    draft.add("Concat", [shape, width], whole, axis=0)
    draft.add("Reshape", [floats, whole], output)


def _add_dequantize(draft: Draft, inputs: list[str], output: str, axis: int | None) -> str:
    dtype = draft.array(inputs[1]).dtype if inputs[1] in draft.stored else np.dtype(np.float32)
    attrs = {} if axis is None else {"axis": axis}
    domain = linear_domain(draft, per_axis=axis is not None, half=dtype == np.float16)
    return draft.add("DequantizeLinear", inputs, output, domain=domain, **attrs)
