"""Numbers as integers with a scale: the arithmetic of int8 weights, int32 biases, activations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
LARGEST = 127
LARGEST_WITH_HEADROOM = 63
UNSIGNED_ZERO = 128
BIAS_LARGEST = 2.0**30


def weight_scale(values: NDArray[Any], axis: int | None, largest: int = LARGEST) -> Floats:
    """Symmetric scales: largest magnitude / largest integer, per index of `axis`, or one for all.

    A channel of zeros takes the largest scale of the others, so that a bias in units of it
    stays precise.
    """
    magnitude = np.abs(values.astype(np.float32))
    others = None if axis is None else tuple(i for i in range(values.ndim) if i != axis)
    scale = np.asarray(magnitude.max(axis=others, initial=0.0) / largest, dtype=np.float32)
    fallback = float(scale.max(initial=0.0)) or 1.0
    return np.asarray(np.where(scale > 0, scale, np.float32(fallback)), dtype=np.float32)


def weight_range(values: NDArray[Any], axis: int | None) -> tuple[Floats, NDArray[np.int8]]:
    """Scale and zero point of the 256 steps from the smallest to the largest, 0 among them."""
    others = None if axis is None else tuple(i for i in range(values.ndim) if i != axis)
    wide = values.astype(np.float32)
    low = np.minimum(wide.min(axis=others, initial=0.0), 0)
    high = np.maximum(wide.max(axis=others, initial=0.0), 0)
    scale = np.asarray((high - low) / 255, np.float32)
    scale = np.asarray(np.where(scale > 0, scale, np.float32(1)), np.float32)
    zero = np.clip(np.rint(-128 - low / scale), -128, 127)
    return scale, np.asarray(zero, np.int8)


def widen_for_bias(scale: Floats, bias: NDArray[Any], input_scale: np.float32) -> Floats:
    """Weight scales, raised where the int32 bias (in units of both scales) would overflow."""
    least = np.abs(bias) / (np.float64(input_scale) * BIAS_LARGEST)
    if scale.ndim == 0:
        least = least.max(initial=0.0)
    return np.asarray(np.maximum(scale, least), dtype=np.float32)


def quantize_weight(
    values: NDArray[Any], scale: Floats, axis: int | None, zero: NDArray[np.int8] | None = None
) -> NDArray[np.int8]:
    """Round to the nearest of -127 ... 127 steps of the scale; of -128 ... 127 around a zero."""
    shape = [1] * values.ndim
    if axis is not None:
        shape[axis] = -1
    steps = np.rint(values.astype(np.float32) / scale.reshape(shape))
    if zero is not None:
        steps = np.clip(steps + zero.astype(np.float32).reshape(shape), -128, 127)
        return np.asarray(steps, dtype=np.int8)
    return np.asarray(np.clip(steps, -LARGEST, LARGEST), dtype=np.int8)


def quantize_bias(values: NDArray[Any], scale: Floats) -> NDArray[np.int32]:
    """Round to the nearest step of the scale."""
    return np.rint(values.astype(np.float64) / scale.astype(np.float64)).astype(np.int32)


def activation_scale(low: float, high: float) -> tuple[np.float32, np.uint8]:
    """Scale and zero point of the 256 steps from low to high, with 0 exactly on a step."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((high - low) / 255) if high > low else np.float32(1)
    zero = round(-low / float(scale))
    return scale, np.uint8(min(max(zero, 0), 255))
