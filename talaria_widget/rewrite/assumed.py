"""Ranges of activations without a run: what the nodes that make them allow.

Enough to build the graph that a calibrated one becomes: which nodes drop out depends on the
ranges' signs. The numbers the model computes with them mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite

from onnx import NodeProto

from talaria_widget.rewrite.draft import Draft, attribute

Range = tuple[float, float]
Ranges = Callable[[Draft, Sequence[str]], Mapping[str, Range]]
"""The range of each named tensor of a model."""

ANY: Range = (-1.0, 1.0)
POSITIVE: Range = (0.0, 1.0)
MADE: Mapping[str, Range] = {
    **dict.fromkeys(
        ("Relu", "Sigmoid", "HardSigmoid", "Softmax", "Abs", "Exp", "Sqrt", "Softplus"), POSITIVE
    ),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceSumSquare", "ThresholdedRelu"), POSITIVE),
    "HardSwish": (-0.375, 1.0),
    "Gelu": (-0.17, 1.0),
}
"""By operator: what it gives, whatever it takes (onnx/docs/Operators.md)."""

PASSING = frozenset(
    {
        *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean"),
        *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout"),
        *("Slice", "Split", "Gather", "Resize", "Upsample", "Expand", "Tile", "DepthToSpace"),
        *("SpaceToDepth", "ReduceMax", "ReduceMin"),
    }
)
"""Operators whose values lie among those of their first input."""

MIXING = frozenset({"Add", "Concat", "Mul", "Max", "Min", "Sum"})
"""Operators that give nothing below zero if nothing below zero comes in."""


def assumed_ranges(draft: Draft, tensors: Sequence[str]) -> dict[str, Range]:
    """A range of each tensor with the sign that the nodes before it allow."""
    producers = draft.producers()
    known: dict[str, Range] = {}
    for tensor in tensors:
        waiting = [tensor]
        while waiting:
            name = waiting[-1]
            before = [n for n in _sources(producers.get(name), draft) if n not in known]
            if before:
                waiting.extend(before)
                continue
            known[name] = _range(draft, producers.get(name), known)
            waiting.pop()
    return {tensor: known[tensor] for tensor in tensors}


def _sources(node: NodeProto | None, draft: Draft) -> list[str]:
    if node is None:
        return []
    if node.op_type in PASSING:
        return list(node.input[:1])
    if node.op_type in MIXING:
        return [name for name in node.input if name not in draft.stored]
    return []


def _range(draft: Draft, node: NodeProto | None, known: Mapping[str, Range]) -> Range:
    if node is None:
        return ANY
    if node.op_type == "Clip":
        return _limits(draft, node)
    if node.op_type in PASSING:
        return known.get(node.input[0], ANY)
    if node.op_type in MIXING:
        ranges = [
            _stored(draft, name) if name in draft.stored else known[name] for name in node.input
        ]
        return (min(low for low, _ in ranges), max(high for _, high in ranges))
    return MADE.get(node.op_type, ANY)


def _limits(draft: Draft, node: NodeProto) -> Range:
    values = [attribute(node, "min", None), attribute(node, "max", None)]
    for i, name in enumerate(node.input[1:3]):
        if name in draft.stored:
            values[i] = draft.array(name).item()
    low, high = (v if v is not None and isfinite(v) else None for v in values)
    low = -1.0 if low is None else float(low)
    return low, max(low + 1, 1.0) if high is None else float(high)


def _stored(draft: Draft, name: str) -> Range:
    """Whether a stored tensor is small enough to be real; what is large may have no data."""
    tensor = draft.stored[name]
    if not tensor.raw_data and not tensor.float_data:
        return ANY
    values = draft.array(name)
    return float(values.min(initial=0.0)), float(values.max(initial=0.0))
