"""Our attributes of Fourier transforms: how many, of how many points."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from talaria_widget.frontends.onnx.operators.settings import Attributes, Shapes
from talaria_widget.frontends.onnx.types import Shape


def known(shapes: Shapes, slot: int) -> Shape:
    """A shape that must be known, or there are no attributes (`LookupError`)."""
    shape = shapes[slot]
    if shape is None:
        raise LookupError(slot)
    return shape


def fourier(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """DFT: the axis was an attribute before it was an input; the last one holds re and im."""
    signal, result = known(inputs, 0), known(outputs, 0)
    default = 1 if "axis" in given or len(inputs) < 3 else -2
    axis = int(given.get("axis", default)) % len(signal)
    onesided, inverse = bool(given.get("onesided")), bool(given.get("inverse"))
    length = int(given.get("dft_length") or (signal if onesided and not inverse else result)[axis])
    rows = prod(signal[:-1]) // max(1, signal[axis])
    return {"rows": rows, "length": length, "real": signal[-1] == 1 or result[-1] == 1}


def short_time(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """STFT: a transform per frame, after a window where there is one."""
    signal, (batch, frames, bins, _) = known(inputs, 0), known(outputs, 0)
    window = inputs[2] if len(inputs) > 2 else None
    length = given.get("frame_length") or (window[0] if window else None)
    if length is None:
        length = 2 * (bins - 1) if given.get("onesided", 1) else bins
    real = len(signal) == 2 or signal[-1] == 1
    return {
        "rows": batch * frames,
        "length": int(length),
        "real": real,
        "window": window is not None,
    }


def real_fourier(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """The runtime's Rfft and Irfft over the last axes; the longer side holds the real numbers."""
    axes = given["signal_ndim"]
    forward = len(known(outputs, 0)) > len(known(inputs, 0))
    real = known(inputs, 0) if forward else known(outputs, 0)
    split = len(real) - axes
    return {"rows": prod(real[:split]), "length": prod(real[split:]), "real": True}
