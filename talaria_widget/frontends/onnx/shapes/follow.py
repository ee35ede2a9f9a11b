"""Follow values into bodies and out of them: which branch runs, how often, on what shapes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from talaria_widget.frontends.onnx.layout.flat import label_of
from talaria_widget.frontends.onnx.layout.steps import Carry, Choice, Loop, Part, Step, alias
from talaria_widget.frontends.onnx.shapes.known import Known, learn_value
from talaria_widget.frontends.onnx.types import Shape

Reason = Literal["given", "run", "assumed"]
_REASONS: dict[str, str] = {
    "given": "runs on the inputs given",
    "run": "ran in one run on the inputs given",
    "assumed": "is assumed to run: what decides it depends on data",
}


def follow(known: Known) -> None:
    """One round: settle what can be settled of every branch and loop."""
    steps: list[Step] = []
    for step in known.steps:
        if isinstance(step.detail, Choice) and step.detail.taken is None:
            steps += _choose(known, step, step.detail)
        elif isinstance(step.detail, Loop):
            enter = step.role == "enter"
            steps += _enter(known, step, step.detail) if enter else _leave(known, step, step.detail)
        else:
            steps.append(step)
    known.steps = steps


def _choose(known: Known, step: Step, choice: Choice) -> list[Step]:
    """The If itself, where it is more than a constant's consequence, and its results."""
    constant = known.values.get(choice.condition)
    value = known.value(choice.condition)
    if value is None or value.size != 1:
        return [step]
    reason: Reason | None = None if constant is not None else "given"
    return decide(known, step, choice, bool(value.ravel()[0]), reason)


def decide(
    known: Known, step: Step, choice: Choice, truth: bool, reason: Reason | None
) -> list[Step]:
    """Take a branch; the steps that stand for the If then. `None`: it holds for all inputs."""
    choice.take(truth)
    taken = choice.taken
    assert taken is not None
    pairs = zip(step.node.output, taken.outputs, strict=False)
    results = [alias(output, source, step.context) for output, source in pairs if output]
    if reason is None:
        known.folded["If"] += 1
        return results
    if not step.context.is_dead:
        decided = known.decided.setdefault(_REASONS[reason], [])
        decided.append((label_of(step.node), taken.name))
    return [step, *results]


def _enter(known: Known, step: Step, loop: Loop) -> list[Step]:
    """What the body reads: the counter, slices, and what one run hands to the next."""
    if loop.counter:
        known.shapes.setdefault(loop.counter, ())
        known.dtypes[loop.counter] = "int64"
    if loop.entered and loop.entered not in known.values:
        # A body runs only while its condition holds.
        learn_value(known, loop.entered, np.asarray(True))
    for carry in loop.carries:
        if carry.start in known.shapes:
            known.shapes.setdefault(carry.body, known.shapes[carry.start])
        if carry.start in known.dtypes:
            known.dtypes.setdefault(carry.body, known.dtypes[carry.start])
    for part in loop.read:
        _read_slice(known, loop, part)
    if loop.repeat.count is None and loop.is_known:
        loop.repeat.count = _trips(known, loop)
    return [step]


def _read_slice(known: Known, loop: Loop, part: Part) -> None:
    whole = known.shapes.get(part.whole)
    if part.whole in known.dtypes:
        known.dtypes[part.slice] = known.dtypes[part.whole]
    if whole is None or not -len(whole) <= part.axis < len(whole):
        return
    axis = part.axis % len(whole)
    known.shapes.setdefault(part.slice, whole[:axis] + whole[axis + 1 :])
    if loop.repeat.count is None:
        loop.repeat.count = whole[axis]


def _trips(known: Known, loop: Loop) -> int | None:
    """How often a Loop's body runs, where what bounds it is known."""
    limit = known.value(loop.trips) if loop.trips else None
    first = known.value(loop.condition) if loop.condition else np.asarray(True)
    after = known.value(loop.goes_on)
    bounded = limit is not None and limit.size == 1
    trips = max(0, int(limit.ravel()[0])) if limit is not None and bounded else None
    if trips == 0 or (first is not None and first.size == 1 and not first.ravel()[0]):
        return 0
    if first is None or after is None or after.size != 1:
        return None
    if not after.ravel()[0]:
        return 1 if not loop.trips or trips is not None else None
    return trips


def _leave(known: Known, step: Step, loop: Loop) -> list[Step]:
    """What the loop leaves: the last of each carried value, and what it stacked."""
    results = []
    for carry in loop.carries:
        source = _left(known, loop, carry)
        if source:
            results.append(alias(carry.output, source, step.context))
    for part in loop.written:
        shape = known.shapes.get(part.slice)
        if not part.whole:
            continue
        if part.slice in known.dtypes:
            known.dtypes[part.whole] = known.dtypes[part.slice]
        if shape is not None and loop.repeat.count is not None:
            known.shapes.setdefault(part.whole, _stacked(shape, part.axis, loop.repeat.count))
    return [*results, step]


def _stacked(shape: Shape, axis: int, count: int) -> Shape:
    axis = axis + len(shape) + 1 if axis < 0 else axis
    return (*shape[:axis], count, *shape[axis:])


def _left(known: Known, loop: Loop, carry: Carry) -> str | None:
    """What a carried value is at the end, once that is settled: its start, or the last result."""
    if carry.settled or not carry.output:
        return None
    count = loop.repeat.count
    start, result = known.shapes.get(carry.start), known.shapes.get(carry.result)
    if count == 0:
        carry.settled = True
        return carry.start or None
    if count == 1 or (start is not None and start == result):
        carry.settled = True
        return carry.result
    if carry.result in known.dtypes:
        known.dtypes.setdefault(carry.output, known.dtypes[carry.result])
    return None
