"""How many bytes a tensor takes under an option in a container.

The formulas reproduce files that the containers' own tools wrote, unless they say [doc]:
those follow the format's documentation and were held against no file. `n` is the number of
elements and `C` that of output channels. `None` as an option is the container's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Literal, get_args

from talaria_widget.graph import FLOATING
from talaria_widget.recipe import Option
from talaria_widget.storage.coreml import COREML, COREML_THRESHOLD
from talaria_widget.storage.onnxruntime import ONNXRUNTIME
from talaria_widget.storage.tflite import TFLITE
from talaria_widget.storage.torchao import TORCHAO
from talaria_widget.storage.weight import Format, Shape, Weight, is_static

__all__ = [
    "COMPRESSIBLE",
    "CONTAINERS",
    "COREML_THRESHOLD",
    "Container",
    "activation_bytes",
    "follower_bytes",
    "parameter_bytes",
    "refusal",
    "weight_bytes",
]

Container = Literal["onnxruntime", "coreml", "torchao", "tflite"]
CONTAINERS: tuple[str, ...] = get_args(Container)

COMPRESSIBLE = frozenset(
    {"conv", "conv_transpose", "linear", "matmul", "attention", "recurrent", "embedding"}
)
"""Kinds of op whose weights an option covers."""

_FORMATS: Mapping[str, Format] = MappingProxyType(
    {"onnxruntime": ONNXRUNTIME, "coreml": COREML, "torchao": TORCHAO, "tflite": TFLITE}
)


def weight_bytes(
    container: str, shape: Shape, dtype: str, channel_axis: int, kind: str, option: Option
) -> int:
    """Bytes of an op's main weight, with its scales, tables and padding.

    An option that the container refuses leaves the weight as its default.

    Raises:
        ValueError: An unknown container or dtype.

    Example:
        >>> from talaria_widget.recipe import Quantize
        >>> weight_bytes("onnxruntime", (256, 128), "float32", 0, "linear", Quantize(8))
        34048
    """
    weight = Weight(shape, dtype, channel_axis, kind)
    if refusal(container, shape, dtype, channel_axis, kind, option) is not None:
        option = None
    return _format(container).weight(weight, option)


def follower_bytes(container: str, shape: Shape, dtype: str, kind: str, option: Option) -> int:
    """Bytes of a bias, which follows the option of its op's weight.

    Raises:
        ValueError: An unknown container or dtype.

    Example:
        >>> from talaria_widget.recipe import Activations, Quantize
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
    return fmt.activation if is_static(option) else 0


def refusal(
    container: str,
    shape: Shape,
    dtype: str,
    channel_axis: int,
    kind: str,
    option: Option,
    words: frozenset[str] = frozenset(),
) -> str | None:
    """Why the container cannot store a weight so, as the end of a sentence; `None` if it can.

    `words` are the words of the ops that use it ("lstm", "gru"), where they are known, and
    `BODY` and `INSIDE` of where these are.

    Raises:
        ValueError: An unknown container.

    Example:
        >>> from talaria_widget.recipe import Quantize
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
    return fmt.refuse(Weight(shape, dtype, channel_axis, kind, words), option)


def _format(container: str) -> Format:
    known = _FORMATS.get(container)
    if known is None:
        raise ValueError(f"unknown container {container!r}: pass one of {', '.join(CONTAINERS)}.")
    return known
