"""ONNX Runtime: initialisers as they are, unpadded."""

from __future__ import annotations

from math import ceil

from talaria_widget.recipe import Cast, Option, Quantize
from talaria_widget.storage.weight import (
    BODY,
    INSIDE,
    Format,
    Weight,
    is_dynamic,
    is_static,
    packed,
    plain,
    scales,
)

LIES_INSIDE = (
    "the file keeps it inside a branch, loop or function, into which nothing is written yet"
)
USED_INSIDE = (
    "a branch or loop uses it, whose nodes stay as they are: only its own storage can change"
)


def _weight(weight: Weight, option: Option) -> int:
    n = weight.size
    if option is None:
        return plain(n, weight.dtype)
    if isinstance(option, Cast):
        return plain(n, option.dtype)
    if option.granularity == "block":
        # MatMulNBits: N ceil(K/g) (g bits/8 + 4); K is padded to whole blocks, and zero points
        # are packed per row: 5.0 bits an element at 4 bits and g = 32, 4.25 at 128.
        size, blocks = option.block_size or 1, ceil(weight.inputs / (option.block_size or 1))
        row = blocks * (packed(size, option.bits) + 4)
        zeros = 0 if option.symmetric else packed(blocks, option.bits)
        return weight.channels * (row + zeros)
    if is_dynamic(option) and weight.kind in ("conv", "conv_transpose"):
        # ConvInteger takes one zero point; its sums are multiplied by a scale each: n + 4 C + 1.
        return n + 4 * scales(weight, option) + 1
    # A float32 scale and an int8 zero point each: n + 5 C. An embedding has only one of each (a
    # table that is a linear layer's weight too counts as that).
    return n + 5 * (1 if weight.kind == "embedding" else scales(weight, option))


def _follower(size: int, dtype: str, option: Option) -> int:
    if isinstance(option, Cast):
        return plain(size, option.dtype)
    # Static QDQ: int32, a float32 scale and an int32 zero point each: (4 + 4 + 4) C.
    return 12 * size if is_static(option) else plain(size, dtype)


def _refuse(weight: Weight, option: Quantize | Cast) -> str | None:
    if isinstance(option, Cast):
        if option.dtype == weight.dtype:
            return None
        return LIES_INSIDE if INSIDE in weight.words else _not_single(weight.dtype)
    if INSIDE in weight.words:
        return LIES_INSIDE
    if BODY in weight.words and (option.granularity == "block" or option.activations is not None):
        return USED_INSIDE
    if option.granularity == "block":
        if weight.kind != "linear" or len(weight.shape) != 2:
            return "ONNX Runtime stores blocks only for linear layers (MatMulNBits)"
        if option.bits not in (4, 8):
            return f"ONNX Runtime stores blocks of 4 or 8 bits, not {option.bits}"
        if option.activations is not None:
            return "ONNX Runtime's block weights (MatMulNBits) take float activations"
        return _not_single(weight.dtype)
    if option.bits != 8:
        return f"ONNX Runtime stores {option.bits} bits only in blocks"
    if option.activations is None:
        return None if weight.dtype == "float16" else _not_single(weight.dtype)
    if option.activations.bits != 8:
        return "ONNX Runtime quantizes activations to 8 bits here"
    if not option.symmetric:
        return "ONNX Runtime's integer layers take symmetric weights here"
    if option.activations.dynamic and (reason := _no_dynamic(weight)):
        return reason
    return _not_single(weight.dtype)


def _not_single(dtype: str) -> str | None:
    """What apply writes starts from float32, where every kernel is."""
    return None if dtype == "float32" else f"it is stored as {dtype}, and only float32 is converted"


def _no_dynamic(weight: Weight) -> str | None:
    if weight.kind == "conv_transpose":
        return "ONNX Runtime has no transposed convolution in integers"
    others = weight.words - {"lstm", BODY}
    if weight.kind == "recurrent" and others:
        word = min(others).upper()
        return f"ONNX Runtime has no {word} in integers, only LSTM (DynamicQuantizeLSTM)"
    if weight.kind == "linear" and len(weight.shape) != 2:
        return "ONNX Runtime quantizes inputs of linear layers whose weight has two axes"
    return None


ONNXRUNTIME = Format(_weight, _follower, plain, _refuse, activation=5)
