"""Everything known of the rows: one array per figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.report import facts
from talaria_widget.report.sources import (
    Provenance,
    energy_basis,
    of_casts,
    of_rows,
    of_sum,
    worst,
)

if TYPE_CHECKING:
    from talaria_widget.report.whole import Report


@dataclass(frozen=True, slots=True)
class Column:
    """One figure per row; NaN is unknown. `unit` is SI, or empty for text and counts."""

    name: str
    unit: str
    values: NDArray[Any]
    provenance: Provenance


def columns(report: Report) -> tuple[Column, ...]:
    """Everything known of the rows, one array per figure, in order of execution.

    `provenance` is that of each row's time, `provenance_before` with an empty recipe, and
    `casts_provenance` that of the casts shown under it.
    """
    program = report.program
    tasks = program.tasks
    after, before = report.after, report.before

    def of(name: str, unit: str, values: Any, provenance: Provenance = "counted") -> Column:
        # Texts as objects: numpy would make all of them as long as the longest.
        text = len(values) > 0 and isinstance(values[0], str)
        return Column(name, unit, np.asarray(values, dtype=object if text else None), provenance)

    def work(name: str) -> list[float]:
        known = (getattr(t.work, name) for t in tasks)
        return [np.nan if value is None else float(value) for value in known]

    prices = report.prices
    now, was = of_sum(prices, after), of_sum(prices, before)
    joules, joules_before = energy_basis(report, now), energy_basis(report, was)
    under = of_casts(prices, after)
    casts = worst(filter(None, under))
    casts_joules = energy_basis(report, casts)

    def cast_sums(name: str) -> NDArray[Any]:
        sums = np.zeros(len(tasks))
        np.add.at(sums, after.casts.row, getattr(after.casts, name).point)
        return sums

    return (
        of("name", "", [t.name for t in tasks]),
        of("type", "", [t.label for t in tasks]),
        of("kind", "", [t.kind for t in tasks]),
        of("module", "", facts.modules(program)),
        of("input_shape", "", facts.input_shapes(program)),
        of("output_shape", "", facts.output_shapes(program)),
        of("dtype", "", facts.dtypes(program)),
        of("settings", "", facts.settings(program)),
        of("macs", "MAC", work("macs")),
        of("flops", "FLOP", work("flops")),
        of("read_bytes", "B", work("read_bytes")),
        of("write_bytes", "B", work("write_bytes")),
        of("weight_bytes", "B", after.row_weight_bytes),
        of("weight_bytes_before", "B", before.row_weight_bytes),
        of("latency_s", "s", after.latency.point, now),
        of("latency_s_low", "s", after.latency.low, now),
        of("latency_s_high", "s", after.latency.high, now),
        of("latency_s_before", "s", before.latency.point, was),
        of("casts_latency_s", "s", cast_sums("latency"), casts),
        of("casts_energy_j", "J", cast_sums("energy"), casts_joules),
        of("energy_j", "J", after.energy.point, joules),
        of("energy_j_low", "J", after.energy.low, joules),
        of("energy_j_high", "J", after.energy.high, joules),
        of("energy_j_before", "J", before.energy.point, joules_before),
        of("memory_bytes", "B", after.memory_bytes),
        of("option", "", [option_of(report, r) for r in range(len(tasks))]),
        of("provenance", "", of_rows(prices, after)),
        of("provenance_before", "", of_rows(prices, before)),
        of("casts_provenance", "", under),
        of("source", "", facts.sources(program)),
    )


def option_of(report: Report, row: int) -> str:
    """The label of the option that a row runs in; `mixed` where its weights disagree.

    A row that the model itself has in integers says so.
    """
    if report.after.mixed[row]:
        return "mixed"
    precision = report.program.tasks[row].precision
    if precision and not report.after.column[row]:
        return f"{precision} (as stored)"
    return str(report.prices.labels[report.after.column[row]])
