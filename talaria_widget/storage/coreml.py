"""Core ML: every tensor is a blob of weight.bin.

A blob is a header of 64 bytes and then its bytes, up to the next multiple of 64. The converter
folds BatchNorm into a float16 bias.
"""

from __future__ import annotations

from talaria_widget.graph import FLOATING
from talaria_widget.recipe import Cast, Option, Quantize
from talaria_widget.storage.weight import Format, Weight, packed, plain, scales

COREML_THRESHOLD = 2_048
"""Tensors of this many elements or fewer are left as they are (coremltools' default).
Activations are quantised whatever the size of the weight beside them."""


def _blob(nbytes: int) -> int:
    return 64 + (nbytes + 63) // 64 * 64


def _plain_blob(size: int, dtype: str, option: Option) -> int:
    """Float16 unless float32 was asked for; what is no float stays as it is."""
    if dtype not in FLOATING:
        return _blob(plain(size, dtype))
    return _blob(plain(size, option.dtype if isinstance(option, Cast) else "float16"))


def _weight(weight: Weight, option: Option) -> int:
    if not isinstance(option, Quantize) or weight.size <= COREML_THRESHOLD:
        cast = option if isinstance(option, Cast) else None
        return _plain_blob(weight.size, weight.dtype, cast)
    # n bits / 8 and a float16 scale per channel (2 C) or block (2 C C_in / g); zero points, if
    # any, are as wide as the weights [doc].
    count = scales(weight, option)
    zeros = 0 if option.symmetric else _blob(packed(count, option.bits))
    return _blob(packed(weight.size, option.bits)) + _blob(2 * count) + zeros


def _refuse(weight: Weight, option: Quantize | Cast) -> str | None:
    if isinstance(option, Cast):
        return "Core ML has no bfloat16" if option.dtype == "bfloat16" else None
    if weight.size <= COREML_THRESHOLD and option.activations is None:
        return f"Core ML leaves tensors of {COREML_THRESHOLD:,} elements or fewer as they are"
    if option.bits not in (4, 8):
        return f"Core ML quantizes to 4 or 8 bits, not {option.bits}"
    if option.granularity == "block" and weight.inputs % (option.block_size or 1):
        return (
            f"blocks of {option.block_size} need input channels that are a multiple of "
            f"{option.block_size}, not {weight.inputs}"
        )
    if option.activations is not None and option.activations.dynamic:
        return "Core ML quantizes activations by calibration only"
    if option.activations is not None and option.activations.bits != 8:
        return "Core ML quantizes activations to 8 bits"
    return None


COREML = Format(_weight, _plain_blob, lambda size, dtype: _plain_blob(size, dtype, None), _refuse)
