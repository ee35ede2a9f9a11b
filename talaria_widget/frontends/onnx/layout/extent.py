"""How many nodes a model is once its bodies and functions are laid out; without doing so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx

from talaria_widget.frontends.onnx.layout.names import quoted
from talaria_widget.frontends.onnx.layout.steps import FunctionKey
from talaria_widget.frontends.onnx.layout.validate import bodies
from talaria_widget.graph import UnsupportedModelError

LIMIT = 200_000
"""Nodes above which a model is refused: functions that call functions grow without end."""
DEPTH = 100
"""How deep functions may call one another."""

_Functions = Mapping[FunctionKey, onnx.FunctionProto]


def extent(model: onnx.ModelProto) -> int:
    """The nodes of a model: of its graph, of every body, and of a function at every call.

    Raises:
        UnsupportedModelError: A function calls itself, or there are too many.
    """
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    total = _extent(model.graph.node, functions, {}, ())
    if total > LIMIT:
        raise UnsupportedModelError(
            f"the model has {total:,} operations once its functions are laid out, more than "
            f"{LIMIT:,}: pass a smaller one."
        )
    return total


def _extent(
    nodes: Iterable[onnx.NodeProto],
    functions: _Functions,
    done: dict[FunctionKey, int],
    calls: tuple[FunctionKey, ...],
) -> int:
    total = 0
    for node in nodes:
        total += 1
        key = (node.domain, node.op_type, node.overload)
        if key in functions:
            total += _function(key, functions, done, calls)
            continue
        for attribute in node.attribute:
            for body in bodies(attribute):
                total += _extent(body.node, functions, done, calls)
    return total


def _function(
    key: FunctionKey,
    functions: _Functions,
    done: dict[FunctionKey, int],
    calls: tuple[FunctionKey, ...],
) -> int:
    if key in done:
        return done[key]
    name = ".".join(filter(None, key))
    if key in calls:
        raise UnsupportedModelError(
            f"function {quoted(name)} calls itself, so it has no end: export the model again."
        )
    if len(calls) > DEPTH:
        raise UnsupportedModelError(
            f"functions call one another more than {DEPTH} deep (at {quoted(name)}): pass a "
            "flatter model."
        )
    done[key] = _extent(functions[key].node, functions, done, (*calls, key))
    return done[key]
