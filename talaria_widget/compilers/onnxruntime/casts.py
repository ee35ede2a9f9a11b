"""What a conversion between floats and integers costs, from those seen between rows.

In the runtime's blocked layout a tensor is put back in order before it is quantized, and an
integer convolution reads its channels last: so a conversion there is up to three passes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from talaria_widget.compilers.onnxruntime.forms import Edge

OPERATORS: Mapping[str, str] = {
    "QuantizeLinear": "quantize",
    "DequantizeLinear": "dequantize",
    "Transpose": "transpose",
    "ReorderInput": "reorder",
    "ReorderOutput": "reorder",
}
USUAL: Mapping[str, tuple[float, float]] = {
    "quantize": (2e-6, 0.45e-9),
    "dequantize": (2e-6, 0.45e-9),
    "transpose": (2e-6, 0.4e-9),
    "reorder": (2e-6, 0.3e-9),
}
"""Seconds and seconds per element where none was seen yet: of one thread of AMD Zen 3 in
ResNet-18 under ONNX Runtime 1.32."""


@dataclass(frozen=True, slots=True)
class Passes:
    """Seconds of one pass over a tensor, by what the pass does: a constant, and per element."""

    cost: Mapping[str, tuple[float, float]]
    seen: frozenset[str]

    def seconds(self, kind: str, elements: float) -> float:
        """One pass over so many elements."""
        constant, each = self.cost[kind]
        return constant + each * elements


def passes(edges: Iterable[Edge]) -> Passes:
    """A line through the passes seen, each weighted by its own time."""
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for edge in edges:
        kind = OPERATORS.get(edge.operator)
        if kind is not None and edge.elements > 0 and edge.seconds > 0:
            points[kind].append((edge.elements, edge.seconds))
    cost = dict(USUAL)
    for kind, found in points.items():
        cost[kind] = _line(np.array(found), USUAL[kind][0])
    return Passes(cost, frozenset(points))


def _line(
    points: np.ndarray[tuple[int, int], np.dtype[np.float64]], least: float
) -> tuple[float, float]:
    size, seconds = points[:, 0], points[:, 1]
    if len(np.unique(size)) > 1:
        system = np.stack([1 / seconds, size / seconds], axis=1)
        constant, each = np.linalg.lstsq(system, np.ones(len(size)), rcond=None)[0]
        if constant >= 0 and each > 0:
            return float(constant), float(each)
    return least, float(np.median(np.maximum(seconds - least, 0.1 * seconds) / size))
