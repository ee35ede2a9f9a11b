"""Follow the tensors that a file stores: initialisers, Constant nodes, and views of them.

A weight reaches its layer through Transpose, Cast or DequantizeLinear as often as directly;
what the layer owns is the tensor as stored, with the scales that belong to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import onnx

from talaria_widget.frontends.onnx.types import Shape, dtype_name
from talaria_widget.graph import FLOATING

_QUANTIZED = frozenset(
    ["int8", "uint8", "int4", "uint4", "int2", "uint2", "float8", "float6", "float4"]
)
# Of these a DequantizeLinear makes numbers: a bias is kept in 32 bits, say.
_DEQUANTIZABLE = _QUANTIZED | {"int16", "uint16", "int32"}
_SAME_SHAPE = frozenset({"Identity", "Cast", "CastLike"})
_RESHAPING = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten"})
_QUANTIZING = frozenset({"DequantizeLinear", "QuantizeLinear"})
_SCALING = frozenset({"Mul", "Sub", "Div", "Add"})


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored tensor as one value of the graph sees it.

    `source` is the tensor in the file, with its own shape and dtype; `shape` and `dtype` are
    of this view; `axes` leads each axis of the view back to the source, `None` once reshaped.
    `scales` are the tensors that turn integers back into numbers; `decoded` says that a
    DequantizeLinear does, which runtimes run every time. A `constant` comes from the code
    rather than from training, as far as a file can tell.
    """

    source: str
    source_shape: Shape
    source_dtype: str
    shape: Shape
    dtype: str
    axes: Shape | None
    scales: tuple[str, ...] = ()
    constant: bool = False
    decoded: bool = False

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers to compute with, rather than a size, an axis or a factor."""
        numbers = self.dtype in FLOATING or self.dtype in _QUANTIZED or bool(self.scales)
        return numbers and prod(self.shape) > 1

    @property
    def heavy(self) -> bool:
        """Whether it may be a trained tensor."""
        return self.numeric and not self.constant

    def source_axis(self, axis: int) -> int:
        """The axis of the stored tensor that this view's `axis` shows."""
        axis %= max(1, len(self.shape))
        if self.axes is not None:
            return self.axes[axis] if self.axes else 0
        size = self.shape[axis]
        return self.source_shape.index(size) if size in self.source_shape else 0


def stored_tensor(name: str, tensor: onnx.TensorProto) -> Stored:
    """The initialiser or the value of a Constant node, known by `name`."""
    return fresh(name, tuple(tensor.dims), dtype_name(tensor.data_type))


def fresh(name: str, shape: Shape, dtype: str, constant: bool = False) -> Stored:
    """A stored tensor that is its own source."""
    axes = tuple(range(len(shape)))
    return Stored(name, shape, dtype, shape, dtype, axes, constant=constant)


def view(
    node: onnx.NodeProto,
    given: Mapping[str, Any],
    stored: Mapping[str, Stored],
    values: Mapping[str, np.ndarray[Any, Any]],
) -> Stored | None:
    """What the node's output is, if it is only a view of a stored tensor."""
    heavy = [name for name in node.input if name in stored and stored[name].numeric]
    if node.op_type == "DequantizeLinear":
        heavy = [name for name in node.input[:1] if name in stored and _dequantizable(stored[name])]
    if not heavy or any(name and name not in stored and name not in values for name in node.input):
        return None
    if node.op_type in _SCALING:
        return _scaled(node, stored, heavy)
    seen = stored.get(node.input[0])
    if seen is None or not (seen.numeric or node.input[0] in heavy):
        return None
    if node.op_type in _SAME_SHAPE:
        to = dtype_name(given["to"]) if "to" in given else seen.dtype
        return replace(seen, dtype=to)
    if node.op_type in _QUANTIZING:
        scales = tuple(dict.fromkeys((*seen.scales, *filter(None, node.input[1:]))))
        decoded = node.op_type == "DequantizeLinear"
        return replace(seen, dtype="float32" if decoded else "int8", scales=scales, decoded=decoded)
    if node.op_type == "Transpose":
        order = given.get("perm") or list(reversed(range(len(seen.shape))))
        axes = None if seen.axes is None else tuple(seen.axes[i] for i in order)
        return replace(seen, shape=tuple(seen.shape[i] for i in order), axes=axes)
    if node.op_type in _RESHAPING:
        shape = _reshaped(node, given, seen.shape, values)
        return None if shape is None else replace(seen, shape=shape, axes=None)
    return None


def _dequantizable(entry: Stored) -> bool:
    kept = entry.dtype in _DEQUANTIZABLE or entry.numeric
    return kept and prod(entry.shape) > 1


def _scaled(
    node: onnx.NodeProto, stored: Mapping[str, Stored], heavy: Sequence[str]
) -> Stored | None:
    """Integers that a Cast and then a Mul, Sub or Div by stored scales turn into numbers."""
    main = max((stored[name] for name in heavy), key=lambda s: prod(s.shape))
    if main.source_dtype not in _QUANTIZED or main.dtype not in FLOATING:
        return None
    others = [name for name in node.input if name in stored and stored[name] is not main]
    if any(prod(stored[name].shape) > prod(main.shape) for name in others):
        return None
    sources = (stored[name].source for name in others)
    return replace(main, scales=tuple(dict.fromkeys((*main.scales, *sources))))


def _reshaped(
    node: onnx.NodeProto,
    given: Mapping[str, Any],
    shape: Shape,
    values: Mapping[str, np.ndarray[Any, Any]],
) -> Shape | None:
    if node.op_type == "Flatten":
        axis = given.get("axis", 1)
        return prod(shape[:axis]), prod(shape[axis:])
    wanted = given.get("axes")
    if wanted is None and len(node.input) > 1 and node.input[1]:
        known = values.get(node.input[1])
        if known is None:
            return None
        wanted = [int(n) for n in known.ravel()]
    # A broadcast view has the right shape at no cost.
    data = np.broadcast_to(np.zeros((), "i1"), shape)
    try:
        if node.op_type == "Unsqueeze":
            return np.expand_dims(data, tuple(wanted or ())).shape
        if node.op_type == "Squeeze":
            return np.squeeze(data, None if wanted is None else tuple(wanted)).shape
    except ValueError:
        return None
    sizes = [shape[i] if n == 0 and i < len(shape) else n for i, n in enumerate(wanted or ())]
    if sizes.count(-1) == 1:
        rest = prod(n for n in sizes if n != -1)
        sizes[sizes.index(-1)] = prod(shape) // rest if rest else 0
    return tuple(sizes) if prod(sizes) == prod(shape) else None
