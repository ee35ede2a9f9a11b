"""What a trace keeps: every call of the forward, with references in place of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from talaria_widget.graph import Graph, Role, Source


class Ref(NamedTuple):
    """A tensor as a call saw it: which value, after how many writes to its storage."""

    value: int
    version: int


@dataclass(frozen=True, slots=True)
class Value:
    """One tensor object of the run.

    `storage` is shared by views of one another. `tensor` is the real tensor where the run
    knows one without computing (a parameter, a buffer, an input, a constant as it was when it
    was first seen), else `None`.
    """

    index: int
    role: Role
    name: str | None
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    storage: int
    tensor: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a torch function.

    `args`, `kwargs` and `results` are as the model wrote and got them, with a `Ref` for each
    tensor. `mutated` are the values written in place, as they are after it; `shape_only` says
    that of the first tensor only the shape counts. `depends` says whether the result depends
    on an input, `trained` whether on a parameter; a call with neither is a constant. `times`
    is how often it runs in one forward, and `repeats` the earlier call that it is another
    round of, in a loop.
    """

    index: int
    function: Callable[..., Any]
    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    results: Any
    reads: tuple[Ref, ...]
    writes: tuple[Ref, ...]
    mutated: tuple[Ref, ...]
    depends: bool
    trained: bool
    shape_only: bool
    path: str
    source: Source | None
    autocast: torch.dtype | None
    times: int | None = 1
    repeats: int | None = None

    @property
    def constant(self) -> bool:
        """Whether neither an input nor a parameter enters."""
        return not (self.depends or self.trained)

    def ran(self, results: Any, writes: tuple[Ref, ...], mutated: tuple[Ref, ...]) -> Call:
        """This call with what it gave and wrote."""
        return Call(
            self.index,
            self.function,
            self.target,
            self.args,
            self.kwargs,
            results,
            self.reads,
            writes,
            mutated,
            self.depends,
            self.trained,
            self.shape_only,
            self.path,
            self.source,
            self.autocast,
            self.times,
            self.repeats,
        )


@dataclass(frozen=True, slots=True)
class Trace:
    """The calls of one forward in order, the values they made, and what was noticed."""

    calls: tuple[Call, ...]
    values: tuple[Value, ...]
    queries: Mapping[str, int]
    outputs: Mapping[str, Ref]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """A model's graph with the trace it was made from, for whoever writes it in another form.

    `names` gives, for each value and version, its tensor's name in the graph; `calls` gives,
    for each op of the graph by name, the index of its call. `args` and `kwargs` are the real
    inputs of the run, on the model's device.
    """

    graph: Graph
    trace: Trace
    names: Mapping[Ref, str]
    calls: Mapping[str, int]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def place(call: Call) -> str:
    """Where a call stands, for a reader: its line, else its module."""
    return str(call.source) if call.source else call.path or "the model itself"


def references(structure: Any) -> Iterator[Ref]:
    """Every `Ref` in a structure of lists, tuples, dicts and slices, in order."""
    if isinstance(structure, Ref):
        yield structure
    elif isinstance(structure, list | tuple | set | frozenset):
        for item in structure:
            yield from references(item)
    elif isinstance(structure, Mapping):
        for item in structure.values():
            yield from references(item)
    elif isinstance(structure, slice):
        yield from references((structure.start, structure.stop, structure.step))
