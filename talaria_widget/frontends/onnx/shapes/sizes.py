"""Whether a value can be evaluated without making an array out of proportion.

A few numbers in a file can ask for terabytes: a Tile by a billion, a Gather of as many rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from talaria_widget.frontends.onnx.shapes.values import Array

_LARGEST = 2**22
_TARGETS = frozenset({"Expand", "ConstantOfShape", "Range"})
"""These hold their own result against a limit before they make it."""


def is_modest(op_type: str, values: Sequence[Array | None], given: Mapping[str, Any]) -> bool:
    """Whether the result has no more elements than is reasonable for a size or a mask."""
    known: list[Array] = [value for value in values if value is not None]
    if op_type == "Tile" and len(known) == 2:
        repeats = [max(0, int(n)) for n in known[1].ravel()]
        return bool(known[0].size * prod(repeats) <= _LARGEST)
    if op_type == "Gather" and len(known) == 2:
        return max(1, known[0].size) * max(1, known[1].size) <= _LARGEST
    if op_type == "Pad" and len(known) >= 2:
        pads = [abs(int(n)) for n in known[1].ravel()]
        ends = zip(known[0].shape, pads, pads[known[0].ndim :], strict=False)
        return int(prod(n + a + b for n, a, b in ends)) <= _LARGEST
    if op_type == "OneHot" and len(known) >= 2:
        return known[0].size * max(1, *(abs(int(n)) for n in known[1].ravel()[:1]), 1) <= _LARGEST
    if op_type == "EyeLike" or op_type in _TARGETS:
        return True
    if op_type in _SUMS:
        return sum(value.size for value in known) <= _LARGEST
    return _broadcast(known) <= _LARGEST


_SUMS = frozenset({"Concat", "Slice", "Reshape", "Squeeze", "Unsqueeze", "Transpose"})


def _broadcast(values: Sequence[Array]) -> int:
    """Elements of what the values give together; of those that do not fit, their sum."""
    try:
        return prod(np.broadcast_shapes(*(value.shape for value in values)))
    except ValueError:
        return sum(value.size for value in values)
