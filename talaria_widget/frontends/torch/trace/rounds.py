"""The rounds of a loop, told apart from one body: which calls are another round of which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from talaria_widget.frontends.torch.trace.recording import Call, Value


def fold(calls: list[Call], values: Sequence[Value], starts: Sequence[int]) -> None:
    """Mark, in place, each round that makes the calls of an earlier one as its repetition.

    A round reaches from one of `starts` to the next, the last one to the end of the calls. Two
    rounds are alike where they call the same functions on tensors of the same shapes, in the
    same order.
    """
    first: dict[tuple[Any, ...], int] = {}
    for start, end in zip(starts, (*starts[1:], len(calls)), strict=True):
        key = tuple([_signature(call, values) for call in calls[start:end]])
        origin = first.setdefault(key, start)
        if origin == start:
            continue
        for offset in range(end - start):
            found = calls[origin + offset]
            root = origin + offset if found.repeats is None else found.repeats
            calls[start + offset] = replace(calls[start + offset], repeats=root)


def _signature(call: Call, values: Sequence[Value]) -> tuple[Any, ...]:
    seen = [(values[ref.value].shape, values[ref.value].dtype) for ref in call.reads]
    made = [(values[ref.value].shape, values[ref.value].dtype) for ref in call.writes]
    return (
        call.target,
        call.path,
        call.times,
        call.constant,
        len(call.mutated),
        tuple(seen),
        tuple(made),
    )
