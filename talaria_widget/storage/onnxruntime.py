"""ONNX Runtime: initialisers as they are, unpadded."""

from __future__ import annotations

from math import ceil

from talaria_widget.recipe import Cast, Option, Quantize
from talaria_widget.storage.weight import (
    Format,
    Weight,
    is_dynamic,
    is_static,
    packed,
    plain,
    scales,
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
    # A float32 scale and an int8 zero point each: n + 5 C. An embedding has only one of each (a
    # table that is a linear layer's weight too counts as that), and so has a ConvInteger.
    is_single = weight.kind == "embedding" or (
        is_dynamic(option) and weight.kind in ("conv", "conv_transpose")
    )
    return n + 5 * (1 if is_single else scales(weight, option))


def _follower(size: int, dtype: str, option: Option) -> int:
    if isinstance(option, Cast):
        return plain(size, option.dtype)
    # Static QDQ: int32, a float32 scale and an int32 zero point each: (4 + 4 + 4) C.
    return 12 * size if is_static(option) else plain(size, dtype)


def _refuse(weight: Weight, option: Quantize | Cast) -> str | None:
    if isinstance(option, Cast):
        return None
    if option.granularity == "block":
        if weight.kind != "linear" or len(weight.shape) != 2:
            return "ONNX Runtime stores blocks only for linear layers (MatMulNBits)"
        if option.bits not in (4, 8):
            return f"ONNX Runtime stores blocks of 4 or 8 bits, not {option.bits}"
        if option.activations is not None:
            return "ONNX Runtime's block weights (MatMulNBits) take float activations"
        return None
    if option.bits != 8:
        return f"ONNX Runtime stores {option.bits} bits only in blocks"
    if option.activations is not None and option.activations.bits != 8:
        return "ONNX Runtime quantizes activations to 8 bits here"
    return None


ONNXRUNTIME = Format(_weight, _follower, plain, _refuse, activation=5)
