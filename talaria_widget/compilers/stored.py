"""What the weights of a program weigh under every option, by the container's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget import storage
from talaria_widget.choice import words
from talaria_widget.graph import FLOATING
from talaria_widget.hardware import MenuOption
from talaria_widget.program import Program, StoredWeight

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Per stored weight and option: bytes, and why not (an index into `reasons`)."""

    bytes: Array  # W x O
    refusal: Array  # W x O
    leader: Array  # W
    reasons: tuple[str, ...]
    row_start: Array  # R + 1
    row_weight: Array
    row_bytes: Array  # R x O


def table(program: Program, lines: Sequence[MenuOption]) -> Table:
    """Price the storage of every weight in every line of the menu."""
    weights = program.weights
    number = {w.name: i for i, w in enumerate(weights)}
    reasons = [""]
    nbytes = np.zeros((len(weights), len(lines)))
    refusal = np.zeros((len(weights), len(lines)), np.uint8)
    leader = np.full(len(weights), -1, np.int32)
    users = _users(program)
    known: dict[tuple[object, ...], tuple[list[float], list[str]]] = {}
    for i, weight in enumerate(weights):
        if weight.leader is not None and _floating(weights[number[weight.leader]]):
            leader[i] = number[weight.leader]
        used = users.get(weight.name, (frozenset({weight.kind}), frozenset()))
        role = "main" if weight.leader == weight.name else "other" if weight.leader is None else ""
        form = (weight.shape, weight.dtype, weight.channel_axis, weight.kind, weight.nbytes)
        key = (*form, used, role)
        if key not in known:
            known[key] = _one(program.device.container, weight, *used, role, lines)
        sizes, why = known[key]
        nbytes[i] = sizes
        for column, reason in enumerate(why):
            if reason and reason not in reasons:
                reasons.append(reason)
            refusal[i, column] = reasons.index(reason)
    start, flat = _per_row(program, number)
    sums = np.concatenate([np.zeros((1, len(lines))), np.cumsum(nbytes[flat], axis=0)])
    return Table(
        nbytes, refusal, leader, tuple(reasons), start, flat, sums[start[1:]] - sums[start[:-1]]
    )


def _floating(weight: StoredWeight) -> bool:
    return weight.dtype in FLOATING


def _users(program: Program) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """The kinds of the ops that use each weight, and the words of the recurrent ones."""
    found: dict[str, set[int]] = {}
    ops = program.graph.ops
    for i, op in enumerate(ops):
        for name in () if op.is_view else op.weights:
            found.setdefault(name, set()).add(i)
    return {
        name: (frozenset(ops[i].kind for i in used), words(program.graph, name, used))
        for name, used in found.items()
    }


def _one(
    container: str,
    weight: StoredWeight,
    kinds: frozenset[str],
    marks: frozenset[str],
    role: str,
    lines: Sequence[MenuOption],
) -> tuple[list[float], list[str]]:
    shape, dtype, axis, kind = weight.shape, weight.dtype, weight.channel_axis, weight.kind
    plain = _default_bytes(container, weight, role)
    sizes, why = [float(plain)], [""]
    for line in lines[1:]:
        reason = line.reason
        if not reason and role == "main" and not kinds <= line.kinds:
            reason = line.kinds_reason or f"not for {', '.join(sorted(kinds - line.kinds))}"
        if not reason and role == "main":
            option = line.option
            reason = storage.refusal(container, shape, dtype, axis, kind, option, marks) or ""
        if reason or role == "other" or not _floating(weight):
            sizes.append(float(plain))
        elif role == "main":
            sizes.append(storage.weight_bytes(container, shape, dtype, axis, kind, line.option))
        else:
            sizes.append(storage.follower_bytes(container, shape, dtype, kind, line.option))
        why.append(reason if role == "main" else "")
    return sizes, why


def _default_bytes(container: str, weight: StoredWeight, role: str) -> int:
    shape, dtype, kind = weight.shape, weight.dtype, weight.kind
    if weight.nbytes is not None:
        return weight.nbytes
    if role == "main":
        return storage.weight_bytes(container, shape, dtype, weight.channel_axis, kind, None)
    if role == "":
        return storage.follower_bytes(container, shape, dtype, kind, None)
    return storage.parameter_bytes(container, int(np.prod(shape, dtype=np.int64)), dtype)


def _per_row(program: Program, number: dict[str, int]) -> tuple[Array, Array]:
    """The stored weights of each row, one row after the other."""
    start, flat = [0], []
    followers: dict[str, list[int]] = {}
    for i, weight in enumerate(program.weights):
        if weight.name.endswith(" (folded)") and weight.leader is not None:
            followers.setdefault(weight.leader, []).append(i)
    for task in program.tasks:
        own = [number[w] for w in task.weights if w in number]
        own += [i for w in task.weights for i in followers.get(w, ())]
        flat += own
        start.append(len(flat))
    return np.array(start, np.int32), np.array(flat, np.int32)
