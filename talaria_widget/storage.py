"""How many bytes a tensor takes under an option in a container.

The formulas reproduce files that the containers' own tools wrote, unless they say [doc]:
those follow the format's documentation and were held against no file. `n` is the number of
elements and `C` that of output channels. `None` as an option is the container's default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, prod
from types import MappingProxyType
from typing import Literal, get_args

from talaria_widget.graph import DTYPE_BITS, FLOATING
from talaria_widget.recipe import Cast, Option, Quantize

Container = Literal["onnxruntime", "coreml", "torchao", "tflite"]
CONTAINERS: tuple[str, ...] = get_args(Container)
Shape = tuple[int, ...]

COMPRESSIBLE = frozenset(
    {"conv", "conv_transpose", "linear", "matmul", "attention", "recurrent", "embedding"}
)
"""Kinds of op whose weights an option covers."""

COREML_THRESHOLD = 2_048
"""Core ML leaves tensors of this many elements or fewer as they are (coremltools' default)."""


@dataclass(frozen=True, slots=True)
class _Weight:
    """What a formula looks at."""

    shape: Shape
    dtype: str
    axis: int
    kind: str

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def channels(self) -> int:
        """Output rows with a scale of their own; stacked directions of a recurrent weight too."""
        if self.kind == "recurrent" and len(self.shape) == 3:
            return self.shape[0] * self.shape[1]
        return self.shape[self.axis] if self.shape else 1

    @property
    def inputs(self) -> int:
        """The length that blocks divide: input channels of a kernel, else all but the output."""
        if self.kind in ("conv", "conv_transpose") and len(self.shape) > 2:
            return self.shape[1 - self.axis]
        return self.size // max(1, self.channels)


def weight_bytes(
    container: str, shape: Shape, dtype: str, channel_axis: int, kind: str, option: Option
) -> int:
    """Bytes of an op's main weight, with its scales, tables and padding.

    An option that the container refuses leaves the weight as its default.

    Raises:
        ValueError: An unknown container or dtype.

    Example:
        >>> weight_bytes("onnxruntime", (256, 128), "float32", 0, "linear", Quantize(8))
        34048
    """
    weight = _Weight(shape, dtype, channel_axis, kind)
    if refusal(container, shape, dtype, channel_axis, kind, option) is not None:
        option = None
    return _format(container).weight(weight, option)


def follower_bytes(container: str, shape: Shape, dtype: str, kind: str, option: Option) -> int:
    """Bytes of a bias, which follows the option of its op's weight.

    Raises:
        ValueError: An unknown container or dtype.

    Example:
        >>> from talaria_widget.recipe import Activations
        >>> static = Quantize(8, activations=Activations(8))
        >>> follower_bytes("onnxruntime", (256,), "float32", "linear", static)
        3072
    """
    if dtype not in FLOATING:
        return parameter_bytes(container, prod(shape), dtype)
    return _format(container).follower(prod(shape), dtype, option)


def parameter_bytes(container: str, size: int, dtype: str) -> int:
    """Bytes of a stored tensor that no option touches: a norm's scale, statistics, a table.

    Raises:
        ValueError: An unknown container or dtype.
    """
    return _format(container).parameter(size, dtype)


def activation_bytes(container: str, option: Option) -> int:
    """Bytes that one quantized activation adds to the file: its scale and its zero point.

    Raises:
        ValueError: An unknown container.
    """
    fmt = _format(container)
    if container == "tflite" and option is None:
        return fmt.activation
    return fmt.activation if _is_static(option) else 0


def refusal(
    container: str, shape: Shape, dtype: str, channel_axis: int, kind: str, option: Option
) -> str | None:
    """Why the container cannot store a weight so, as the end of a sentence; `None` if it can.

    Raises:
        ValueError: An unknown container.

    Example:
        >>> refusal("coreml", (64, 8), "float32", 0, "linear", Quantize(8))
        'Core ML leaves tensors of 2,048 elements or fewer as they are'
    """
    fmt = _format(container)
    if option is None:
        return None
    if kind not in COMPRESSIBLE:
        return f"weights of kind {kind} are not compressed"
    if dtype not in FLOATING:
        return f"it is stored as {dtype} already"
    return fmt.refuse(_Weight(shape, dtype, channel_axis, kind), option)


def _plain(size: int, dtype: str) -> int:
    bits = DTYPE_BITS.get(dtype)
    if bits is None:
        raise ValueError(f"unknown dtype {dtype!r}: pass one of {', '.join(DTYPE_BITS)}.")
    return (size * bits + 7) // 8


def _packed(size: int, bits: int) -> int:
    return (size * bits + 7) // 8


def _groups(weight: _Weight, option: Quantize) -> int:
    """How many scales there are."""
    if option.granularity == "tensor":
        return 1
    if option.granularity == "channel":
        return weight.channels
    return weight.channels * ceil(weight.inputs / (option.block_size or 1))


def _is_static(option: Option) -> bool:
    known = option.activations if isinstance(option, Quantize) else None
    return known is not None and not known.dynamic


def _is_dynamic(option: Quantize) -> bool:
    return option.activations is not None and option.activations.dynamic


# ONNX Runtime. Initialisers are stored as they are, unpadded.


def _onnx_weight(weight: _Weight, option: Option) -> int:
    n = weight.size
    if option is None:
        return _plain(n, weight.dtype)
    if isinstance(option, Cast):
        return _plain(n, option.dtype)
    if option.granularity == "block":
        # MatMulNBits: N ceil(K/g) (g bits/8 + 4); K is padded to whole blocks, and zero points
        # are packed per row: 5.0 bits an element at 4 bits and g = 32, 4.25 at 128.
        size, blocks = option.block_size or 1, ceil(weight.inputs / (option.block_size or 1))
        row = blocks * (_packed(size, option.bits) + 4)
        zeros = 0 if option.symmetric else _packed(blocks, option.bits)
        return weight.channels * (row + zeros)
    # A float32 scale and an int8 zero point each: n + 5 C. A ConvInteger has only one of each,
    # and so has an embedding, whose rows are gathered before they are dequantized.
    is_single = weight.kind == "embedding" or (
        _is_dynamic(option) and weight.kind in ("conv", "conv_transpose")
    )
    return n + 5 * (1 if is_single else _groups(weight, option))


def _onnx_follower(size: int, dtype: str, option: Option) -> int:
    if isinstance(option, Cast):
        return _plain(size, option.dtype)
    # Static QDQ: int32, a float32 scale and an int32 zero point each: (4 + 4 + 4) C.
    return 12 * size if _is_static(option) else _plain(size, dtype)


def _onnx_refuse(weight: _Weight, option: Quantize | Cast) -> str | None:
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


# Core ML. Every tensor is a blob of weight.bin: a header of 64 bytes, then its bytes up to
# the next multiple of 64. BatchNorm is folded into a float16 bias by the converter.


def _blob(nbytes: int) -> int:
    return 64 + (nbytes + 63) // 64 * 64


def _coreml_plain(size: int, dtype: str, option: Option) -> int:
    """Float16 unless float32 was asked for; what is no float stays as it is."""
    if dtype not in FLOATING:
        return _blob(_plain(size, dtype))
    return _blob(_plain(size, option.dtype if isinstance(option, Cast) else "float16"))


def _coreml_weight(weight: _Weight, option: Option) -> int:
    if not isinstance(option, Quantize):
        return _coreml_plain(weight.size, weight.dtype, option)
    # n bits / 8 and a float16 scale per channel (2 C) or block (2 C C_in / g); zero points, if
    # any, are as wide as the weights [doc].
    groups = _groups(weight, option)
    zeros = 0 if option.symmetric else _blob(_packed(groups, option.bits))
    return _blob(_packed(weight.size, option.bits)) + _blob(2 * groups) + zeros


def _coreml_refuse(weight: _Weight, option: Quantize | Cast) -> str | None:
    if isinstance(option, Cast):
        return "Core ML has no bfloat16" if option.dtype == "bfloat16" else None
    if weight.size <= COREML_THRESHOLD:
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


# torchao, saved as safetensors: tensors as they are, unpadded, after a short header.


def _torchao_weight(weight: _Weight, option: Option) -> int:
    n = weight.size
    if option is None:
        return _plain(n, weight.dtype)
    if isinstance(option, Cast):
        return _plain(n, option.dtype)
    # int8: n + 4 C (a float32 scale each). int4 in groups of g: n/2 + 4 n/g, for a scale and a
    # zero point in two bytes each, symmetric or not [doc].
    return _packed(n, option.bits) + 4 * _groups(weight, option)


def _as_stored(size: int, dtype: str, option: Option) -> int:
    return _plain(size, option.dtype if isinstance(option, Cast) else dtype)


def _torchao_refuse(weight: _Weight, option: Quantize | Cast) -> str | None:
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


# TensorFlow Lite [doc]. A scale is a float32 and a zero point an int64: 12 bytes a pair. The
# default is int8, with an int32 bias.

_PAIR = 12


def _tflite_weight(weight: _Weight, option: Option) -> int:
    n = weight.size
    if isinstance(option, Cast):
        return _plain(n, option.dtype)
    if option is None:
        if weight.dtype not in FLOATING:
            return _plain(n, weight.dtype)
        option = Quantize(8)
    return _packed(n, option.bits) + _PAIR * _groups(weight, option)


def _tflite_follower(size: int, dtype: str, option: Option) -> int:
    if isinstance(option, Cast):
        return _plain(size, option.dtype)
    if option is None:
        return (4 + _PAIR) * size
    if option.activations is None or option.activations.dynamic:
        return _plain(size, dtype)
    # 16-bit activations sum up into an int64.
    return ((8 if option.activations.bits == 16 else 4) + _PAIR) * size


def _tflite_parameter(size: int, dtype: str) -> int:
    return size + _PAIR if dtype in FLOATING else _plain(size, dtype)


def _tflite_refuse(weight: _Weight, option: Quantize | Cast) -> str | None:
    if isinstance(option, Cast):
        return "TensorFlow Lite has no bfloat16" if option.dtype == "bfloat16" else None
    if option.granularity == "block":
        return "TensorFlow Lite keeps one scale per tensor or channel, not per block"
    if option.bits not in (4, 8):
        return f"TensorFlow Lite quantizes to 4 or 8 bits, not {option.bits}"
    if not option.symmetric:
        return "TensorFlow Lite's weights are symmetric"
    return None


@dataclass(frozen=True, slots=True)
class _Format:
    weight: Callable[[_Weight, Option], int]
    follower: Callable[[int, str, Option], int]
    parameter: Callable[[int, str], int]
    refuse: Callable[[_Weight, Quantize | Cast], str | None]
    activation: int = 0


_FORMATS: Mapping[str, _Format] = MappingProxyType(
    {
        "onnxruntime": _Format(_onnx_weight, _onnx_follower, _plain, _onnx_refuse, activation=5),
        "coreml": _Format(
            _coreml_weight,
            _coreml_plain,
            lambda size, dtype: _coreml_plain(size, dtype, None),
            _coreml_refuse,
        ),
        "torchao": _Format(_torchao_weight, _as_stored, _plain, _torchao_refuse),
        "tflite": _Format(
            _tflite_weight, _tflite_follower, _tflite_parameter, _tflite_refuse, activation=_PAIR
        ),
    }
)


def _format(container: str) -> _Format:
    known = _FORMATS.get(container)
    if known is None:
        raise ValueError(f"unknown container {container!r}: pass one of {', '.join(CONTAINERS)}.")
    return known
