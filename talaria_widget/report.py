"""The report: what a model costs on a device under a recipe, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from talaria_widget.choice import Choice, Refusal
from talaria_widget.prices import PROVENANCE, Evaluation, Ints, Prices, evaluate
from talaria_widget.program import Program
from talaria_widget.recipe import Recipe
from talaria_widget.tables import UNITS, change, html_table, quantity, shape_text, text_table

if TYPE_CHECKING:
    import pandas

Provenance = Literal["counted", "measured", "modelled", "vendor"]
SHOWN_ROWS = 10
STATIC_ROWS = 50
TARGETS = tuple(UNITS)


@dataclass(frozen=True, slots=True)
class Column:
    """One figure per row; NaN is unknown. `unit` is SI, or empty for text and counts."""

    name: str
    unit: str
    values: NDArray[Any]
    provenance: Provenance


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
            notes.append(
                f"{len(graph.unused)} weights exist and do not run with these inputs; "
                "they are counted nowhere."
            )
        if self.program.unsized:
            left_out = self._left_out("size_bytes")
            notes.append(f"the size {left_out}, and is a lower bound.")
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
        tasks = self.program.tasks
        after, before = self.after, self.before
        signature = self.prices.row_signature
        codes = self.prices.provenance[signature, after.column]

        def of(name: str, unit: str, values: Any, provenance: Provenance = "counted") -> Column:
            return Column(name, unit, np.asarray(values), provenance)

        def work(name: str) -> list[float]:
            known = (getattr(t.work, name) for t in tasks)
            return [np.nan if value is None else float(value) for value in known]

        modelled = self.provenance

        def cast_sums(name: str) -> NDArray[Any]:
            sums = np.zeros(len(tasks))
            np.add.at(sums, after.casts.row, getattr(after.casts, name).point)
            return sums

        return (
            of("name", "", [t.name for t in tasks]),
            of("type", "", [t.label for t in tasks]),
            of("kind", "", [t.kind for t in tasks]),
            of("output_shape", "", list(map(shape_text, self.program.output_shapes))),
            of("macs", "MAC", work("macs")),
            of("flops", "FLOP", work("flops")),
            of("read_bytes", "B", work("read_bytes")),
            of("write_bytes", "B", work("write_bytes")),
            of("weight_bytes", "B", after.row_weight_bytes),
            of("weight_bytes_before", "B", before.row_weight_bytes),
            of("latency_s", "s", after.latency.point, modelled),
            of("latency_s_low", "s", after.latency.low, modelled),
            of("latency_s_high", "s", after.latency.high, modelled),
            of("latency_s_before", "s", before.latency.point, modelled),
            of("casts_latency_s", "s", cast_sums("latency"), modelled),
            of("casts_energy_j", "J", cast_sums("energy"), modelled),
            of("energy_j", "J", after.energy.point, modelled),
            of("energy_j_before", "J", before.energy.point, modelled),
            of("memory_bytes", "B", after.memory_bytes),
            of("option", "", [self._option(r) for r in range(len(tasks))]),
            of("provenance", "", [PROVENANCE[c] for c in codes]),
            of("source", "", self._sources),
        )

    def _option(self, row: int) -> str:
        if self.after.mixed[row]:
            return "mixed"
        return str(self.prices.labels[self.after.column[row]])

    @cached_property
    def _sources(self) -> list[str]:
        lines = {op.name: op.source for op in self.program.graph.ops}
        return [str(lines[t.name] or "") for t in self.program.tasks]

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
        failures = []
        for name, limit in check_targets(targets).items():
            value = self.totals[name]
            if value is None:
                failures.append(f"{name} is unknown")
            elif value > limit:
                failures.append(self._over(name, value, limit))
            elif left_out := self._left_out(name):
                failures.append(f"{name} {left_out}")
        if failures:
            raise AssertionError("; ".join(failures) + ".")

    def _left_out(self, name: str) -> str:
        """What a total lacks, as the end of a sentence; empty where nothing is missing."""
        tasks = self.program.tasks
        if name in ("latency_s", "energy_j"):
            count, what = self.unknown_rows, "rows of unknown cost"
        elif name in ("macs", "flops"):
            count, what = sum(getattr(t.work, name) is None for t in tasks), "rows of unknown work"
        elif name == "peak_memory_bytes":
            count, what = int(np.isnan(self.prices.tensor_size).sum()), "tensors of unknown shape"
        else:
            count, what = len(self.program.unsized), "stored tensors of unknown size"
        return f"leaves out {count} {what}" if count else ""

    def _over(self, name: str, value: float, limit: float) -> str:
        unit = UNITS[name]
        low = self.totals.get(f"{name}_low")
        text = f"{name} is {quantity(value, unit)}, target {quantity(limit, unit)}"
        if low is not None and low <= limit:
            text += f" (inside the band, which starts at {quantity(low, unit)})"
        return text

    def __repr__(self) -> str:
        header, rows = self._totals_table()
        top_header, top = self._rows_table(SHOWN_ROWS)
        more = len(self.program.tasks) - len(top)
        parts = [self._headline(), text_table(header, rows), text_table(top_header, top, left=2)]
        if more > 0:
            parts.append(f"... and {more} more rows; to_frame() has them all.")
        casts = self.after.casts
        if len(casts.row):
            seconds, joules = casts.latency.point.sum(), casts.energy.point.sum()
            added = f"{quantity(seconds, 's')} and {quantity(joules, 'J')}"
            parts.append(f"{len(casts.row)} casts between precisions add {added}.")
        parts += [f"note: {note}" for note in self.notes[:5]]
        return "\n\n".join(parts[:3]) + "".join("\n" + part for part in parts[3:])

    def _repr_html_(self) -> str:
        header, rows = self._totals_table()
        top_header, top = self._rows_table(STATIC_ROWS)
        more = len(self.program.tasks) - len(top)
        caption = f"The {len(top)} slowest rows" + (f", {more} more not shown" if more > 0 else "")
        return html_table(header, rows, self._headline()) + html_table(
            top_header, top, caption, left=2
        )

    def _headline(self) -> str:
        graph, device = self.program.graph, self.program.device
        counted = self.program.operations - sum(self.uncounted.values())
        return (
            f"{graph.name} on {device.title} ({device.runtime}): {self.provenance} "
            f"±{100 * device.latency_band:.0f} %, {counted} of {self.program.operations} "
            f"operations counted{self._of_time()}, "
            f"{quantity(self.totals['parameters'], '')} parameters, "
            f"{quantity(self.totals['macs'], 'MAC')}"
        )

    def _of_time(self) -> str:
        """How much of the time that is, where something is missing."""
        if not self.uncounted:
            return ""
        share = self.time_coverage
        return f" ({'an unknown share' if share is None else f'{100 * share:.0f} %'} of the time)"

    def _totals_table(self) -> tuple[list[str], list[list[str]]]:
        rows = []
        for name in ("size_bytes", "latency_s", "energy_j", "peak_memory_bytes"):
            before, now, unit = self.baseline[name], self.totals[name], UNITS[name]
            band = ""
            if self.totals.get(f"{name}_low") is not None:
                low, high = self.totals[f"{name}_low"], self.totals[f"{name}_high"]
                band = f"{quantity(low, unit, 3)} to {quantity(high, unit, 3)}"
            mark = "≥ " if now is not None and self._left_out(name) else ""
            rows.append(
                [
                    name,
                    quantity(before, unit),
                    mark + quantity(now, unit),
                    change(before, now),
                    band,
                ]
            )
        return ["", "before", "now", "change", "band"], rows

    def _rows_table(self, most: int) -> tuple[list[str], list[list[str]]]:
        latency = self.after.latency.point
        order = np.argsort(-np.nan_to_num(latency, nan=np.inf), kind="stable")[:most]
        macs = self.column("macs").values
        total = self.totals["latency_s"]
        rows = [
            [
                self.program.tasks[r].name,
                self.program.tasks[r].label,
                quantity(float(macs[r]), "MAC"),
                quantity(float(self.after.row_weight_bytes[r]), "B"),
                quantity(float(latency[r]), "s"),
                f"{100 * latency[r] / total:.1f} %" if total and latency[r] >= 0 else "?",
                self._option(int(r)),
            ]
            for r in order
        ]
        return ["task", "type", "MACs", "weights", "latency", "share", "option"], rows


def time_coverage(prices: Prices, before: Evaluation) -> float | None:
    """The share of the baseline's estimated time that is counted; see `Report.time_coverage`."""
    unknown = np.isnan(before.latency.point)
    if not unknown.any():
        return 1.0
    counted = float(np.nansum(before.latency.point))
    missing = float(prices.least_s[prices.row_signature[unknown]].sum())
    return None if np.isnan(missing) else counted / (counted + missing)


def check_targets(targets: object) -> dict[str, float]:
    """The same targets, if they are some.

    Raises:
        TypeError: no mapping, or a value that is no number.
        ValueError: a figure that has no total, or a limit that is not positive.
    """
    if not isinstance(targets, Mapping):
        raise TypeError(f'targets={targets!r}: pass a mapping such as {{"latency_s": 0.008}}.')
    for name, limit in targets.items():
        if name not in TARGETS:
            raise ValueError(f"there is no total {name!r}; targets are {', '.join(TARGETS)}.")
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise TypeError(f"the target of {name} is {limit!r}: pass a number in SI units.")
        if not 0 < limit < float("inf"):
            raise ValueError(f"the target of {name} is {limit!r}: pass a positive number.")
    return {str(name): float(limit) for name, limit in targets.items()}


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
