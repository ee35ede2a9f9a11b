"""The arrows, for one model: model -> Graph -> Program -> Prices -> Report."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from talaria_widget import report as reports
from talaria_widget.blocks import find_blocks
from talaria_widget.choice import Choice, Index, Refusal, index, resolve
from talaria_widget.compilers import analytic, pricing
from talaria_widget.compilers.menu import menu
from talaria_widget.compilers.observed import Baseline, Whole
from talaria_widget.frontends.verdicts import wrong_file, wrong_type
from talaria_widget.graph import Graph, UnsupportedModelError
from talaria_widget.hardware import Device
from talaria_widget.origin import Origin, stamp_of
from talaria_widget.prices import Evaluation, Prices, evaluate
from talaria_widget.program import Program
from talaria_widget.recipe import Option, Recipe
from talaria_widget.report import Report

if TYPE_CHECKING:
    from talaria_widget.frontends.torch.trace.recording import Recording


def capture(model: Any, inputs: object = None) -> Graph:
    """The graph of a model, by whichever front end reads it.

    Raises:
        TypeError: neither a module, an ONNX model, nor a path to one.
        ValueError: inputs that do not fit, or that cannot be inferred.
        UnsupportedModelError: a model or file that cannot be read.
        FileNotFoundError: a path at which there is nothing.
    """
    return read(model, inputs)[0]


def read(model: Any, inputs: object = None) -> tuple[Graph, Origin]:
    """The graph of a model, and the way to the file that a runtime reads of it.

    Raises:
        TypeError, ValueError, UnsupportedModelError, FileNotFoundError: as `capture`.
    """
    with _uncollected():
        stamp = stamp_of(model)
        graph, recording = _read(model, inputs)
        graph = replace(graph, blocks=find_blocks(graph))
        return graph, Origin(model, inputs, graph, recording, stamp)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cycles among objects: nearly all that is made meanwhile is kept, so that a
    search finds nothing, and takes half a second where much is imported.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(model: Any, inputs: object) -> tuple[Graph, Recording | None]:
    if is_module(model) or is_exported(model):
        from talaria_widget.frontends import torch as torch_frontend

        recording = torch_frontend.record(model, inputs)
        return recording.graph, recording
    verdict = wrong_file(model)
    if verdict is not None:
        raise UnsupportedModelError(verdict)
    if is_onnx(model):
        from talaria_widget.frontends import onnx as onnx_frontend

        return onnx_frontend.capture(model, inputs), None
    raise TypeError(wrong_type(model))


def is_module(model: object) -> bool:
    """Whether it is a `torch.nn.Module`; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def is_exported(model: object) -> bool:
    """Whether it is what `torch.export.export` gives; torch is not imported to find out."""
    export = sys.modules.get("torch.export")
    return export is not None and isinstance(model, export.ExportedProgram)


def is_onnx(model: object) -> bool:
    """Whether it is a path, or an `onnx.ModelProto`; onnx is not imported to find out."""
    return isinstance(model, str | Path) or type(model).__name__ == "ModelProto"


Price = Callable[[Program, Sequence[Option]], Prices]


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A graph compiled and priced for one device; `price` prices what a recipe asks for beside."""

    program: Program
    prices: Prices
    names: Index
    before: Evaluation
    price: Price = pricing.price


def compile_for(
    graph: Graph, device: Device, recipe: Recipe, names: Index | None = None
) -> Compiled:
    """Compile a graph for a device and price the menu, and what the recipe asks beside it."""
    with _uncollected():
        program = analytic.compile(graph, device)
        return priced(program, recipe, names or index(graph))


def priced(
    program: Program, recipe: Recipe, names: Index, price: Price = pricing.price
) -> Compiled:
    """A program with the prices of the menu, and of what the recipe asks beside it."""
    prices = price(program, [rule.option for rule in recipe.rules])
    nothing = np.zeros(len(program.weights), np.int32)
    return Compiled(program, prices, names, evaluate(prices, nothing), price)


def with_options(compiled: Compiled, recipe: Recipe) -> Compiled:
    """The same program, with columns for options that the recipe asks for and it lacks."""
    asked = [rule.option for rule in recipe.rules]
    wanted = {line.option for line in menu(compiled.program, asked)}
    if wanted <= set(compiled.prices.options):
        return compiled
    return priced(compiled.program, recipe, compiled.names, compiled.price)


def choose(compiled: Compiled, recipe: Recipe) -> Choice:
    """One option per weight; what was found not to run when it was measured is refused.

    Raises:
        ValueError: a rule of a strict recipe matches no layer.
    """
    program, prices, names = compiled.program, compiled.prices, compiled.names
    choice = resolve(names, recipe, program.device)
    column = {option: i for i, option in enumerate(prices.options)}
    refused = []
    for i, weight in enumerate(program.weights):
        if weight.leader != weight.name or weight.name not in choice.options:
            continue
        option = choice.options[weight.name]
        code = int(prices.weight_refusal[i, column[option]])
        if code:
            op = names.graph.ops[names.users[weight.name][0]].name
            told = prices.reasons[code], program.device.default.label
            refused.append(Refusal(op, weight.name, option, *told))
    if not refused:
        return choice
    gone = {each.weight for each in refused}
    options = {name: option for name, option in choice.options.items() if name not in gone}
    return replace(choice, options=options, refused=(*choice.refused, *refused))


class Measured(Protocol):
    """What was measured of a model as a whole, and of recipes that were built and timed."""

    @property
    def observed(self) -> Baseline | None:
        """The baseline, if it was measured."""

    def whole(self, options: Mapping[str, Option]) -> Whole | None:
        """What the recipe of these options took, if it was built."""

    def remarks(self, options: Mapping[str, Option]) -> tuple[str, ...]:
        """What could not be measured, and why."""


def report(compiled: Compiled, recipe: Recipe, measured: Measured | None = None) -> Report:
    """What a recipe costs; every option it asks for must have its column.

    Raises:
        ValueError: a rule of a strict recipe matches no layer.
    """
    choice = choose(compiled, recipe)
    parts = (compiled.program, compiled.prices, recipe, choice, compiled.before)
    if measured is None:
        return reports.report(*parts)
    options = choice.options
    return reports.report(
        *parts, measured.whole(options), measured.observed, measured.remarks(options)
    )
