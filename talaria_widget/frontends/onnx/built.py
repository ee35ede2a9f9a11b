"""The ops and tensors of a graph while they are being made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx

from talaria_widget.frontends.onnx.shapes.known import COMPUTED, Known
from talaria_widget.frontends.onnx.shapes.stored import Stored
from talaria_widget.graph import Op, Role, Tensor

_RANK: Mapping[str, int] = {"constant": 0, "buffer": 1, "parameter": 2, "weight": 3}


@dataclass(slots=True)
class Built:
    """What has been made so far; `renamed` leads from values that went to what they stood for."""

    known: Known
    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    noise: Counter[str] = field(default_factory=Counter)
    renamed: dict[str, str] = field(default_factory=dict)


def resolve(built: Built, name: str) -> str:
    """The tensor that a name stands for once nodes that do nothing are gone."""
    return built.renamed.get(name, name)


def enter(built: Built, tensor: Tensor) -> None:
    """Add a tensor, unless it is there."""
    built.tensors.setdefault(tensor.name, tensor)


def enter_input(built: Built, name: str, entry: Stored | None) -> str:
    """Add what an op reads; the name it has in the graph."""
    known = built.known
    resolved = resolve(built, name)
    is_constant = entry is not None or name in known.values
    role: Role = "constant" if is_constant else "activation"
    shape, dtype = known.shapes.get(resolved), known.dtypes.get(resolved, "unknown")
    storage = known.storage.get(resolved if entry is None else entry.source)
    enter(built, Tensor(resolved, shape, dtype, role, storage=storage))
    return resolved


def enter_outputs(built: Built, node: onnx.NodeProto) -> None:
    """Add what a node makes."""
    known = built.known
    for name in filter(None, node.output):
        enter(built, Tensor(name, known.shapes.get(name), known.dtypes.get(name, "unknown")))


def enter_stored(built: Built, entry: Stored, role: Role, axis: int | None) -> None:
    """A tensor that one op uses as a weight is a weight, whatever others make of it."""
    earlier = built.tensors.get(entry.source)
    if earlier is not None and _RANK.get(earlier.role, 0) >= _RANK[role]:
        return
    channel = None if axis is None else entry.source_axis(axis)
    # A weight that a file makes of one number is a weight that somebody stripped from it.
    storage = built.known.storage.get(entry.source)
    built.tensors[entry.source] = Tensor(
        entry.source,
        entry.source_shape,
        entry.source_dtype,
        role,
        channel,
        None if storage == COMPUTED else storage,
    )
