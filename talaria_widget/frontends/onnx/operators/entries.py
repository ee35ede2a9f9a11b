"""How one ONNX operator reads: a row of the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from talaria_widget.frontends.onnx.operators import settings
from talaria_widget.frontends.onnx.operators.packed import Unpack
from talaria_widget.frontends.onnx.operators.settings import Builder
from talaria_widget.graph import Kind


@dataclass(frozen=True, slots=True)
class Operator:
    """How one ONNX operator reads.

    `data` lists the input slots that hold data, in our order; the others are settings
    (`None`: all are data). `weights` maps a slot to the output axis of the weight in it;
    `buffers` are slots of stored numbers that are not trained. `attributes` builds ours from
    theirs, given the shapes of all inputs and outputs; the value of a slot in `values` joins
    theirs under that name where it is known. `unpack` says what a weight of bytes holds, `caveat`
    in what its count is no more than an estimate.
    """

    kind: Kind
    attributes: Builder = settings.nothing
    data: tuple[int, ...] | None = None
    weights: Mapping[int, int] = field(default_factory=dict)
    buffers: frozenset[int] = frozenset()
    values: Mapping[int, str] = field(default_factory=dict)
    unpack: Unpack | None = None
    caveat: str = ""


Table = dict[str, Operator]


def every(kind: Kind, names: str, attributes: Builder = settings.nothing) -> Table:
    """Operators all of whose inputs are data."""
    return {name: Operator(kind, attributes) for name in names.split()}


def first(kind: Kind, names: str, attributes: Builder = settings.nothing) -> Table:
    """Operators of which only the first input is data."""
    return {name: Operator(kind, attributes, data=(0,)) for name in names.split()}
