"""What is known of a graph's values, while it is being found out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod

import onnx

from talaria_widget.frontends.onnx.layout.steps import Choice, Loop, Step
from talaria_widget.frontends.onnx.shapes.stored import Stored, fresh, stored_tensor
from talaria_widget.frontends.onnx.shapes.values import LIMIT, Array
from talaria_widget.frontends.onnx.types import Shape, array, dtype_name
from talaria_widget.graph import DTYPE_BITS, Storage

COMPUTED = Storage(0)
"""What a runtime computes as it loads a file: no byte of it is kept."""


@dataclass(slots=True)
class Known:
    """What is known of a graph's values; filled in rounds while it is being read.

    `values` hold whatever the inputs are; `guesses` hold for the inputs that the user gave.
    `decided` has the Ifs and the branches they take, by what decided it.
    `steps` are those that remain to run, `read` what any step or the caller reads, `main` what
    is named outside branches, loops and functions.
    """

    shapes: dict[str, Shape] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)
    values: dict[str, Array] = field(default_factory=dict)
    guesses: dict[str, Array] = field(default_factory=dict)
    stored: dict[str, Stored] = field(default_factory=dict)
    storage: dict[str, Storage] = field(default_factory=dict)
    folded: Counter[str] = field(default_factory=Counter)
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    decided: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    not_tensors: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    main: frozenset[str] = frozenset()

    def value(self, name: str) -> Array | None:
        """A value that is known before a run, or on the inputs given."""
        value = self.values.get(name)
        return self.guesses.get(name) if value is None else value

    def note(self, sentence: str) -> None:
        """Say something once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def keep(known: Known, name: str, tensor: onnx.TensorProto, constant: bool = False) -> None:
    """Enter a stored tensor, and its value where that is small and at hand."""
    entry = replace(stored_tensor(name, tensor), constant=constant)
    known.stored[name] = entry
    known.shapes[name], known.dtypes[name] = entry.shape, entry.dtype
    size = prod(entry.shape)
    here = tensor.data_location != onnx.TensorProto.EXTERNAL and _is_filled(tensor, size)
    if (
        here
        and tensor.data_type != onnx.TensorProto.STRING
        and size <= (8 if entry.heavy else LIMIT)
    ):
        known.values[name] = array(tensor)


def _is_filled(tensor: onnx.TensorProto, size: int) -> bool:
    """Whether it has numbers at all: a file may have been stripped of them."""
    typed = (tensor.float_data, tensor.int32_data, tensor.int64_data)
    more = (tensor.double_data, tensor.uint64_data, tensor.string_data)
    return size == 0 or bool(tensor.raw_data) or any(map(len, (*typed, *more)))


def keep_sparse(known: Known, name: str, sparse: onnx.SparseTensorProto) -> None:
    """Enter a sparse tensor: its size is that of the numbers and indices it keeps."""
    shape, dtype = tuple(sparse.dims), dtype_name(sparse.values.data_type)
    known.stored[name] = fresh(name, shape, dtype)
    known.shapes[name], known.dtypes[name] = shape, dtype
    bits, size, kept = DTYPE_BITS.get(dtype), prod(shape), prod(sparse.values.dims)
    if bits is not None and size:
        indices = prod(sparse.indices.dims) * DTYPE_BITS["int64"] // 8
        known.storage[name] = Storage(bits, kept / size, indices)


def learn_value(known: Known, name: str, value: Array) -> None:
    """Enter what is known before a run."""
    known.values[name] = value
    known.shapes[name] = value.shape
    known.dtypes[name] = str(value.dtype)
    known.storage[name] = COMPUTED


def is_settled(known: Known, step: Step) -> bool:
    """Whether nothing is left to learn of a step: it does not run, or its shapes are known."""
    if step.context.is_dead:
        return True
    if isinstance(step.detail, Choice) and step.detail.taken is None:
        return False
    if isinstance(step.detail, Loop) and step.detail.repeat.count is None:
        return False
    names = list(step.node.output)
    if isinstance(step.detail, Loop) and step.role == "leave":
        names += [carry.output for carry in step.detail.carries if not carry.settled]
    return not any(is_hole(known, name) for name in names)


def is_hole(known: Known, name: str) -> bool:
    """Whether somebody reads a tensor of which the shape is not known."""
    return name in known.read and name not in known.shapes and name not in known.not_tensors
