"""Targets of the totals, and what misses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from talaria_widget.tables import UNITS, quantity

if TYPE_CHECKING:
    from talaria_widget.report.whole import Report

TARGETS = tuple(UNITS)


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


def failures(report: Report, targets: Mapping[str, float]) -> list[str]:
    """A clause for each total that is over its target, unknown, or a lower bound."""
    found = []
    for name, limit in check_targets(targets).items():
        value = report.totals[name]
        if value is None:
            found.append(f"{name} is unknown")
        elif value > limit:
            found.append(_over(report, name, value, limit))
        elif missing := left_out(report, name):
            found.append(f"{name} {missing}")
    return found


def left_out(report: Report, name: str) -> str:
    """What a total lacks, as the end of a sentence; empty where nothing is missing."""
    tasks = report.program.tasks
    if name in ("latency_s", "energy_j"):
        if report.measured and (name == "latency_s" or report.energy_follows):
            return ""
        count, what = report.unknown_rows, "rows of unknown cost"
    elif name in ("macs", "flops"):
        count, what = sum(getattr(t.work, name) is None for t in tasks), "rows of unknown work"
    elif name == "peak_memory_bytes":
        count, what = int(np.isnan(report.prices.tensor_size).sum()), "tensors of unknown shape"
    else:
        count, what = len(report.program.unsized), "stored tensors of unknown size"
    return f"leaves out {count} {what}" if count else ""


def _over(report: Report, name: str, value: float, limit: float) -> str:
    unit = UNITS[name]
    low = report.totals.get(f"{name}_low")
    text = f"{name} is {quantity(value, unit)}, target {quantity(limit, unit)}"
    if low is not None and low <= limit:
        text += f" (inside the band, which starts at {quantity(low, unit)})"
    return text
