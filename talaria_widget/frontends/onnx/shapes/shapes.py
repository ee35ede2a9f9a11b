"""Find every shape, and with it what is known before a run.

In rounds: what one teaches about sizes lets more of the small values be evaluated, more of the
branches be decided, and so more shapes be inferred.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from talaria_widget.frontends.onnx.inputs import Bound
from talaria_widget.frontends.onnx.layout.flat import Flat, label_of
from talaria_widget.frontends.onnx.layout.names import quoted
from talaria_widget.frontends.onnx.layout.steps import Choice, Loop, Step
from talaria_widget.frontends.onnx.native.run_once import run_once
from talaria_widget.frontends.onnx.native.skeleton import believe, infer
from talaria_widget.frontends.onnx.shapes.fold import fold
from talaria_widget.frontends.onnx.shapes.follow import decide, follow
from talaria_widget.frontends.onnx.shapes.known import Known, is_settled, keep, keep_sparse

_ROUNDS = 200
_NATIVE_ROUNDS = 12
_TURNS = 12
_NAMED = 3


@dataclass(slots=True)
class _Reading:
    """A model while its values are being found out, and which native helps are still to be had."""

    model: onnx.ModelProto
    flat: Flat
    bound: Bound
    known: Known
    declared: set[str]
    can_infer: bool = True
    can_run: bool = True


def learn(model: onnx.ModelProto, flat: Flat, bound: Bound, folder: str | None) -> Known:
    """Fold what is constant, infer the rest, and fill what is left by running the model once.

    Args:
        model: the model.
        flat: its steps.
        bound: the shapes and values of its inputs.
        folder: where its external data lies; `None` where that is not known.

    Returns:
        The shapes, dtypes, small values and stored tensors by name; the steps that remain to
        run; and the folded ones, counted by operator.
    """
    known = Known(steps=list(flat.steps), read=flat.read, main=flat.main)
    known.folded.update(flat.calls)
    known.shapes.update({n: s for n, s in bound.shapes.items() if s is not None})
    known.dtypes.update(bound.dtypes)
    known.guesses.update(bound.values)
    for name, tensor in flat.stored.items():
        keep(known, name, tensor)
    for name, sparse in flat.sparse.items():
        keep_sparse(known, name, sparse)
    declared = {value.name for value in model.graph.input}
    types = {value.name: value.type for value in (*model.graph.value_info, *model.graph.output)}
    types = {**flat.hints, **types}
    reading = _Reading(model, flat, bound, known, declared)
    _settle(reading)
    for turn in range(_TURNS):
        believe(known, types, bound.symbols)
        _settle(reading)
        if reading.can_run and not all(is_settled(known, step) for step in known.steps):
            reading.can_run = run_once(model, flat, known, bound, folder)
            _settle(reading)
        elif any(_is_open(step) for step in known.steps):
            _assume(known, every=turn >= _TURNS // 2)
            _settle(reading)
        else:
            break
    _say(known)
    return known


def _settle(reading: _Reading) -> None:
    """Rounds until nothing more is learnt, of Python alone and then of onnx's inference."""
    known = reading.known
    for _ in range(_NATIVE_ROUNDS):
        for _ in range(_ROUNDS):
            before = _progress(known)
            fold(known, reading.declared)
            follow(known)
            if _progress(known) == before:
                break
        if not reading.can_infer or all(is_settled(known, step) for step in known.steps):
            return
        before = _progress(known)
        reading.can_infer = infer(reading.model, known, reading.bound)
        if _progress(known) == before:
            return


def _progress(known: Known) -> tuple[int, ...]:
    loops = [step.detail for step in known.steps if isinstance(step.detail, Loop)]
    return (
        len(known.shapes),
        len(known.values),
        len(known.guesses),
        len(known.steps),
        sum(_is_open(step) for step in known.steps),
        sum(loop.repeat.count is None for loop in loops),
        sum(carry.settled for loop in loops for carry in loop.carries),
    )


def _is_open(step: Step) -> bool:
    return isinstance(step.detail, Choice) and step.detail.taken is None


def _assume(known: Known, every: bool) -> None:
    """Take the first branch of an If that nothing decides: the outermost, or of all at once."""
    waiting = [step for step in known.steps if _is_open(step)]
    waiting.sort(key=lambda step: len(step.context.repeats))
    instead: dict[int, list[Step]] = {}
    for step in waiting:
        choice = step.detail
        if isinstance(choice, Choice) and (every or not instead or step.context.is_dead):
            instead[id(step)] = decide(known, step, choice, True, "assumed")
    known.steps = [new for step in known.steps for new in instead.get(id(step), [step])]


def _say(known: Known) -> None:
    """Note how branches were decided, and the loops whose length or shapes are not known."""
    for reason, decided in known.decided.items():
        for label, branch in decided[:_NAMED]:
            known.note(f"If {quoted(label)}: its {branch} {reason}")
        if len(decided) > _NAMED:
            known.note(f"{len(decided) - _NAMED} more Ifs: the branch taken {reason}")
    for step in known.steps:
        loop = step.detail
        if not isinstance(loop, Loop) or step.role != "leave" or step.context.is_dead:
            continue
        label = f"{step.node.op_type} {quoted(label_of(loop.original))}"
        if not loop.is_known:
            known.note(f"{label}: how it runs what is inside it is not known")
        elif loop.repeat.count is None:
            known.note(f"{label}: how often it runs depends on data, so its work is unknown")
        elif any(c.output and not c.settled for c in loop.carries):
            known.note(f"{label}: its shapes change as it runs; each time is counted as the first")
