"""What fusion works on: groups of ops, and who reads and makes each tensor of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from talaria_widget.graph import Graph, Op

LONGEST_CHAIN = 16


@dataclass(frozen=True, slots=True)
class Group:
    """Ops that run as one task, in order; `folded` are norms that vanish into the weights.

    `padded`: the first op only puts zeros around what the second one reads.
    """

    ops: tuple[int, ...]
    kind: str
    folded: tuple[int, ...] = ()
    padded: bool = False

    @property
    def anchor(self) -> int:
        """The op that the others were fused to."""
        return self.ops[1] if self.padded else self.ops[0]


def resolve(names: Sequence[str], aliases: Mapping[str, str]) -> list[str]:
    """The tensors that hold the bytes of these."""
    return [aliases.get(name, name) for name in names]


@dataclass(frozen=True, slots=True)
class State:
    """A graph as fusion sees it: its views resolved, its constants known."""

    graph: Graph
    aliases: Mapping[str, str]
    constants: set[str]
    readers: Mapping[str, tuple[int, ...]]
    outputs: set[str]
    users: Mapping[str, int]
    makers: Mapping[str, int]

    def inputs(self, op: Op) -> list[str]:
        """The tensors an op reads that are neither constants nor views."""
        return [t for t in resolve(op.inputs, self.aliases) if t not in self.constants]

    def result(self, i: int) -> str:
        """The one tensor an op makes that counts."""
        return self.graph.ops[i].outputs[0]


def single_reader(state: State, tensor: str, taken: set[int]) -> int | None:
    """The one op that reads a tensor, if there is one that is not taken and nobody else does."""
    readers = state.readers.get(tensor, ())
    if len(readers) != 1 or tensor in state.outputs or readers[0] in taken:
        return None
    return readers[0]
