"""What a model costs on a device under a recipe, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isclose
from typing import TYPE_CHECKING, Any

import numpy as np

from talaria_widget.choice import Choice, Refusal
from talaria_widget.compilers.observed import Baseline, Whole
from talaria_widget.prices import Evaluation, Ints, Prices, evaluate
from talaria_widget.program import Program
from talaria_widget.recipe import Recipe
from talaria_widget.report.columns import Column, columns
from talaria_widget.report.notes import notes
from talaria_widget.report.sources import Basis, energy_source, latency_source, of_sum
from talaria_widget.report.targets import failures
from talaria_widget.report.text import as_html, as_text
from talaria_widget.report.totals import (
    Run,
    run_of_baseline,
    run_of_whole,
    summed,
    with_change,
    with_run,
)

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Report:
    """What a model costs on a device under a recipe.

    `totals` and `baseline` map `size_bytes`, `latency_s`, `energy_j`, `peak_memory_bytes`,
    `macs`, `flops` and `parameters` (latency and energy also with `_low` and `_high`) to
    figures in SI units, and `latency_s_change` (with its own `_low` and `_high`) to latency after
    over before; `None` is unknown, and a total that leaves out rows of unknown cost is a lower
    bound (`unknown_rows` says how many).

    `whole` is the recipe built and timed, `observed` the model as it is, timed; `None` where
    that was not done. `remarks` say what could not be measured, and why.
    """

    program: Program
    prices: Prices
    recipe: Recipe
    choice: Choice
    after: Evaluation
    before: Evaluation
    chosen: Ints
    whole: Whole | None = None
    observed: Baseline | None = None
    remarks: tuple[str, ...] = ()

    @cached_property
    def totals(self) -> dict[str, float | None]:
        """The best known figures of the whole under the recipe: measured where it was run."""
        totals = with_run(self.estimated, self.run, self.program.device, self.run_before)
        if self.run is None or not self.chosen.any():
            return totals
        return with_change(totals, self.run, self.baseline)

    @cached_property
    def baseline(self) -> dict[str, float | None]:
        """The same with an empty recipe: what the device's toolchain does by itself."""
        rows, run = summed(self.program, self.before), self.run_before
        return with_run(rows, run, self.program.device, run)

    @cached_property
    def estimated(self) -> dict[str, float | None]:
        """The sums over rows, casts and corrections; `totals` where nothing was measured."""
        return summed(self.program, self.after)

    @property
    def run(self) -> Run | None:
        """The run of the whole under this recipe, where it was measured."""
        if not self.chosen.any():
            return self.run_before
        return None if self.whole is None else run_of_whole(self.whole)

    @property
    def run_before(self) -> Run | None:
        """The run of the model as it is, where it was measured."""
        if self.observed is not None:
            return run_of_baseline(self.observed)
        built = None if self.chosen.any() else self.whole
        return None if built is None else run_of_whole(built)

    @property
    def measured(self) -> bool:
        """Whether latency in `totals` is of the whole really run, and no sum of its rows."""
        return self.run is not None

    @property
    def difference_s(self) -> float | None:
        """The measured latency less the sum of its rows, which no row bears.

        `None` where the whole was not measured, or no row's time is known.
        """
        total, rows = self.totals["latency_s"], self.estimated["latency_s"]
        if not self.measured or total is None or rows is None:
            return None
        # Prices are rounded to float32, so that a whole shared out over rows sums up to nearly it.
        return 0.0 if isclose(total, rows, rel_tol=1e-6) else total - rows

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
        return notes(self)

    @property
    def provenance(self) -> Basis:
        """Where the total latency comes from: the worst of what it is made of.

        One of "measured", "partly measured", "modelled" and "vendor".
        """
        return "measured" if self.measured else of_sum(self.prices, self.after)

    @property
    def latency_source(self) -> str:
        """How the total latency came about, as a clause."""
        return latency_source(self)

    @property
    def energy_source(self) -> str:
        """How the total energy came about, as a clause; "RAPL" where a counter was read."""
        return energy_source(self)

    @property
    def energy_follows(self) -> bool:
        """Whether energy in `totals` comes with the measured latency, and is no sum of rows."""
        return self.measured and not self.energy_source.startswith("bottom-up")

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
            "runtime_version": None if self.observed is None else self.observed.runtime,
            "threads": device.threads,
            "latency_source": self.latency_source,
            "energy_source": self.energy_source,
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


def time_coverage(prices: Prices, before: Evaluation) -> float | None:
    """The share of the baseline's estimated time that is counted; see `Report.time_coverage`."""
    unknown = np.isnan(before.latency.point)
    if not unknown.any():
        return 1.0
    counted = float(np.nansum(before.latency.point))
    missing = float(prices.least_s[prices.row_signature[unknown]].sum())
    return None if np.isnan(missing) else counted / (counted + missing)


def report(
    program: Program,
    prices: Prices,
    recipe: Recipe,
    choice: Choice,
    before: Evaluation,
    whole: Whole | None = None,
    observed: Baseline | None = None,
    remarks: tuple[str, ...] = (),
) -> Report:
    """Evaluate a resolved recipe, beside what the empty one costs and what was measured."""
    chosen = columns_of(program, prices, choice)
    after = evaluate(prices, chosen) if chosen.any() else before
    return Report(program, prices, recipe, choice, after, before, chosen, whole, observed, remarks)


def columns_of(program: Program, prices: Prices, choice: Choice) -> Ints:
    """The price column of every stored weight under a choice."""
    chosen = np.zeros(len(program.weights), np.int32)
    if choice.options:
        column = {option: i for i, option in enumerate(prices.options)}
        for i, weight in enumerate(program.weights):
            if weight.leader == weight.name and weight.name in choice.options:
                chosen[i] = column[choice.options[weight.name]]
    return chosen
