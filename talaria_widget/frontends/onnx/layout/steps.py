"""What a model does as one flat list: each node with the bodies and calls it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import onnx

FunctionKey = tuple[str, str, str]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True, eq=False)
class Repeat:
    """How often a body runs each time that its owner does; `None` until it is known."""

    kind: Literal["branch", "loop"]
    count: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """Where a node stands.

    `scope` names what is around it, `names` what its names became where others had them
    already, `references` the attributes of the function call it is part of.
    """

    scope: tuple[str, ...] = ()
    repeats: tuple[Repeat, ...] = ()
    names: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    references: Mapping[str, onnx.AttributeProto] = field(default_factory=lambda: _NOTHING)

    @property
    def times(self) -> int | None:
        """How often what stands here runs in one forward; `None` where that is unknown."""
        total: int | None = 1
        for repeat in self.repeats:
            if repeat.count == 0:
                return 0
            total = None if total is None or repeat.count is None else total * repeat.count
        return total

    @property
    def is_dead(self) -> bool:
        """Whether it stands in a branch that is not taken."""
        return any(repeat.count == 0 for repeat in self.repeats)

    @property
    def in_loop(self) -> bool:
        """Whether it may run several times."""
        return any(repeat.kind == "loop" for repeat in self.repeats)


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A branch that stands in the list: what it makes, and whether it runs."""

    name: str
    repeat: Repeat
    outputs: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Choice:
    """An If: the body taken is known late, perhaps."""

    original: onnx.NodeProto
    condition: str
    bodies: tuple[Body, Body]
    taken: Body | None = None

    def take(self, truth: bool) -> None:
        """Settle which branch runs."""
        self.taken = self.bodies[0 if truth else 1]
        for body in self.bodies:
            body.repeat.count = int(body is self.taken)


@dataclass(slots=True, eq=False)
class Carry:
    """A value that one run of a body hands to the next: where it begins, and who reads it after.

    `body` reads it inside, `result` is what a run makes of it, `output` what is left at the end.
    """

    start: str
    body: str
    result: str
    output: str
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One slice of a whole tensor, per run of a body: read from it or written to it."""

    whole: str
    slice: str
    axis: int


@dataclass(slots=True, eq=False)
class Loop:
    """A Loop, a Scan, or another node that runs bodies: what goes in, around and out.

    `trips` and `condition` are the inputs that bound it and `goes_on` what the body says of the
    next run; empty where it has none.
    """

    original: onnx.NodeProto
    repeat: Repeat
    trips: str = ""
    condition: str = ""
    counter: str = ""
    entered: str = ""
    goes_on: str = ""
    carries: tuple[Carry, ...] = ()
    read: tuple[Part, ...] = ()
    written: tuple[Part, ...] = ()
    is_known: bool = True


Role = Literal["node", "alias", "choice", "enter", "leave"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One entry of the list.

    A `node` is a node of the file. An `alias` gives a value a second name. A `choice` is an
    If, `enter` and `leave` stand before and after the body of a Loop or Scan.
    """

    node: onnx.NodeProto
    given: Mapping[str, Any]
    context: Context = field(default_factory=Context)
    role: Role = "node"
    detail: Choice | Loop | None = None


def alias(output: str, source: str, context: Context) -> Step:
    """A second name for a value."""
    node = onnx.NodeProto(op_type="Identity", input=[source], output=[output])
    return Step(node, {}, context, "alias")
