"""What a model costs on a device under a recipe, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from talaria_widget.choice import Choice, Refusal
from talaria_widget.graph import Graph
from talaria_widget.prices import Evaluation, Ints, Prices, evaluate
from talaria_widget.program import Program
from talaria_widget.recipe import Recipe
from talaria_widget.report.columns import Column, Provenance, columns
from talaria_widget.report.targets import failures, left_out
from talaria_widget.report.text import as_html, as_text
from talaria_widget.tables import quantity

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Report:
    """What a model costs on a device under a recipe.

    `totals` and `baseline` map `size_bytes`, `latency_s`, `energy_j`, `peak_memory_bytes`,
    `macs`, `flops` and `parameters` (latency and energy also with `_low` and `_high`) to
    figures in SI units; `None` is unknown, and a total that leaves out rows of unknown cost
    is a lower bound (`unknown_rows` says how many).
    """

    program: Program
    prices: Prices
    recipe: Recipe
    choice: Choice
    after: Evaluation
    before: Evaluation
    chosen: Ints

    @cached_property
    def totals(self) -> dict[str, float | None]:
        """The best known figures of the whole under the recipe."""
        return self._whole(self.after)

    @cached_property
    def baseline(self) -> dict[str, float | None]:
        """The same with an empty recipe: what the device's toolchain does by itself."""
        return self._whole(self.before)

    @property
    def estimated(self) -> dict[str, float | None]:
        """The sum of the rows' estimates; the same as `totals` where nothing was measured."""
        return self.totals

    def _whole(self, evaluation: Evaluation) -> dict[str, float | None]:
        totals: dict[str, float | None] = dict(evaluation.totals)
        if self.unknown_rows == len(self.program.tasks) > 0:
            totals.update(dict.fromkeys([k for k in totals if k.startswith(("latency", "energy"))]))
        elif np.isnan(evaluation.energy.point).all() and len(self.program.tasks):
            totals.update(dict.fromkeys([k for k in totals if k.startswith("energy")]))
        for name in ("macs", "flops"):
            known = [getattr(t.work, name) for t in self.program.tasks]
            counted = [v for v in known if v is not None]
            totals[name] = float(sum(counted)) if counted or not known else None
        totals["parameters"] = float(self.program.graph.parameters)
        return totals

    @property
    def unknown_rows(self) -> int:
        """Rows whose latency is unknown; the totals leave them out."""
        return self.after.unknown_rows

    @property
    def coverage(self) -> float:
        """The share of operations whose work is known; 1 where there is nothing to count."""
        total = self.program.operations
        return 1.0 if not total else 1 - sum(self.uncounted.values()) / total

    @property
    def time_coverage(self) -> float | None:
        """The share of the estimated time that is counted, with an empty recipe.

        A row of unknown work is taken to last as long as moving its bytes, so this is an upper
        bound; `None` where its bytes are unknown too.
        """
        return time_coverage(self.prices, self.before)

    @property
    def uncounted(self) -> Mapping[str, int]:
        """Operations without a counter: how often each one occurs."""
        return self.program.uncounted

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """Choices that the device cannot carry out, with the reason and how they run."""
        return self.choice.refused

    @property
    def notes(self) -> tuple[str, ...]:
        """Each approximation and invention, in a sentence."""
        graph = self.program.graph
        notes = [*graph.assumed, *graph.notes, *self.choice.notes]
        if graph.unused:
            notes.append(_unused(graph))
        if self.program.unsized:
            missing = left_out(self, "size_bytes")
            notes.append(f"the size {missing}, and is a lower bound.")
        if np.isnan(self.prices.tensor_size).any():
            notes.append("some shapes are unknown: peak memory is a lower bound.")
        mixed = int(self.after.mixed.sum())
        if mixed:
            notes.append(f"{mixed} rows have weights of different options and run as the baseline.")
        return tuple(notes)

    @property
    def provenance(self) -> Provenance:
        """Where the latencies come from."""
        return self.program.device.provenance

    @property
    def meta(self) -> dict[str, Any]:
        """The model, the device, the inputs and the versions behind the figures."""
        graph, device = self.program.graph, self.program.device
        return {
            "model": graph.name,
            "framework": graph.framework,
            "fingerprint": graph.fingerprint,
            "device": device.name,
            "runtime": device.runtime,
            "confidence": device.confidence,
            "inputs": {n: (graph.tensors[n].shape, graph.tensors[n].dtype) for n in graph.inputs},
            "assumed": graph.assumed,
            "latency_band": device.latency_band,
            "energy_factor": device.energy_factor,
        }

    def column(self, name: str) -> Column:
        """One column by name.

        Raises:
            KeyError: no column of that name.
        """
        return {c.name: c for c in self.columns}[name]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Everything known of the rows, one array per figure, in order of execution."""
        return columns(self)

    def to_frame(self) -> pandas.DataFrame:
        """A row per task, a column per figure (SI units in the names).

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                'to_frame() needs pandas: pip install "talaria-widget[pandas]".'
            ) from error
        return pandas.DataFrame({c.name: c.values for c in self.columns})

    def check(self, targets: Mapping[str, float]) -> None:
        """Hold the totals against targets; for a test of one's own.

        Args:
            targets: the most that is allowed, such as `{"latency_s": 0.008}`.

        Raises:
            AssertionError: a total is over its target, or unknown; names every figure.
            ValueError: a target for something that has no total.
        """
        missed = failures(self, targets)
        if missed:
            raise AssertionError("; ".join(missed) + ".")

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def _unused(graph: Graph) -> str:
    """What exists and does not run, with its bytes where they are known."""
    sizes = [graph.tensors[n].nbytes if n in graph.tensors else None for n in graph.unused]
    known = sum(size or 0 for size in sizes)
    shown = ", ".join(graph.unused[:3]) + (", ..." if len(graph.unused) > 3 else "")
    held = f"; {quantity(known, 'B')}" if known and None not in sizes else ""
    return (
        f"{len(graph.unused)} weights exist and do not run with these inputs ({shown}{held}); they "
        "are in no figure here."
    )


def time_coverage(prices: Prices, before: Evaluation) -> float | None:
    """The share of the baseline's estimated time that is counted; see `Report.time_coverage`."""
    unknown = np.isnan(before.latency.point)
    if not unknown.any():
        return 1.0
    counted = float(np.nansum(before.latency.point))
    missing = float(prices.least_s[prices.row_signature[unknown]].sum())
    return None if np.isnan(missing) else counted / (counted + missing)


def report(
    program: Program, prices: Prices, recipe: Recipe, choice: Choice, before: Evaluation
) -> Report:
    """Evaluate a resolved recipe, beside what the empty one costs."""
    chosen = columns_of(program, prices, choice)
    after = evaluate(prices, chosen) if chosen.any() else before
    return Report(program, prices, recipe, choice, after, before, chosen)


def columns_of(program: Program, prices: Prices, choice: Choice) -> Ints:
    """The price column of every stored weight under a choice."""
    chosen = np.zeros(len(program.weights), np.int32)
    if choice.options:
        column = {option: i for i, option in enumerate(prices.options)}
        for i, weight in enumerate(program.weights):
            if weight.leader == weight.name and weight.name in choice.options:
                chosen[i] = column[choice.options[weight.name]]
    return chosen
