"""TorchScript under a trace: its graph is run node by node, each operator as a call of torch."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Protocol
from unittest.mock import patch

import torch
from torch._C import ScriptFunction, ScriptMethod

from talaria_widget.frontends.torch.bodies.script_nodes import NODES, PLAIN, operate

_FILE = re.compile(r'File "([^"]+)", line (\d+)')


class Recorder(Protocol):
    """What a trace offers to TorchScript."""

    def is_active(self) -> bool:
        """Whether calls are being recorded now."""

    def standing_at(self, file: str, line: int, module: str) -> AbstractContextManager[None]:
        """Say where the calls of a block stand: a line, and a module below the present one."""

    def adopt(self, tensor: torch.Tensor, name: str) -> None:
        """Take a constant for a parameter of the module that is being called."""

    def opaque(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Record one call whose inside is not seen."""

    def note(self, what: str) -> None:
        """Keep a sentence, with the place it is about."""


def signature(forward: Any) -> inspect.Signature:
    """The parameters of a forward, TorchScript's among them."""
    try:
        return inspect.signature(forward)
    except ValueError:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = [argument.name for argument in forward.schema.arguments][1:]
        return inspect.Signature([inspect.Parameter(name, kind) for name in names])


@contextmanager
def read_through(recorder: Recorder) -> Iterator[None]:
    """Until the block ends, TorchScript that is called runs node by node."""
    readings: dict[Any, _Reading] = {}
    changed: list[tuple[Any, str, Any]] = []
    read = partial(_reader, recorder, readings, changed)
    with (
        patch.object(ScriptFunction, "__call__", read(ScriptFunction)),
        patch.object(ScriptMethod, "__call__", read(ScriptMethod)),
    ):
        try:
            yield
        finally:
            for owner, name, value in reversed(changed):
                owner.setattr(name, value)


def _reader(
    recorder: Recorder,
    readings: dict[Any, _Reading],
    changed: list[tuple[Any, str, Any]],
    kind: Any,
) -> Callable[..., Any]:
    original = kind.__call__

    def call(script: Any, *args: Any, **kwargs: Any) -> Any:
        if not recorder.is_active():
            return original(script, *args, **kwargs)
        is_method = kind is ScriptMethod
        key = (script.owner.qualified_name, script.name) if is_method else script
        reading = readings.get(key)
        if reading is None:
            reading = readings[key] = _Reading(recorder, script, changed)
        if not reading.unread:
            return reading.run((script.raw_owner, *args) if is_method else args, kwargs)
        recorder.note(
            f"TorchScript holds {reading.unread}, which is not read, so that {script.name} is "
            "one unknown operation"
        )

        def whole(*args: Any, **kwargs: Any) -> Any:
            return original(script, *args, **kwargs)

        return recorder.opaque(f"torch.jit.{kind.__name__}", whole, args, kwargs)

    return call


class _Reading:
    """One script's graph, with what its constants and changed attributes are."""

    def __init__(
        self, recorder: Recorder, script: Any, changed: list[tuple[Any, str, Any]]
    ) -> None:
        self._recorder, self._script, self._changed = recorder, script, changed
        self._graph = script.inlined_graph
        self._constants: dict[str, Any] = {}
        self.unread = next((kind for kind in _kinds(self._graph) if not _is_read(kind)), "")

    def run(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """What the script gives for these arguments."""
        given = [argument.name for argument in self._script.schema.arguments]
        bound = {
            argument.name: argument.default_value
            for argument in self._script.schema.arguments
            if argument.has_default_value()
        }
        bound = {**bound, **dict(zip(given, args, strict=False)), **kwargs}
        values = {
            value.debugName(): bound[name]
            for value, name in zip(self._graph.inputs(), given, strict=True)
        }
        self._block(self._graph, values)
        outputs = [values[output.debugName()] for output in self._graph.outputs()]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _block(self, block: Any, values: dict[str, Any]) -> None:
        for node in block.nodes():
            self._node(node, values)

    def _node(self, node: Any, values: dict[str, Any]) -> None:
        kind = node.kind()
        names = [output.debugName() for output in node.outputs()]
        if kind == "prim::Constant":
            values[names[0]] = self._constant(node, names[0])
            return
        args = [values[value.debugName()] for value in node.inputs()]
        results: Any
        if kind == "prim::If":
            results = self._branch(node, args[0], values)
        elif kind == "prim::Loop":
            results = self._loop(node, args, values)
        elif kind == "prim::SetAttr":
            results = self._write(args[0], node.s("name"), args[1])
        elif kind in NODES and not kind.startswith("aten::"):
            results = NODES[kind](node, args)
        elif kind in NODES:
            with self._place(node):
                results = NODES[kind](node, args)
        elif kind in PLAIN and not isinstance(args[0], torch.Tensor):
            results = PLAIN[kind](node, args)
        else:
            with self._place(node):
                result = operate(node, args)
            results = result if len(names) > 1 else (result,)
        values.update(zip(names, results, strict=False))

    def _branch(self, node: Any, chosen: bool, values: dict[str, Any]) -> list[Any]:
        block = list(node.blocks())[0 if chosen else 1]
        self._block(block, values)
        return [values[output.debugName()] for output in block.outputs()]

    def _loop(self, node: Any, args: list[Any], values: dict[str, Any]) -> list[Any]:
        limit, goes_on, *carried = args
        block = next(iter(node.blocks()))
        names = [value.debugName() for value in block.inputs()]
        outputs = [value.debugName() for value in block.outputs()]
        done = 0
        while done < limit and goes_on:
            values.update(zip(names, (done, *carried), strict=True))
            self._block(block, values)
            goes_on, *carried = [values[name] for name in outputs]
            done += 1
        return carried

    def _write(self, owner: Any, name: str, value: Any) -> tuple[()]:
        """Set an attribute; what it was is put back when the trace ends."""
        self._changed.append((owner, name, owner.getattr(name)))
        owner.setattr(name, value)
        return ()

    def _constant(self, node: Any, name: str) -> Any:
        if name not in self._constants:
            value = node.output().toIValue()
            if isinstance(value, torch.Tensor) and name.startswith("self."):
                self._recorder.adopt(value, name.removeprefix("self."))
            elif isinstance(value, list):  # the weights of a recurrent layer, once frozen
                for position, item in enumerate(value):
                    if isinstance(item, torch.Tensor):
                        self._recorder.adopt(item, f"constants.{name}.{position}")
            self._constants[name] = value
        value = self._constants[name]
        return list(value) if isinstance(value, list) else value

    def _place(self, node: Any) -> AbstractContextManager[None]:
        found = _FILE.search(node.sourceRange())
        file, line = (found[1], int(found[2])) if found else ("", 0)
        scope = node.scopeName().rpartition("/")[2].removeprefix("__module").strip(".")
        return self._recorder.standing_at(file, line, scope)


def _kinds(block: Any) -> Iterator[str]:
    for node in block.nodes():
        yield node.kind()
        for inner in node.blocks():
            yield from _kinds(inner)


def _is_read(kind: str) -> bool:
    return kind in NODES or kind in _OWN or not kind.startswith("prim::")


_OWN = frozenset(("prim::Constant", "prim::If", "prim::Loop", "prim::SetAttr"))
