"""What a chart says in words: titles, what is left out, and the facts of rows in its tooltips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from talaria_widget.charts.colours import TITLES, colours, swatch_of
from talaria_widget.report import Report
from talaria_widget.tables import quantity

WIDTH = 600
Value = str | float | int | None
Record = dict[str, Value]

FACTS = ("task", "type", "module", "option")


def title(text: str, lines: Iterable[str], width: int = WIDTH) -> alt.TitleParams:
    """A title over lines of remarks; each gives way at the chart's width, however long a name."""
    return alt.TitleParams(
        text, subtitle=[line for line in lines if line], anchor="start", limit=width + 160
    )


def subject(report: Report, basis: str) -> str:
    """Whose figures they are, and how they came about."""
    device = report.program.device
    return f"{report.program.graph.name} on {device.title} ({device.runtime}): {basis}"


def left_out(count: int, of: int, figure: str) -> str:
    """How many rows are not drawn because a figure of theirs is unknown; empty for none.

    Example:
        >>> left_out(1, 20, "latency"), left_out(0, 20, "latency")
        ('1 of 20 tasks is left out: unknown latency', '')
    """
    if not count:
        return ""
    are = "is" if count == 1 else "are"
    return f"{count} of {plural(of, 'task')} {are} left out: unknown {figure}"


def plural(count: int, noun: str) -> str:
    """A count of things."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def band(low: float, high: float, unit: str) -> str:
    """From low to high."""
    return f"{quantity(low, unit)} to {quantity(high, unit)}"


def row_facts(report: Report, *, before: bool = False) -> list[Record]:
    """What is said of each row, with the name of its colour."""
    tasks = report.program.tasks
    provenance = report.column("provenance_before" if before else "provenance").values
    modules = report.column("module").values
    default = str(report.prices.labels[0])
    options = [default] * len(tasks) if before else report.column("option").values
    return [
        {
            "task": task.name,
            "type": task.label,
            "module": str(module),
            "option": str(option),
            "provenance": str(basis),
            "colour": TITLES[swatch_of(task.kind, task.label)],
        }
        for task, module, option, basis in zip(tasks, modules, options, provenance, strict=True)
    ]


def together(facts: Sequence[Record], rows: Sequence[int]) -> Record:
    """What is said of rows that are drawn as one: each fact that they share, else how many."""
    if len(rows) == 1:
        return dict(facts[rows[0]])
    found: Record = {}
    for key in facts[rows[0]]:
        values = list(dict.fromkeys(facts[row][key] for row in rows))
        found[key] = values[0] if len(values) == 1 else f"{len(values)} different"
    first, last = facts[rows[0]]["task"], facts[rows[-1]]["task"]
    found["task"] = f"{len(rows)} tasks, {first} to {last}"
    return found


def tooltips(*figures: alt.Tooltip, facts: Iterable[str] = FACTS) -> list[alt.Tooltip]:
    """The facts of what is under the pointer, its figures, and where those come from."""
    return [
        *(alt.Tooltip(f"{name}:N") for name in facts),
        *figures,
        alt.Tooltip("provenance:N"),
    ]


def words(chart: alt.Chart, **place: Any) -> alt.Chart:
    """Text at a chart's points, in a colour that can be read on the theme's background."""
    marked: alt.Chart = chart.mark_text(color=colours()["text"], limit=WIDTH / 2, **place)
    return marked


def exact(field: str, name: str) -> alt.Tooltip:
    """A figure in a tooltip with all its digits; its name says the unit."""
    return alt.Tooltip(f"{field}:Q", title=name)
