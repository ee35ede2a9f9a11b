"""This machine as a device: fitted by a probe, measured behind a widget or for a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from talaria_widget import pipeline
from talaria_widget.choice import index, resolve
from talaria_widget.compilers.cache import Cache
from talaria_widget.compilers.observed import Baseline, Whole
from talaria_widget.compilers.onnxruntime.child import ChildDied, ChildRefused
from talaria_widget.compilers.onnxruntime.probe import fit
from talaria_widget.compilers.onnxruntime.turns import turn
from talaria_widget.graph import Graph, UnsupportedModelError
from talaria_widget.hardware import Device
from talaria_widget.measuring import FAULTS, Event, Measurement
from talaria_widget.origin import Origin
from talaria_widget.recipe import Option, Recipe
from talaria_widget.report import Report

if TYPE_CHECKING:
    from onnx import ModelProto

    from talaria_widget.compilers.onnxruntime.bench import Bench

COMPILER = "onnxruntime"


def fitted(device: Device) -> Device:
    """A device that is this machine with its peaks fitted to it; any other as it is."""
    return fit(device, Cache()) if device.compiler == COMPILER else device


def measurement(
    graph: Graph, origin: Origin, device: Device, tell: Callable[[Event], None]
) -> Measurement:
    """A model to be measured here, behind a widget."""
    return Measurement(lambda: _bench(graph, origin, device), tell, turn)


def _bench(graph: Graph, origin: Origin, device: Device) -> Bench:
    """A bench that holds no weight of the model: what is timed is filled with random numbers."""
    # onnx comes with it, which takes as long to import as a model to show.
    from talaria_widget.compilers.onnxruntime.bench import Bench

    return Bench(graph, replace(origin.source(), fill=_left_behind), device, Cache())


def _left_behind() -> ModelProto:
    raise LookupError("the values of a model that is only measured are not kept.")


@dataclass(frozen=True, slots=True)
class _Measured:
    """One recipe's whole, or why there is none."""

    observed: Baseline | None = None
    found: Whole | None = None
    said: tuple[str, ...] = ()

    def whole(self, _options: Mapping[str, Option]) -> Whole | None:
        return self.found

    def remarks(self, _options: Mapping[str, Option]) -> tuple[str, ...]:
        return self.said


def report(graph: Graph, origin: Origin, device: Device, recipe: Recipe) -> Report:
    """A report whose baseline and recipe were measured, if the device is this machine.

    What cannot be measured stays modelled, with the reason in the report's notes.
    """
    names = index(graph)
    if device.compiler != COMPILER:
        origin.forget()
        return pipeline.report(pipeline.compile_for(graph, device, recipe, names), recipe)
    resolve(names, recipe, device)  # a rule that matches nothing is said before it takes seconds
    bench = None
    try:
        bench = _bench(graph, origin, device)
        with turn():
            program = bench.compile()
            compiled = pipeline.priced(program, recipe, names, bench.price)
            measured = _whole(bench, pipeline.choose(compiled, recipe).options)
            compiled = pipeline.priced(program, recipe, names, bench.price)
    except FAULTS as error:
        compiled = pipeline.compile_for(graph, device, recipe, names)
        measured = _Measured(said=(f"not measured, so all times are modelled: {error}",))
    finally:
        if bench is not None:
            bench.close()
    return pipeline.report(compiled, recipe, measured)


def _whole(bench: Bench, options: Mapping[str, Option]) -> _Measured:
    if not options:
        return _Measured(bench.observed)
    try:
        found = bench.whole(options)
    except (UnsupportedModelError, ChildDied, ChildRefused, ValueError) as error:
        said = f"this recipe could not be built and timed: {error}"
        return _Measured(bench.observed, said=(said,))
    return _Measured(bench.observed, found)
