"""A weight as the storage formulas look at it, and the counts that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod

from talaria_widget.graph import DTYPE_BITS
from talaria_widget.recipe import Cast, Option, Quantize

Shape = tuple[int, ...]
BODY, INSIDE = "body", "inside"
"""Words of a weight that is used, or lies, in a branch, loop or function of its file."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a formula looks at; `words` are those of the ops that use it, where they matter, and
    of where they are.
    """

    shape: Shape
    dtype: str
    axis: int
    kind: str
    words: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """Elements."""
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


@dataclass(frozen=True, slots=True)
class Format:
    """How one container stores: main weights, biases, the rest, and what it refuses.

    `activation` is the bytes that one quantized activation adds to the file.
    """

    weight: Callable[[Weight, Option], int]
    follower: Callable[[int, str, Option], int]
    parameter: Callable[[int, str], int]
    refuse: Callable[[Weight, Quantize | Cast], str | None]
    activation: int = 0


def plain(size: int, dtype: str) -> int:
    """Bytes of a tensor as its dtype says.

    Raises:
        ValueError: An unknown dtype.
    """
    bits = DTYPE_BITS.get(dtype)
    if bits is None:
        raise ValueError(f"unknown dtype {dtype!r}: pass one of {', '.join(DTYPE_BITS)}.")
    return (size * bits + 7) // 8


def packed(size: int, bits: int) -> int:
    """Bytes of elements of so many bits without gaps."""
    return (size * bits + 7) // 8


def scales(weight: Weight, option: Quantize) -> int:
    """How many scales there are."""
    if option.granularity == "tensor":
        return 1
    if option.granularity == "channel":
        return weight.channels
    return weight.channels * ceil(weight.inputs / (option.block_size or 1))


def is_static(option: Option) -> bool:
    """Whether activations are quantized by calibration."""
    known = option.activations if isinstance(option, Quantize) else None
    return known is not None and not known.dynamic


def is_dynamic(option: Quantize) -> bool:
    """Whether activations are quantized while the model runs."""
    return option.activations is not None and option.activations.dynamic
