"""Layers that compute in integers, with the scale of their input found on every run.

Standard operators, in the order in which ONNX Runtime fuses them: DynamicQuantizeLinear,
MatMulInteger, Cast, two Mul and the bias's Add become one DynamicQuantizeMatMul, or a
MatMulIntegerToFloat each where several layers read one input.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto

from talaria_widget.rewrite.draft import Draft, copied_attributes
from talaria_widget.rewrite.gemm import gemm_factors, times, turned_input
from talaria_widget.rewrite.integer_storage import Parts, dequantize
from talaria_widget.rewrite.integers import (
    LARGEST,
    LARGEST_WITH_HEADROOM,
    UNSIGNED_ZERO,
    Floats,
    quantize_weight,
    weight_scale,
)
from talaria_widget.rewrite.uses import Use, Weight

DYNAMIC_OPSET = 11


def store_dynamic(draft: Draft, weight: Weight, parts: Parts) -> None:
    """Store a weight as 8-bit integers, and let its layers quantize what they take."""
    if any(use.node.op_type == "Conv" for use in weight.uses):
        _store_convolution(draft, weight, parts)
    else:
        _store_product(draft, weight, parts)


def _store_product(draft: Draft, weight: Weight, parts: Parts) -> None:
    name, axis = weight.tensor, weight.axis
    values = draft.array(name)
    products = [use for use in weight.uses if use.node.op_type != "Gather"]
    largest = LARGEST_WITH_HEADROOM if products else LARGEST
    scale = weight_scale(values, axis, largest).astype(values.dtype)
    integers = quantize_weight(values, scale, axis)
    turned = bool(products) and len(products) == len(weight.uses) and _all_rows(products)
    stored = draft.store(f"{name}_quantized", integers.T if turned else integers)
    zero = draft.store(f"{name}_zero_point", np.zeros(scale.shape, np.int8))
    steps = (draft.store(f"{name}_scale", scale), zero)
    parts[weight.name] = [stored, *steps]
    columns = stored if turned else ""
    for use in products:
        if use.axis == 1:
            right = stored
        else:
            columns = columns or draft.add(
                "Transpose", [stored], draft.fresh(f"{name}_columns"), perm=[1, 0]
            )
            right = columns
        _multiply(draft, use.node, right, steps)
    draft.remove_dead()
    draft.drop(name)
    dequantize(draft, name, stored, steps, axis, values.ndim)


def _all_rows(products: list[Use]) -> bool:
    return all(use.axis == 0 for use in products)


def quantized_input(draft: Draft, name: str) -> list[str]:
    """A value in integers, with its scale and zero point; layers that read it share them.

    Raises:
        ValueError: the file's opset is too old.
    """
    if draft.opset < DYNAMIC_OPSET:
        raise ValueError(
            f"the file is written in opset {draft.opset}, and inputs can be quantized on every run "
            f"from opset {DYNAMIC_OPSET} on: convert it with onnx.version_converter."
        )
    if (already := draft.newest_reader(name, "DynamicQuantizeLinear")) is not None:
        return list(already.output)
    made = [draft.fresh(f"{name}_{what}") for what in ("integers", "step", "zero")]
    draft.add("DynamicQuantizeLinear", [name], made[0])
    draft.give(draft.newest()[0], made[1:])
    return made


def _multiply(draft: Draft, node: NodeProto, right: str, steps: tuple[str, str]) -> None:
    """A MatMul or a Gemm in integers; what it gives are floats."""
    output = node.output[0]
    scale, zero = steps
    alpha, beta = gemm_factors(node)
    bias = node.input[2] if len(node.input) > 2 else ""
    draft.remove([node])
    integers, step, offset = quantized_input(draft, turned_input(draft, node))
    total = draft.fresh(f"{output}_sum")
    draft.add("MatMulInteger", [integers, right, offset, zero], total)
    made = draft.fresh(f"{output}_product") if bias else output
    _to_floats(draft, total, step, times(draft, scale, alpha), made)
    if bias:
        draft.add("Add", [made, times(draft, bias, beta)], output)


def _to_floats(draft: Draft, total: str, step: str, scale: str, output: str) -> None:
    floats = draft.add("Cast", [total], draft.fresh(f"{total}_float"), to=TensorProto.FLOAT)
    both = draft.add("Mul", [step, scale], draft.fresh(f"{total}_step"))
    draft.add("Mul", [floats, both], output)


def _store_convolution(draft: Draft, weight: Weight, parts: Parts) -> None:
    """Unsigned integers around 128: ONNX Runtime's ConvInteger is 4 times as fast on them.

    One zero point holds for all; the scale is per channel, since it multiplies the sums.
    """
    name, axis = weight.tensor, weight.axis
    values = draft.array(name)
    scale = weight_scale(values, axis, LARGEST)
    integers = quantize_weight(values, scale, axis).astype(np.int16) + UNSIGNED_ZERO
    stored = draft.store(f"{name}_quantized", integers.astype(np.uint8))
    zero = draft.store(f"{name}_zero_point", np.asarray(UNSIGNED_ZERO, np.uint8))
    kept = draft.store(f"{name}_scale", _beside(scale, values.ndim))
    parts[weight.name] = [stored, kept, zero]
    for use in weight.uses:
        _convolve(draft, use.node, [stored, kept, zero], values.ndim)
    draft.drop(name)


def _beside(scale: Floats, rank: int) -> Floats:
    """A scale per channel, as it multiplies values of (N, C, ...)."""
    return scale if scale.ndim == 0 else scale.reshape(-1, *[1] * (rank - 2))


def _convolve(draft: Draft, node: NodeProto, kept: list[str], rank: int) -> None:
    output = node.output[0]
    stored, scale, zero = kept
    bias = node.input[2] if len(node.input) > 2 else ""
    draft.remove([node])
    integers, step, offset = quantized_input(draft, node.input[0])
    total = draft.fresh(f"{output}_sum")
    draft.add("ConvInteger", [integers, stored, offset, zero], total)
    draft.newest()[0].attribute.extend(copied_attributes(node))
    made = draft.fresh(f"{output}_product") if bias else output
    _to_floats(draft, total, step, scale, made)
    if bias:
        shape = f"beside_{rank - 2}_axes"
        if shape not in draft.stored:
            shape = draft.store(shape, np.array([-1, *[1] * (rank - 2)], np.int64))
        beside = draft.add("Reshape", [bias, shape], draft.fresh(f"{bias}_beside"))
        draft.add("Add", [made, beside], output)
