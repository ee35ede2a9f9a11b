"""torchao, saved as safetensors: tensors as they are, unpadded, after a short header."""

from __future__ import annotations

from talaria_widget.recipe import Cast, Option, Quantize
from talaria_widget.storage.weight import Format, Weight, packed, plain, scales


def _weight(weight: Weight, option: Option) -> int:
    n = weight.size
    if option is None:
        return plain(n, weight.dtype)
    if isinstance(option, Cast):
        return plain(n, option.dtype)
    # int8: n + 4 C (a float32 scale each). int4 in groups of g: n/2 + 4 n/g, for a scale and a
    # zero point in two bytes each, symmetric or not [doc].
    return packed(n, option.bits) + 4 * scales(weight, option)


def _follower(size: int, dtype: str, option: Option) -> int:
    return plain(size, option.dtype if isinstance(option, Cast) else dtype)


def _refuse(weight: Weight, option: Quantize | Cast) -> str | None:
    if isinstance(option, Cast):
        return None
    if weight.kind != "linear" or len(weight.shape) != 2:
        return "torchao quantizes linear layers only"
    if option.bits not in (4, 8):
        return f"torchao quantizes to 4 or 8 bits, not {option.bits}"
    if option.granularity == "tensor":
        return "torchao keeps one scale per channel or block, not per tensor"
    if option.bits == 4 and option.granularity != "block":
        return "torchao stores 4 bits only in blocks"
    if option.granularity == "block" and weight.inputs % (option.block_size or 1):
        return (
            f"blocks of {option.block_size} need inputs that are a multiple of "
            f"{option.block_size}, not {weight.inputs}"
        )
    if option.activations is None:
        return None
    if option.bits == 4 or option.granularity == "block":
        return "torchao's block weights take float activations here"
    if not option.activations.dynamic or option.activations.bits != 8:
        return "torchao quantizes activations dynamically, to 8 bits"
    return None


TORCHAO = Format(_weight, _follower, plain, _refuse)
