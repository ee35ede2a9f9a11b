"""An ONNX model whose weights are really stored as their options say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from talaria_widget.recipe import Activations, Cast, Option, Quantize
from talaria_widget.rewrite.activations import (
    CONVOLUTIONS,
    PRODUCTS,
    bias_of,
    output_of,
    quantize_activations,
)
from talaria_widget.rewrite.calibrate import calibrate
from talaria_widget.rewrite.draft import Draft, attribute, linear_domain, payload_bytes, tensor_bytes
from talaria_widget.rewrite.integers import (
    LARGEST,
    LARGEST_WITH_HEADROOM,
    Floats,
    quantize_bias,
    quantize_weight,
    weight_scale,
    widen_for_bias,
)
from talaria_widget.rewrite.uses import Use, channel_axis, feeds_recurrent, permutation, uses

Form = Literal["stored", "int8", "static"]


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


@dataclass(frozen=True, slots=True)
class _Weight:
    name: str
    tensor: str
    form: Form
    uses: tuple[Use, ...]
    axis: int | None

    @property
    def layers(self) -> list[Use]:
        """The uses that compute in integers."""
        if self.form != "static":
            return []
        return [use for use in self.uses if use.node.op_type in PRODUCTS]


def form_of(option: Option, name: str) -> Form:
    """How a weight of this option is written.

    Raises:
        ValueError: an option that this writer does not know yet.
    """
    if option is None or option == Cast("float32"):
        return "stored"
    if isinstance(option, Quantize) and option.bits == 8 and option.symmetric:
        if option.granularity in ("tensor", "channel") and option.activations is None:
            return "int8"
        if option.granularity in ("tensor", "channel") and option.activations == Activations(8):
            return "static"
    raise ValueError(
        f"apply cannot write {option!r} for {name!r} yet: use Quantize(8) or "
        "Quantize(8, activations=Activations(8))."
    )


def rewrite(
    model: ModelProto,
    options: Mapping[str, Option],
    feeds: Iterable[Mapping[str, NDArray[np.generic]]] = (),
    *,
    names: Mapping[str, str] | None = None,
) -> Rewritten:
    """The model with each named weight stored, and its layers computing, as its option says.

    Args:
        model: left as it is.
        options: by weight: an initialiser's name, or the output of a Constant node.
        feeds: inputs by name, to calibrate activations.
        names: where a weight is called something else in the file: its name there.

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
    nodes = list({id(use.node): use.node for use in layers}.values())
    inputs = {id(node): node.input[0] for node in nodes}
    tensors = dict.fromkeys(node.input[0] for node in nodes)
    tensors |= dict.fromkeys(output_of(draft, n) for n in nodes if n.op_type in CONVOLUTIONS)
    ranges = calibrate(model, list(tensors), feeds)
    scales = quantize_activations(draft, nodes, ranges)
    input_scales = {key: scales[tensor] for key, tensor in inputs.items()}
    parts: dict[str, list[str]] = {}
    for weight in weights:
        if weight.form == "stored":
            parts[weight.name] = [weight.tensor]
        else:
            _store_weight(draft, weight, input_scales, parts)
    result = draft.finish()
    sizes = {name: payload_bytes(tensor) for name, tensor in draft.stored.items()}
    return Rewritten(
        model=result,
        stored_bytes={name: sum(sizes[part] for part in kept) for name, kept in parts.items()},
        tensor_bytes=tensor_bytes(result),
        notes=tuple(_notes(layers)),
    )


def _examine(draft: Draft, name: str, tensor: str, option: Option) -> _Weight:
    form = form_of(option, name)
    if tensor not in draft.stored:
        raise ValueError(f"the file stores no weight {tensor!r}; apply needs it for {name!r}.")
    if form == "stored":
        return _Weight(name, tensor, form, (), None)
    dtype = draft.array(tensor).dtype
    if dtype != np.float32 and (form == "static" or dtype != np.float16):
        raise ValueError(f"apply cannot compress {name!r}: it is stored as {dtype}.")
    if feeds_recurrent(draft, tensor):
        raise ValueError(f"apply cannot compress {name!r} yet: it belongs to a recurrent layer.")
    found = uses(draft, tensor)
    odd = next((use for use in found if not _integer(use)), None)
    if form == "static" and (odd is not None or not found):
        what = "a branch of the graph" if odd is None else f"{odd.node.op_type} {odd.node.name!r}"
        raise ValueError(
            f"apply cannot quantize the activations of {name!r}, which is used by {what}: "
            "use Quantize(8)."
        )
    per_tensor = isinstance(option, Quantize) and option.granularity == "tensor"
    axis = None if per_tensor else channel_axis(found)
    return _Weight(name, tensor, form, tuple(found), axis)


def _integer(use: Use) -> bool:
    slot = 0 if use.node.op_type == "Gather" else 1
    return use.axis is not None and use.slot == slot


def _store_weight(
    draft: Draft,
    weight: _Weight,
    input_scales: Mapping[int, np.float32],
    parts: dict[str, list[str]],
) -> None:
    name, axis = weight.tensor, weight.axis
    values = draft.array(name)
    scale = weight_scale(values, axis, LARGEST_WITH_HEADROOM if weight.layers else LARGEST)
    for use in weight.layers:
        place = bias_of(draft, use, values.shape[use.axis or 0])
        if place is not None:
            bias = draft.array(place[0].input[place[1]])
            scale = widen_for_bias(scale, bias.reshape(-1), input_scales[id(use.node)])
    scale = scale.astype(values.dtype)
    quantized = quantize_weight(values, scale, axis)
    zero = np.zeros(scale.shape, np.int8)
    steps = (draft.store(f"{name}_scale", scale), draft.store(f"{name}_zero_point", zero))
    stored = draft.store(f"{name}_quantized", quantized)
    parts[weight.name] = [stored, *steps]
    for use in weight.layers:
        _store_bias(draft, use, values.shape[use.axis or 0], scale, input_scales, parts)
    draft.drop(name)
    _dequantize(draft, name, stored, steps, axis, values.ndim)


def _store_bias(
    draft: Draft,
    use: Use,
    channels: int,
    weight_steps: Floats,
    input_scales: Mapping[int, np.float32],
    parts: dict[str, list[str]],
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
    alone = len(draft.readers(name)) == 1 and name not in draft.outputs | draft.captured
    if alone:
        draft.drop(name)
    else:
        node.input[slot] = draft.fresh(f"{name}_dequantized")
    axis = {} if scale.ndim == 0 else {"axis": values.ndim - 1}
    domain = linear_domain(draft, per_axis=bool(axis))
    draft.add("DequantizeLinear", kept, node.input[slot], domain=domain, **axis)


def _dequantize(
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
            _dequantize(draft, node.output[0], turned, steps, moved, rank)
        elif node.op_type == "Gather" and (slot, rank) == (0, 2) and not attribute(node, "axis", 0):
            _look_up(draft, node.input[1], node.output[0], quantized, steps, axis)
            draft.remove([node])
    if draft.readers(value) or value in draft.outputs | draft.captured:
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
    flat = draft.fresh(f"{output}_indices")
    draft.add("Reshape", [indices, draft.store(f"{flat}_shape", np.array([-1]))], flat)
    rows = draft.fresh(f"{output}_quantized")
    draft.add("Gather", [quantized, flat], rows)
    taken = list(steps)
    if axis == 0:
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


def _notes(layers: list[Use]) -> list[str]:
    slow = [use.node for use in layers if use.node.op_type == "ConvTranspose"]
    slow += [use.node for use in layers if use.node.op_type == "Gemm" and not _plain(use)]
    if not slow:
        return []
    names = ", ".join(node.name or node.output[0] for node in slow)
    return [f"ONNX Runtime has no integer kernel for {names}: float32 between quantized values."]


def _plain(use: Use) -> bool:
    attributes = {a.name: a for a in use.node.attribute}
    scaled = any(attributes[n].f != 1 for n in ("alpha", "beta") if n in attributes)
    return not scaled and not ("transA" in attributes and attributes["transA"].i)
