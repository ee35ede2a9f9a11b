"""Arithmetic of Fourier transforms and of what stands around them."""

from __future__ import annotations

from math import log2

from talaria_widget.graph import Graph, Op
from talaria_widget.work.shapes import output_size


def transform_flops(length: int, *, real: bool) -> int:
    """FLOPs of a discrete Fourier transform of so many points.

    5 n log2 n for complex input: a radix-2 FFT (Cooley and Tukey, Mathematics of Computation 19,
    1965) has n/2 log2 n butterflies of 10 FLOPs, and the same number is the customary measure at
    other lengths (Frigo and Johnson, Proceedings of the IEEE 93(2), 2005). Real input: half.

    Example:
        >>> transform_flops(8, real=False)
        120
    """
    if length < 2:
        return 0
    flops = 5 * length * log2(length)
    return round(flops / 2 if real else flops)


def count_transform(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs = `attrs["rows"]` transforms of `attrs["length"]` points; a window is one product each.

    `attrs["real"]` says that one side of it holds real numbers only.
    """
    rows, length = op.attrs["rows"], op.attrs["length"]
    window = length if op.attrs.get("window") else 0
    return 0, rows * (transform_flops(length, real=op.attrs["real"]) + window)


def count_inverse_frames(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs of frames added up again: each is transformed and windowed, added, and divided.

    The division is by the sum of the squared windows, at most one per point of a frame.
    """
    macs, rest = count_transform(graph, op)
    return macs, rest + 2 * op.attrs["rows"] * op.attrs["length"]


def count_mel(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs per entry of a mel matrix: a difference, a division and two limits of a triangle."""
    return 0, 4 * output_size(graph, op)
