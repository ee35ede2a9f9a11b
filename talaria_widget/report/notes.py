"""The notes of a report: each approximation, invention and refusal to measure, in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from talaria_widget.graph import Graph
from talaria_widget.report.sources import modelled_rows
from talaria_widget.report.targets import left_out
from talaria_widget.tables import quantity

if TYPE_CHECKING:
    from talaria_widget.report.whole import Report


def notes(report: Report) -> tuple[str, ...]:
    """What could not be measured comes first."""
    graph = report.program.graph
    found = [*report.remarks, *graph.assumed, *graph.notes, *report.choice.notes]
    if graph.unused:
        found.append(_unused(graph))
    if report.program.unsized:
        missing = left_out(report, "size_bytes")
        found.append(f"the size {missing}, and is a lower bound.")
    if np.isnan(report.prices.tensor_size).any():
        found.append("some shapes are unknown: peak memory is a lower bound.")
    mixed = int(report.after.mixed.sum())
    if mixed:
        found.append(f"{mixed} rows have weights of different options and run as the baseline.")
    if rows := modelled_rows(report.prices, report.after):
        found.append(_modelled([report.program.tasks[row].label for row in rows]))
    return tuple(found)


def _modelled(labels: Sequence[str]) -> str:
    """Which classes of task have no measured time in the options they run in."""
    most = Counter(labels).most_common()
    shown = ", ".join(f"{label} ×{n}" for label, n in most[:5]) + (", ..." if most[5:] else "")
    tasks = "1 task" if len(labels) == 1 else f"{len(labels)} tasks"
    return f"the time of {tasks} is modelled, not measured: {shown}."


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
