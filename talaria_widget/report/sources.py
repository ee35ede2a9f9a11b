"""Where a report's figures come from: by codes of its rows and casts, and in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np

from talaria_widget.prices import PROVENANCE, Evaluation, Prices

if TYPE_CHECKING:
    from talaria_widget.report.whole import Report

Basis = Literal["measured", "partly measured", "modelled", "vendor"]
"""Of a time or an energy: the worst of what it is made of.

measured: timed on the device, as a whole or in all its parts. partly measured: some parts timed,
the others not. modelled: by formula from the device's figures. vendor: what the vendor's compiler
says.
"""

Provenance = Literal["counted", "measured", "partly measured", "modelled", "vendor"]
"""Of any figure; counted ones are exact, by definition."""


def worst(names: Iterable[str]) -> Basis:
    """The basis of what is made of parts of these."""
    found = set(names)
    if found == {"measured"}:
        return "measured"
    if found == {"vendor"}:
        return "vendor"
    return "partly measured" if "measured" in found else "modelled"


def of_rows(prices: Prices, evaluation: Evaluation) -> list[str]:
    """Where the price of each row comes from, in the column it runs in."""
    codes = prices.provenance[prices.row_signature, evaluation.column]
    return [PROVENANCE[code] for code in codes]


def modelled_rows(prices: Prices, evaluation: Evaluation) -> list[int]:
    """Rows of modelled time among others that were measured; none where nothing was measured."""
    names = of_rows(prices, evaluation)
    if "measured" not in names:
        return []
    takes_time = evaluation.latency.point > 0
    return [row for row, name in enumerate(names) if name == "modelled" and takes_time[row]]


def of_casts(prices: Prices, evaluation: Evaluation) -> list[str]:
    """For each row, the worst of the casts that are shown under it; empty where there is none."""
    under: dict[int, list[str]] = {}
    for row, code in zip(evaluation.casts.row, evaluation.casts.provenance, strict=True):
        under.setdefault(int(row), []).append(PROVENANCE[code])
    return [worst(under[row]) if row in under else "" for row in range(prices.rows)]


def of_sum(prices: Prices, evaluation: Evaluation) -> Basis:
    """Of rows, casts and corrections together; what costs nothing, or is unknown, has no say."""
    rows = of_rows(prices, evaluation)
    told = np.nan_to_num(evaluation.latency.point) != 0
    parts = [name for name, counts in zip(rows, told, strict=True) if counts]
    parts += [PROVENANCE[code] for code in evaluation.casts.provenance]
    parts += [PROVENANCE[prices.corrections[i].provenance] for i in evaluation.corrections]
    return worst(parts)


def latency_source(report: Report) -> str:
    """How the total latency came about, as a clause."""
    run = report.run
    if run is not None:
        return f"mean of the fastest of {run.rounds} rounds"
    if report.provenance == "measured":
        return "the sum of tasks, each timed"
    if report.provenance == "partly measured":
        timed = of_rows(report.prices, report.after).count("measured")
        return f"the sum of tasks, {timed} of {report.prices.rows} timed"
    if report.provenance == "vendor":
        return "the vendor's compiler"
    return "formulas and the device's figures"


def energy_source(report: Report) -> str:
    """How the total energy came about, as a clause."""
    device, before = report.program.device, report.run_before
    if report.run is not None and report.run.joules is not None:
        return "RAPL"
    if device.power_w is not None or (before is not None and before.joules is not None):
        return "mean power x latency"
    return f"bottom-up, within a factor of {device.energy_factor:g}"


def energy_basis(report: Report, latency: Basis) -> Basis:
    """Of joules beside seconds of some basis: formulas make them, unless a counter was read."""
    if latency == "vendor" or report.energy_source == "RAPL":
        return latency
    return "modelled"
