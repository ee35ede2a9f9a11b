"""How many bytes a tensor takes under an option in a container.

Formulas as real files of each container have them (measured on files written by onnxruntime
1.32, coremltools 9 and torchao unless a line says otherwise). One row of `RULES` per container.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from types import MappingProxyType

from talaria_widget.graph import DTYPE_BITS
from talaria_widget.recipe import Cast, Option, Quantize

COREML_THRESHOLD = 2048
"""Core ML compresses only tensors of more elements than this (coremltools' default)."""

QDQ_ACTIVATION_BYTES = 5
"""A quantised activation's float32 scale and uint8 zero point."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What the formulas need of a weight: n elements, in `channels` rows of `inputs`."""

    shape: tuple[int, ...]
    dtype: str
    axis: int
    kind: str

    @property
    def size(self) -> int:
        """Elements."""
        return prod(self.shape)

    @property
    def channels(self) -> int:
        """Output channels: how many scales there are per channel."""
        return self.shape[self.axis] if self.shape else 1

    @property
    def inputs(self) -> int:
        """Elements that make one output channel."""
        return self.size // self.channels if self.channels else 0

    @property
    def plain(self) -> int:
        """Bytes as its dtype says."""
        return _plain(self.size, self.dtype)


@dataclass(frozen=True, slots=True)
class Rules:
    """A container: bytes of a weight, of its bias, of anything else; and what it refuses."""

    weight: Callable[[Weight, Option], int]
    follower: Callable[[int, str, Option], int]
    parameter: Callable[[int, str], int]
    refusal: Callable[[Weight, Option], str | None]


def weight_bytes(
    container: str, shape: Sequence[int], dtype: str, channel_axis: int, kind: str, option: Option
) -> int:
    """Bytes of a layer's weight, its scales and tables included; `None` as the device stores it.

    Raises:
        ValueError: a container without rules.

    Example:
        >>> weight_bytes("onnxruntime", (64, 128), "float32", 0, "linear", Quantize(8))
        8512
    """
    return _rules(container).weight(Weight(tuple(shape), dtype, channel_axis, kind), option)


def follower_bytes(
    container: str, shape: Sequence[int], dtype: str, kind: str, option: Option
) -> int:
    """Bytes of a bias whose layer has an option.

    Example:
        >>> follower_bytes("coreml", (64,), "float32", "conv", None)
        192
    """
    return _rules(container).follower(prod(shape), dtype, option)


def parameter_bytes(container: str, size: int, dtype: str) -> int:
    """Bytes of a stored tensor that no option touches.

    Example:
        >>> parameter_bytes("onnxruntime", 10, "float32")
        40
    """
    return _rules(container).parameter(size, dtype)


def refusal(
    container: str, shape: Sequence[int], dtype: str, channel_axis: int, kind: str, option: Option
) -> str | None:
    """Why a container cannot store a weight so, or `None`.

    Example:
        >>> refusal("coreml", (8, 8), "float32", 0, "linear", Quantize(8))
        'Core ML leaves tensors of 2,048 elements or fewer as they are'
    """
    if option is None:
        return None
    return _rules(container).refusal(Weight(tuple(shape), dtype, channel_axis, kind), option)


def _rules(container: str) -> Rules:
    if container not in RULES:
        raise ValueError(f"no storage rules for {container!r}; known are {', '.join(RULES)}.")
    return RULES[container]


def _plain(size: int, dtype: str) -> int:
    return ceil(size * DTYPE_BITS[dtype] / 8)


# ---------------------------------------------------------------------------- ONNX Runtime


def _onnxruntime_weight(w: Weight, option: Option) -> int:
    """int8: n + 5 per output channel (float32 scale, int8 zero point); embeddings n + 5.

    Static QDQ adds 5 for each activation it quantises, the layer's input and output.
    MatMulNBits, block g: N x ceil(K / g) x (g x bits / 8 + 4 [+ half a byte of zero point]).
    """
    if isinstance(option, Cast):
        return _plain(w.size, option.dtype)
    if option is None:
        return w.plain
    if option.granularity == "block":
        return _blocks(w, option, scale_bytes=4)
    scales = 1 if option.granularity == "tensor" or w.kind == "embedding" else w.channels
    packed = ceil(w.size * (8 if option.bits > 4 else 4) / 8) + 5 * scales
    static = option.activations is not None and not option.activations.dynamic
    return packed + (2 * QDQ_ACTIVATION_BYTES if static else 0)


def _blocks(w: Weight, option: Quantize, scale_bytes: int) -> int:
    block = option.block_size or 32
    blocks = w.channels * ceil(w.inputs / block)
    zero_points = 0 if option.symmetric else ceil(blocks * option.bits / 8)
    return ceil(blocks * block * option.bits / 8) + scale_bytes * blocks + zero_points


def _onnxruntime_follower(size: int, dtype: str, option: Option) -> int:
    """A bias under static QDQ is int32 with float32 scales and int32 zero points: 12 each."""
    if isinstance(option, Cast):
        return _plain(size, option.dtype)
    if option is None or option.activations is None or option.activations.dynamic:
        return _plain(size, dtype)
    return 12 * size


def _onnxruntime_refusal(w: Weight, option: Option) -> str | None:
    if not isinstance(option, Quantize):
        return None
    if w.kind == "recurrent":
        return "recurrent weights are quantised only with dynamic activations"
    if option.granularity == "block" and w.kind != "linear":
        return "4-bit blocks are for linear layers (MatMulNBits)"
    if option.granularity != "block" and option.bits != 8:
        return f"{option.bits} bits per channel have no kernel; 4-bit blocks or 8 bits do"
    return None


# --------------------------------------------------------------------------------- Core ML


def _blob(nbytes: int) -> int:
    """Each blob of `weight.bin` has a 64-byte header and is padded to 64 bytes."""
    return 64 + 64 * ceil(nbytes / 64)


def _coreml_weight(w: Weight, option: Option) -> int:
    """int8 per channel n + 2 C_out; int4 per block n/2 + 2 C_out C_in / g; fp16 2n."""
    if not isinstance(option, Quantize):
        return _blob(2 * w.size)
    if option.granularity == "block":
        blocks = w.channels * (w.inputs // (option.block_size or 32))
        return _blob(ceil(w.size * option.bits / 8)) + _blob(2 * blocks)
    scales = 1 if option.granularity == "tensor" else w.channels
    return _blob(ceil(w.size * option.bits / 8)) + _blob(2 * scales)


def _coreml_refusal(w: Weight, option: Option) -> str | None:
    if not isinstance(option, Quantize):
        return None
    if w.size <= COREML_THRESHOLD:
        return f"Core ML leaves tensors of {COREML_THRESHOLD:,} elements or fewer as they are"
    if option.bits not in (4, 8):
        return "Core ML quantises to 4 or 8 bits"
    if option.granularity == "block" and w.inputs % (option.block_size or 32):
        return f"blocks of {option.block_size} do not divide {w.inputs} inputs"
    return None


# ------------------------------------------------------------------- torchao, safetensors


def _torchao_weight(w: Weight, option: Option) -> int:
    """int8: n + 4 C_out; 4 bits in groups of g: n/2 + 4 n/g (public format description)."""
    if isinstance(option, Cast):
        return _plain(w.size, option.dtype)
    if option is None:
        return w.plain
    if option.granularity == "block":
        return _blocks(w, option, scale_bytes=4)
    return ceil(w.size * option.bits / 8) + 4 * (
        1 if option.granularity == "tensor" else w.channels
    )


def _torchao_refusal(w: Weight, option: Option) -> str | None:
    if not isinstance(option, Quantize):
        return None
    if w.kind != "linear":
        return "torchao quantizes linear layers"
    if option.granularity == "block" and w.inputs % (option.block_size or 32):
        return f"blocks of {option.block_size} do not divide {w.inputs} inputs"
    return None


def _cast_follower(size: int, dtype: str, option: Option) -> int:
    return _plain(size, option.dtype if isinstance(option, Cast) else dtype)


# ---------------------------------------------------------------------------------- TFLite


def _tflite_weight(w: Weight, option: Option) -> int:
    """int8: n, with scale and int64 zero point per output channel, 12 C_out."""
    return w.size + 12 * w.channels


def _tflite_follower(size: int, dtype: str, option: Option) -> int:
    """An int32 bias, 4 C_out, with its own scales and zero points, 12 C_out."""
    return 16 * size


RULES: Mapping[str, Rules] = MappingProxyType(
    {
        "onnxruntime": Rules(
            _onnxruntime_weight, _onnxruntime_follower, _plain, _onnxruntime_refusal
        ),
        "coreml": Rules(
            _coreml_weight,
            lambda size, _dtype, _option: _blob(2 * size),
            lambda size, _dtype: _blob(2 * size),
            _coreml_refusal,
        ),
        "torchao": Rules(_torchao_weight, _cast_follower, _plain, _torchao_refusal),
        "tflite": Rules(
            _tflite_weight,
            _tflite_follower,
            lambda size, _dtype: size,
            lambda _weight, _option: None,
        ),
    }
)
