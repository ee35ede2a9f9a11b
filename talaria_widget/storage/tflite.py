"""TensorFlow Lite [doc]: int8 with an int32 bias unless told otherwise, and tables of scales."""

from __future__ import annotations

from talaria_widget.graph import FLOATING
from talaria_widget.recipe import Cast, Option, Quantize
from talaria_widget.storage.weight import Format, Weight, packed, plain, scales

# A scale is a float32 and a zero point an int64.
_PAIR = 12


def _weight(weight: Weight, option: Option) -> int:
    n = weight.size
    if isinstance(option, Cast):
        return plain(n, option.dtype)
    if option is None:
        if weight.dtype not in FLOATING:
            return plain(n, weight.dtype)
        option = Quantize(8)
    return packed(n, option.bits) + _PAIR * scales(weight, option)


def _follower(size: int, dtype: str, option: Option) -> int:
    if isinstance(option, Cast):
        return plain(size, option.dtype)
    if option is None:
        return (4 + _PAIR) * size
    if option.activations is None or option.activations.dynamic:
        return plain(size, dtype)
    # 16-bit activations sum up into an int64.
    return ((8 if option.activations.bits == 16 else 4) + _PAIR) * size


def _parameter(size: int, dtype: str) -> int:
    return size + _PAIR if dtype in FLOATING else plain(size, dtype)


def _refuse(weight: Weight, option: Quantize | Cast) -> str | None:
    if isinstance(option, Cast):
        return "TensorFlow Lite has no bfloat16" if option.dtype == "bfloat16" else None
    if option.granularity == "block":
        return "TensorFlow Lite keeps one scale per tensor or channel, not per block"
    if option.bits not in (4, 8):
        return f"TensorFlow Lite quantizes to 4 or 8 bits, not {option.bits}"
    if not option.symmetric:
        return "TensorFlow Lite's weights are symmetric"
    return None


TFLITE = Format(_weight, _follower, _parameter, _refuse, activation=_PAIR)
