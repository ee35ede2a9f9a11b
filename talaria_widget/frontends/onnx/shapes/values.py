"""Evaluate the small values that are known before a run: shapes, axes, ranges, masks.

They steer shapes (a Reshape's target, a Slice's bounds) and compute nothing at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

Array = np.ndarray[Any, np.dtype[Any]]
Attributes = Mapping[str, Any]
Function = Callable[[Sequence[Array | None], Attributes], Array]

LIMIT = 65_536
"""Elements above which a value is data, not a shape."""


def evaluate(op_type: str, values: Sequence[Array | None], given: Attributes) -> Array | None:
    """The value of a node all of whose inputs are known, or `None` where it is not evaluated."""
    function = _FUNCTIONS.get(op_type)
    if function is None:
        return None
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(function(values, given))
    except (ArithmeticError, LookupError, TypeError, ValueError):
        # A malformed chain stays unknown; the runtime will say what is wrong with it.
        return None
    return result if result.size <= LIMIT else None


def _binary(function: Callable[..., Any]) -> Function:
    return lambda v, _: function(v[0], v[1])


def _unary(function: Callable[..., Any]) -> Function:
    return lambda v, _: np.asarray(function(v[0])).astype(_array(v, 0).dtype)


def _array(values: Sequence[Array | None], position: int) -> Array:
    value = values[position] if position < len(values) else None
    if value is None:
        raise LookupError(position)
    return value


def _ints(values: Sequence[Array | None], position: int, given: Attributes, name: str) -> list[int]:
    """A list of integers that newer opsets pass as an input and older ones as an attribute."""
    if position < len(values) and values[position] is not None:
        return [int(n) for n in _array(values, position).ravel()]
    return [int(n) for n in given[name]]


def _divide(values: Sequence[Array | None], given: Attributes) -> Array:
    a, b = _array(values, 0), _array(values, 1)
    if a.dtype.kind in "iu":
        return np.asarray(np.trunc(a / b)).astype(a.dtype)
    return np.asarray(a / b)


def _slice(values: Sequence[Array | None], given: Attributes) -> Array:
    data = _array(values, 0)
    starts, ends = _ints(values, 1, given, "starts"), _ints(values, 2, given, "ends")
    has_axes = "axes" in given or (len(values) > 3 and values[3] is not None)
    axes = _ints(values, 3, given, "axes") if has_axes else list(range(len(starts)))
    has_steps = len(values) > 4 and values[4] is not None
    steps = _ints(values, 4, given, "steps") if has_steps else [1] * len(starts)
    where = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        past = step < 0 and end < -data.shape[axis]
        where[axis] = slice(start, None if past else end, step)
    return data[tuple(where)]


def _squeeze(values: Sequence[Array | None], given: Attributes) -> Array:
    data = _array(values, 0)
    if "axes" not in given and (len(values) < 2 or values[1] is None):
        return data.squeeze()
    return data.squeeze(tuple(_ints(values, 1, given, "axes")))


def _unsqueeze(values: Sequence[Array | None], given: Attributes) -> Array:
    return np.expand_dims(_array(values, 0), tuple(_ints(values, 1, given, "axes")))


def _reshape(values: Sequence[Array | None], given: Attributes) -> Array:
    data = _array(values, 0)
    wanted = _ints(values, 1, given, "shape")
    if not given.get("allowzero"):
        wanted = [data.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    return data.reshape(wanted)


def _constant_of_shape(values: Sequence[Array | None], given: Attributes) -> Array:
    shape = [int(n) for n in _array(values, 0).ravel()]
    if np.prod(shape, dtype=object) > LIMIT:
        raise ValueError(shape)
    fill = onnx.numpy_helper.to_array(given["value"]) if "value" in given else np.zeros(1, "f4")
    return np.full(shape, fill.ravel()[0], fill.dtype)


def _expand(values: Sequence[Array | None], given: Attributes) -> Array:
    data, shape = _array(values, 0), tuple(int(n) for n in _array(values, 1).ravel())
    full = np.broadcast_shapes(data.shape, shape)
    if np.prod(full, dtype=object) > LIMIT:
        raise ValueError(full)
    return np.broadcast_to(data, full)


def _range(values: Sequence[Array | None], given: Attributes) -> Array:
    start, limit, step = (_array(values, i).ravel()[0] for i in range(3))
    if abs((limit - start) / step) > LIMIT:
        raise ValueError(limit)
    return np.arange(start, limit, step, dtype=start.dtype)


def _reduce(function: Callable[..., Any]) -> Function:
    def reduced(values: Sequence[Array | None], given: Attributes) -> Array:
        data = _array(values, 0)
        has_axes = "axes" in given or (len(values) > 1 and values[1] is not None)
        axes = tuple(_ints(values, 1, given, "axes")) if has_axes else ()
        if not axes and not given.get("noop_with_empty_axes"):
            axes = tuple(range(data.ndim))
        keep = bool(given.get("keepdims", 1))
        return np.asarray(function(data, axis=axes, keepdims=keep)).astype(data.dtype)

    return reduced


def _running_sum(values: Sequence[Array | None], given: Attributes) -> Array:
    data, axis = _array(values, 0), int(_array(values, 1).ravel()[0])
    turned = np.flip(data, axis) if given.get("reverse") else data
    result = np.cumsum(turned, axis, dtype=data.dtype)
    if given.get("exclusive"):
        result = result - turned
    return np.flip(result, axis) if given.get("reverse") else result


def _remainder(values: Sequence[Array | None], given: Attributes) -> Array:
    function = np.fmod if given.get("fmod") else np.mod
    return np.asarray(function(_array(values, 0), _array(values, 1)))


def _window(*weights: float) -> Function:
    """A sum of cosines of 0, 1, 2, ... turns over its length."""

    def window(values: Sequence[Array | None], given: Attributes) -> Array:
        size = int(_array(values, 0).ravel()[0])
        if not 0 <= size <= LIMIT:
            raise ValueError(size)
        steps = size if given.get("periodic", 1) else size - 1
        turns = 2 * np.pi * np.arange(size) / steps
        total = sum(weight * np.cos(k * turns) for k, weight in enumerate(weights))
        kind = onnx.helper.tensor_dtype_to_np_dtype(given.get("output_datatype", 1))
        return np.asarray(total, kind)

    return window


def _dequantize(values: Sequence[Array | None], given: Attributes) -> Array:
    """One scale for all, as a factor of the code has."""
    data, scale = _array(values, 0), _array(values, 1)
    if scale.size != 1:
        raise ValueError(scale.shape)
    zero = _array(values, 2) if len(values) > 2 and values[2] is not None else np.zeros((), "i4")
    whole = data.astype(np.int64) - zero.ravel()[0].astype(np.int64)
    return np.asarray(whole * scale.ravel()[0]).astype(scale.dtype)


def _cast(values: Sequence[Array | None], given: Attributes) -> Array:
    return _array(values, 0).astype(onnx.helper.tensor_dtype_to_np_dtype(given["to"]))


def _fold(function: Callable[..., Any]) -> Function:
    def folded(values: Sequence[Array | None], given: Attributes) -> Array:
        result = _array(values, 0)
        for position in range(1, len(values)):
            result = np.asarray(function(result, _array(values, position)))
        return result

    return folded


def _trilu(values: Sequence[Array | None], given: Attributes) -> Array:
    offset = int(_array(values, 1).ravel()[0]) if len(values) > 1 else 0
    function = np.triu if given.get("upper", 1) else np.tril
    return np.asarray(function(_array(values, 0), offset))


def _transpose(values: Sequence[Array | None], given: Attributes) -> Array:
    return np.transpose(_array(values, 0), given.get("perm"))


_FUNCTIONS: Mapping[str, Function] = {
    "Abs": _unary(np.abs),
    "Add": _binary(np.add),
    "And": _binary(np.logical_and),
    "Cast": _cast,
    # The weights are those of the operators' own definitions.
    "BlackmanWindow": _window(0.42, -0.5, 0.08),
    "HammingWindow": _window(25 / 46, -21 / 46),
    "HannWindow": _window(0.5, -0.5),
    "Ceil": _unary(np.ceil),
    "Concat": lambda v, a: np.concatenate([_array(v, i) for i in range(len(v))], a["axis"]),
    "ConstantOfShape": _constant_of_shape,
    "Cos": _unary(np.cos),
    "CumSum": _running_sum,
    "DequantizeLinear": _dequantize,
    "Div": _divide,
    "Equal": _binary(np.equal),
    "Exp": _unary(np.exp),
    "Expand": _expand,
    "Floor": _unary(np.floor),
    "Gather": lambda v, a: np.take(_array(v, 0), _array(v, 1), axis=a.get("axis", 0)),
    "Greater": _binary(np.greater),
    "GreaterOrEqual": _binary(np.greater_equal),
    "Identity": lambda v, a: _array(v, 0),
    "Less": _binary(np.less),
    "LessOrEqual": _binary(np.less_equal),
    "Log": _unary(np.log),
    "Max": _fold(np.maximum),
    "Min": _fold(np.minimum),
    "Mod": _remainder,
    "Mul": _binary(np.multiply),
    "Neg": _unary(np.negative),
    "Not": lambda v, a: np.logical_not(_array(v, 0)),
    "Or": _binary(np.logical_or),
    "Pow": lambda v, a: np.power(_array(v, 0), _array(v, 1)).astype(_array(v, 0).dtype),
    "Range": _range,
    "Reciprocal": _unary(np.reciprocal),
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "Reshape": _reshape,
    "Round": _unary(np.round),
    "Sin": _unary(np.sin),
    "Slice": _slice,
    "Sqrt": _unary(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _binary(np.subtract),
    "Tile": lambda v, a: np.tile(_array(v, 0), _array(v, 1)),
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
    "Where": lambda v, a: np.where(_array(v, 0).astype(bool), _array(v, 1), _array(v, 2)),
    "Xor": _binary(np.logical_xor),
}
