"""The log of a trace while it runs: calls, questions, and what was noticed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch

from talaria_widget.frontends.torch.trace.memory import Memory, Slot
from talaria_widget.frontends.torch.trace.recording import Call, Ref, Trace
from talaria_widget.frontends.torch.trace.structure import refer, replace, tensors


class Log:
    """Everything that a trace has recorded so far."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.calls: list[Call] = []
        self.queries: Counter[str] = Counter()
        self._notes: dict[str, None] = {}

    def note(self, what: str, place: str = "") -> None:
        """Keep a sentence, with the place it is about; each once."""
        self._notes[f"{what}, at {place}" if place else what] = None

    def record(
        self,
        call: Call,
        result: Any,
        written: list[Slot],
        *,
        known: bool = False,
        leaf: bool = False,
    ) -> Any:
        """Keep a call with its results; returns what the model gets."""
        memory = self._memory
        mutated = memory.write(written, call, known=known)
        writes: list[Ref] = []
        objects: dict[int, torch.Tensor] = {}

        def mark(tensor: torch.Tensor) -> Ref:
            slot = memory.find(tensor) or memory.make(tensor, call, known=known, leaf=leaf)
            objects[id(tensor)] = slot.object
            writes.append(memory.ref(slot))
            return writes[-1]

        results = refer(result, mark)
        self.calls.append(
            call.ran(results, tuple(writes), tuple([memory.ref(slot) for slot in mutated]))
        )
        return replace(result, lambda tensor: objects[id(tensor)])

    def trace(self, outputs: Any) -> Trace:
        """The whole of it, given the structure of what the forward returned.

        Raises:
            Incomplete: a tensor of it was made by no recorded call.
        """
        memory = self._memory
        found: dict[str, Ref] = {}
        for name, tensor in tensors(outputs):
            slot = memory.find(tensor) or memory.meet(tensor)
            if memory.creators[slot.index] is None and slot.role == "constant":
                self.note(f"no recorded call made the output {name or 'of the model'}")
            found[name] = memory.ref(slot)
        return Trace(
            calls=tuple(self.calls),
            values=tuple(memory.values),
            queries=dict(self.queries),
            outputs=found,
            notes=tuple(self._notes),
        )
