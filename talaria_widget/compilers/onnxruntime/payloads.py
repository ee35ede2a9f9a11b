"""What the measuring process is told, and what it answers: plain data, which needs no runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from talaria_widget.compilers.observed import Node
from talaria_widget.recipe import Option


@dataclass(frozen=True, slots=True)
class Loading:
    """A model without its large weights, and the shape and dtype of each input; `given` has the
    bytes of inputs that are not made up.
    """

    skeleton: bytes
    inputs: Mapping[str, tuple[tuple[int, ...], str]]
    given: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Building:
    """Options by weight; `names` says what a weight is called in the file, where it differs."""

    options: Mapping[str, Option]
    names: Mapping[str, str]
    seconds: float
    rounds: int = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """The model as it is beside the model as built, from runs that took turns.

    `file` are the nodes of the built file before the runtime optimises it.
    """

    base_s: float
    built_s: float
    noise: float
    base: tuple[Node, ...]
    built: tuple[Node, ...]
    file: tuple[Node, ...]
