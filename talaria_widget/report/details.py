"""All that is known of one row: its ops, counts with their numbers, weights, time and code.

It is made when it is asked for, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from talaria_widget.compilers.observed import Baseline, KernelTime
from talaria_widget.compilers.parts import Parts, parts_of
from talaria_widget.frontends.excerpts import excerpt
from talaria_widget.graph import Graph, Op
from talaria_widget.prices import Prices
from talaria_widget.program import Program
from talaria_widget.recipe import Option
from talaria_widget.tables import shape_text
from talaria_widget.wire import (
    DetailsAnswer,
    ExcerptInfo,
    FormulaInfo,
    KernelInfo,
    LatencyParts,
    MeasuredParts,
    OpDetails,
    WeightDetails,
)
from talaria_widget.work.explained import Formula, explain


class Timed(Protocol):
    """What was measured of a program."""

    @property
    def observed(self) -> Baseline | None:
        """The baseline, if it was measured."""

    def kernel(self, signature: str, option: Option) -> KernelTime | None:
        """A task of this signature in an option's form, if it was timed."""


NOTHING: DetailsAnswer = {
    "kind": "details",
    "sequence": 0,
    "program": 0,
    "row": "",
    "error": "",
    "ops": [],
    "weights": [],
    "latency": [],
    "measured": None,
    "excerpt": None,
    "source_note": "",
}


def details(program: Program, prices: Prices, name: str, timed: Timed | None) -> DetailsAnswer:
    """All that is known of the row of this name; where there is none, that it is said.

    Args:
        program: that has the row.
        prices: of it; their options are the columns of what is said.
        name: the row's.
        timed: what was measured, where the program is measured.
    """
    row = next((i for i, task in enumerate(program.tasks) if task.name == name), None)
    if row is None:
        error = f"{program.device.title} has no row {name!r}."
        return {**NOTHING, "row": name, "error": error}
    named = {op.name: op for op in program.graph.ops}
    ops = [named[each] for each in program.tasks[row].ops]
    leading = program.leading_ops[row] if ops else None
    found, note = _excerpt(program.graph, leading, ops)
    return {
        **NOTHING,
        "row": name,
        "ops": [_op(program.graph, op) for op in ops],
        "weights": _weights(program, prices, row),
        "latency": _latency(program, prices, row),
        "measured": _measured(program.tasks[row].signature, prices.options, timed),
        "excerpt": found,
        "source_note": note,
    }


def _op(graph: Graph, op: Op) -> OpDetails:
    said = explain(graph, op)
    formulas = [*_formula(said.macs, "MAC"), *_formula(said.beside, "FLOP")]
    return {
        "name": op.name,
        "kind": op.kind,
        "target": op.target,
        "source": str(op.source or ""),
        "times": op.times,
        "inputs": _tensors(graph, op.inputs),
        "outputs": _tensors(graph, op.outputs),
        "macs": said.work.macs,
        "flops": said.work.flops,
        "formulas": formulas,
    }


def _formula(formula: Formula | None, unit: Literal["MAC", "FLOP"]) -> list[FormulaInfo]:
    if formula is None:
        return []
    words, value = formula.words, formula.value
    return [{"words": words, "numbers": str(formula), "value": value, "unit": unit}]


def _tensors(graph: Graph, names: Sequence[str]) -> list[str]:
    held = [graph.tensors[name] for name in names if name in graph.tensors]
    return [f"{tensor.dtype} {shape_text(tensor.shape)}".strip() for tensor in held]


def _weights(program: Program, prices: Prices, row: int) -> list[WeightDetails]:
    """In the order in which the prices have them."""
    start, end = prices.row_weight_start[row : row + 2]
    held = [program.weights[i] for i in prices.row_weight[start:end].tolist()]
    return [{"name": w.name, "shape": shape_text(w.shape), "dtype": w.dtype} for w in held]


def _latency(program: Program, prices: Prices, row: int) -> list[LatencyParts]:
    parts, signature = parts_of(program, prices), int(prices.row_signature[row])
    dispatch_s = program.device.dispatch_s
    return [_column(parts, signature, column, dispatch_s) for column in range(len(prices.options))]


def _column(parts: Parts, s: int, column: int, dispatch_s: float) -> LatencyParts:
    def at(name: str) -> float | None:
        grid = np.broadcast_to(getattr(parts, name), parts.seconds.shape)
        value = float(grid[s, column])
        return value if np.isfinite(value) else None

    return {
        "times": at("times"),
        "compute_s": at("compute"),
        "macs": at("products"),
        "macs_per_s": at("product_rate"),
        "rest": at("rest"),
        "rest_per_s": at("rest_rate"),
        "memory_s": at("memory"),
        "activation_bytes": at("activations"),
        "activation_bytes_per_s": at("activation_rate"),
        "weight_bytes": at("streamed"),
        "weight_bytes_per_s": at("weight_rate"),
        "exposed": at("exposed") or 0.0,
        "unpacking_s": at("unpacking"),
        "dispatch_s": dispatch_s,
    }


def _measured(
    signature: str, options: Sequence[Option], timed: Timed | None
) -> MeasuredParts | None:
    observed = timed.observed if timed is not None else None
    if timed is None or observed is None:
        return None
    return {
        "whole_s": observed.timing.seconds,
        "noise": observed.timing.noise,
        "rounds": observed.timing.rounds,
        "runtime": observed.runtime,
        "kernels": [
            None if option is None else _kernel(timed.kernel(signature, option))
            for option in options
        ],
    }


def _kernel(time: KernelTime | None) -> KernelInfo | None:
    if time is None:
        return None
    return {"ratio": time.ratio, "sweeps": time.sweeps, "spread": time.spread}


def _excerpt(graph: Graph, leading: Op | None, ops: Sequence[Op]) -> tuple[ExcerptInfo | None, str]:
    """The lines around the call, or why there are none."""
    source = leading.source if leading is not None else None
    found = excerpt(source, [op.source for op in ops])
    if found is not None:
        return {
            "file": found.file,
            "first": found.first,
            "lines": list(found.lines),
            "marked": list(found.marked),
            "note": found.note,
        }, ""
    if leading is None:
        return None, "The runtime puts this row in: no line of the model calls for it."
    if graph.framework == "onnx":
        recorded = f"; the line that its exporter wrote down is {source}" if source else ""
        return None, f"An ONNX file keeps no source{recorded}."
    if source is None:
        return None, "No line outside torch is known for this call."
    return None, f"The text of {source.file} is not at hand in this kernel."
