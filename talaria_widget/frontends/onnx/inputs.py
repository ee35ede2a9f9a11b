"""Bind the inputs of an ONNX graph: given shapes, open dimensions, and what is assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np
import onnx

from talaria_widget.frontends.onnx.shapes.values import Array
from talaria_widget.frontends.onnx.types import Shape, dtype_name

_SMALL = 4096
"""Elements up to which a given array is followed as a value: a size, a rate, a flag."""
# What exporters write for a dimension that has no name.
_NAMELESS = frozenset({"", "?", "-1", "None", "none", "unknown"})


@dataclass(frozen=True, slots=True)
class Bound:
    """The shape of each input (`None` for what is no tensor), and each thing that was assumed.

    `arrays` are those that the user gave, `values` the small ones among them; `types` are those
    of the inputs that are no tensors.
    """

    shapes: Mapping[str, Shape | None]
    dtypes: Mapping[str, str]
    symbols: Mapping[str, int]
    assumed: tuple[str, ...]
    arrays: Mapping[str, Array] = field(default_factory=dict)
    values: Mapping[str, Array] = field(default_factory=dict)
    types: Mapping[str, onnx.TypeProto] = field(default_factory=dict)


def bind(graph: onnx.GraphProto, inputs: Any) -> Bound:
    """Give every input a shape: the user's, else the declared one with open dimensions as 1.

    A named dimension that the user's arrays fix is the same in every other input.

    Args:
        graph: the graph, whose initialisers and node outputs are not inputs.
        inputs: a dict of arrays or shapes by name, an array for a model of one input, a
            sequence of arrays in order, or `None`.

    Raises:
        ValueError: A name, shape or dtype that the model has not.
        TypeError: Something that is neither an array nor a shape.
    """
    declared = real_inputs(graph)
    given = _by_name(declared, inputs)
    symbols: dict[str, int] = {}
    shapes: dict[str, Shape | None] = {}
    odd = {name: info.type for name, info in declared.items() if not _is_tensor(info)}
    shapes.update(dict.fromkeys(odd))
    for name, value in given.items():
        if name in odd:
            continue
        shapes[name] = _fit(declared[name], _shape_of(name, value), symbols)
        _check_dtype(declared[name], value)
    assumed = []
    bound = frozenset(symbols)
    for name, info in declared.items():
        if name not in given:
            shapes[name], sentence = _assume(info, symbols, bound)
            assumed += [sentence] if sentence else []
    dtypes = {n: dtype_name(i.type.tensor_type.elem_type) for n, i in declared.items()}
    found = {n: _array(value, dtypes[n]) for n, value in given.items() if n not in odd}
    arrays = {n: array for n, array in found.items() if array is not None}
    return Bound(
        {n: shapes[n] for n in declared},
        dtypes,
        symbols,
        tuple(assumed),
        arrays,
        {n: a for n, a in arrays.items() if a.size <= _SMALL and a.dtype.kind in "iufb"},
        odd,
    )


def _is_tensor(info: onnx.ValueInfoProto) -> bool:
    return info.type.WhichOneof("value") in (None, "tensor_type")


def _array(value: Any, dtype: str) -> Array | None:
    """The user's array where it is at hand; `None` of a shape, or of what is elsewhere."""
    if _is_shape(value):
        return None
    try:
        return np.asarray(value, None if hasattr(value, "dtype") else dtype)
    except (RuntimeError, TypeError, ValueError):
        return None


def real_inputs(graph: onnx.GraphProto) -> dict[str, onnx.ValueInfoProto]:
    """The inputs a caller feeds: neither initialisers nor what a node makes."""
    made = {tensor.name for tensor in graph.initializer}
    made.update(name for node in graph.node for name in node.output)
    return {value.name: value for value in graph.input if value.name not in made}


def _by_name(declared: Mapping[str, onnx.ValueInfoProto], inputs: Any) -> dict[str, Any]:
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping):
        names = list(declared)
        many = not hasattr(inputs, "shape") and not _is_shape(inputs)
        values = list(inputs) if many and isinstance(inputs, Sequence) else [inputs]
        if len(values) > len(names):
            raise ValueError(
                f"{len(values)} inputs were given and the model has {len(names)}: "
                f"pass a dict with any of {', '.join(map(repr, names))}."
            )
        return dict(zip(names, values, strict=False))
    for name in inputs:
        if name not in declared:
            close = get_close_matches(str(name), declared, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {_listed(declared)}."
            raise ValueError(f"the model has no input {name!r}: {hint}")
    return dict(inputs)


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _is_shape(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(n, int) and not isinstance(n, bool) for n in value)
    )


def _shape_of(name: str, value: Any) -> Shape:
    if _is_shape(value):
        shape = tuple(value)
    elif hasattr(value, "shape"):
        shape = tuple(int(n) for n in value.shape)
    elif isinstance(value, int | float):
        shape = ()
    else:
        raise TypeError(
            f"input {name!r} is a {type(value).__name__}: pass an array or a shape such as "
            "(1, 3, 224, 224)."
        )
    if any(n < 0 for n in shape):
        raise ValueError(f"input {name!r} has shape {shape}: pass sizes of 0 or more.")
    return shape


def _fit(info: onnx.ValueInfoProto, shape: Shape, symbols: dict[str, int]) -> Shape:
    """Hold a given shape against the declared one, and learn its named dimensions."""
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return shape
    dims = tensor.shape.dim
    wanted = "(" + ", ".join(_show(dim) for dim in dims) + ")"
    if len(dims) != len(shape):
        raise ValueError(
            f"input {info.name!r} was given shape {shape} and wants {wanted}: "
            f"pass {len(dims)} dimensions."
        )
    for dim, size in zip(dims, shape, strict=True):
        if dim.dim_value > 0 and dim.dim_value != size:
            raise ValueError(
                f"input {info.name!r} was given shape {shape} and wants {wanted}: pass that shape."
            )
        if _named(dim):
            known = symbols.setdefault(dim.dim_param, size)
            if known != size:
                raise ValueError(
                    f"dimension {dim.dim_param!r} is both {known} and {size} (input "
                    f"{info.name!r}): pass shapes in which it agrees."
                )
    return shape


def _named(dim: onnx.TensorShapeProto.Dimension) -> bool:
    return isinstance(dim.dim_param, str) and dim.dim_param not in _NAMELESS


def _show(dim: onnx.TensorShapeProto.Dimension) -> str:
    return str(dim.dim_value) if dim.dim_value > 0 else str(dim.dim_param or "?")


def _check_dtype(info: onnx.ValueInfoProto, value: Any) -> None:
    dtype = getattr(value, "dtype", None)
    if dtype is not None and getattr(dtype, "kind", "") in ("U", "S", "O"):
        dtype = "string"
    wanted = dtype_name(info.type.tensor_type.elem_type)
    got = str(dtype).removeprefix("torch.")
    if dtype is not None and "unknown" not in (wanted, got) and wanted != got and got != "object":
        raise ValueError(
            f"input {info.name!r} was given {got} and wants {wanted}: convert it first."
        )


def _assume(
    info: onnx.ValueInfoProto, symbols: dict[str, int], given: frozenset[str]
) -> tuple[Shape | None, str | None]:
    """The declared shape; each open dimension is what its name is bound to, else 1."""
    tensor = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return None, f"input {info.name!r} declares no shape: what depends on it is unknown"
    shape, invented = [], []
    for dim in tensor.shape.dim:
        is_fixed = dim.dim_value > 0
        named = _named(dim)
        size = dim.dim_value if is_fixed else symbols.get(dim.dim_param, 1) if named else 1
        shape.append(size)
        if not is_fixed and not (named and dim.dim_param in given):
            invented.append(_show(dim))
        if named and not is_fixed:
            symbols.setdefault(dim.dim_param, 1)
    sentence = (
        f"input {info.name!r} is {tuple(shape)}: open dimensions ({', '.join(invented)}) are 1"
        if invented
        else None
    )
    return tuple(shape), sentence
