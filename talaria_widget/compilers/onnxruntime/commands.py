"""What the measuring process can be asked to do, by name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from onnx import ModelProto

from talaria_widget.compilers.observed import Node
from talaria_widget.compilers.onnxruntime.observing import watch
from talaria_widget.compilers.onnxruntime.payloads import Building, Loading, Seen
from talaria_widget.compilers.onnxruntime.power import energy_j
from talaria_widget.compilers.onnxruntime.profiling import profiler_cost
from talaria_widget.compilers.onnxruntime.sessions import open_session
from talaria_widget.compilers.onnxruntime.standin import check_memory, feeds, stand_in
from talaria_widget.compilers.onnxruntime.timing import against, undisturbed
from talaria_widget.rewrite.assumed import assumed_ranges
from talaria_widget.rewrite.onnx import rewrite

PATIENCE, LEAST_ROUNDS = 4, 3
"""What takes long gets fewer rounds: so many times the seconds that were meant are enough."""


@dataclass(frozen=True, slots=True)
class State:
    """What the process keeps between two commands, by name."""

    kept: dict[str, Any] = field(default_factory=dict)


def ping(state: State, payload: Any) -> Any:
    """The payload, unchanged: the process is there."""
    return payload


def load(state: State, payload: Loading) -> None:
    """Put a model in place, with random weights, and inputs that it runs on."""
    state.kept.clear()
    skeleton = ModelProto.FromString(payload.skeleton)
    check_memory(skeleton)
    model = stand_in(skeleton)
    session = open_session(model.SerializeToString())
    refused: Exception | None = None
    for feed in feeds(payload.inputs, payload.given):
        try:
            session.run(None, feed)
        except Exception as error:  # the runtime's own, of many classes
            refused = refused or error
            continue
        state.kept.update(model=model, session=session, feed=feed)
        return
    assert refused is not None
    raise refused


def baseline(state: State, payload: float) -> Any:
    """For about `payload` seconds: the model as it is, twice in turns; its profile; its energy."""
    session, feed = state.kept["session"], state.kept["feed"]

    def run() -> object:
        return session.run(None, feed)

    one, other, noise = against(run, run, payload / 2, 4)
    with tempfile.TemporaryDirectory(prefix="talaria-") as folder:
        watched = watch(state.kept["model"].SerializeToString(), feed, Path(folder), "base")
        _take_turns([watched.run], payload / 2, 6)
        nodes = watched.nodes(_cost(state))
    return one, other, noise, nodes, energy_j(run)


def sweep(state: State, payload: Building) -> Seen:
    """One sweep of a model in which these weights have their options: all its kernels."""
    built = _build(state, payload)
    file = tuple(_node(node) for node in built.graph.node)
    feed = state.kept["feed"]
    with tempfile.TemporaryDirectory(prefix="talaria-") as folder:
        pair = [
            watch(model.SerializeToString(), feed, Path(folder), name)
            for name, model in (("base", state.kept["model"]), ("built", built))
        ]
        plain, other = (each.run for each in pair)
        _take_turns([plain, other], payload.seconds / 2, payload.rounds)
        nodes = [each.nodes(_cost(state)) for each in pair]
        base, new, noise = against(plain, other, payload.seconds / 2, payload.rounds // 2)
    return Seen(base.seconds, new.seconds, noise, nodes[0], nodes[1], file)


def attempt(state: State, payload: Building) -> None:
    """Build a model and run it once: whether the runtime survives it."""
    session = open_session(_build(state, payload).SerializeToString())
    session.run(None, state.kept["feed"])


def whole(state: State, payload: Building) -> Any:
    """The timings of the model as it is and as built, in turns, and the noise of their ratio."""
    session = open_session(_build(state, payload).SerializeToString())
    feed = state.kept["feed"]
    plain = state.kept["session"]
    return against(
        lambda: plain.run(None, feed),
        lambda: session.run(None, feed),
        payload.seconds,
        payload.rounds,
    )


def _build(state: State, payload: Building) -> ModelProto:
    result = rewrite(
        state.kept["model"], payload.options, names=payload.names, ranges=assumed_ranges
    )
    return result.model


def _take_turns(runs: list[Callable[[], object]], seconds: float, rounds: int) -> None:
    """Run one after the other, for the profiler to see."""
    start, done = perf_counter(), 0
    with undisturbed():
        while True:
            for run in runs:
                run()
            done += 1
            spent = perf_counter() - start
            enough = done >= rounds and spent > seconds
            if enough or (done >= LEAST_ROUNDS and spent > PATIENCE * seconds):
                return


def _cost(state: State) -> Any:
    if "cost" not in state.kept:
        state.kept["cost"] = profiler_cost()
    return state.kept["cost"]


def _node(node: Any) -> Node:
    return Node(node.name, node.op_type, node.domain, tuple(node.input), tuple(node.output), 0.0)


COMMANDS: Mapping[str, Callable[[State, Any], Any]] = {
    "ping": ping,
    "load": load,
    "baseline": baseline,
    "sweep": sweep,
    "attempt": attempt,
    "whole": whole,
}
