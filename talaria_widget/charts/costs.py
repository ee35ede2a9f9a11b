"""Cost by type of operation or by module, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
from numpy.typing import NDArray

from talaria_widget.charts import parts
from talaria_widget.charts.axes import axis, unit_of
from talaria_widget.charts.colours import RULE, TITLES, colours, scale, swatch_of
from talaria_widget.charts.given import check_report, check_word
from talaria_widget.charts.said import WIDTH, Record, exact, left_out, plural, subject, title, words
from talaria_widget.report import Report
from talaria_widget.report.sources import worst
from talaria_widget.report.targets import left_out as lacking
from talaria_widget.tables import change, quantity

METRICS = {
    "latency_s": ("latency", "s"),
    "energy_j": ("energy", "J"),
    "weight_bytes": ("weights", "B"),
    "macs": ("multiply-accumulates", "MAC"),
    "flops": ("operations", "FLOP"),
    "read_bytes": ("bytes read", "B"),
    "write_bytes": ("bytes written", "B"),
}
"""The columns of a report that add up over rows: what each is called, and its unit."""

PARTS = ("type", "module")
TIMED = ("latency_s", "energy_j")
STEP = 22


def by_type(
    report: Report, metric: str = "latency_s", by: Literal["type", "module"] = "type"
) -> alt.LayerChart:
    """What each type of operation, or each module, costs: before as an outline, and now.

    The dearest come first and casts last; of more than 12 lines the cheapest are one. A task
    whose cost is unknown, before or now, is in neither bar. A weight that several tasks share
    counts in each of them.

    Args:
        report: what to draw.
        metric: "latency_s" (seconds), "energy_j" (joules), "weight_bytes", "read_bytes",
            "write_bytes" (bytes), "macs" or "flops" (counts).
        by: "type" or "module"; of modules, those at the top, and the ones in them while there
            is room.

    Returns:
        A chart of `before` and `now`, in the unit of the metric, one row per line.

    Raises:
        TypeError: no report; a metric that is no text.
        ValueError: another metric, or another way of putting tasks together.

    Example:
        >>> from torch import nn
        >>> import talaria_widget as talaria
        >>> net = nn.Sequential(nn.Linear(64, 32), nn.Softmax(-1))
        >>> report = talaria.analyze(net, device="cpu-avx2")
        >>> chart = talaria.charts.by_type(report, "macs")
        >>> [(row["part"], row["now"]) for row in chart.data.values]
        [('linear', 2048.0), ('softmax', 0.0)]
    """
    report = check_report(report, "by_type")
    metric = check_word(metric, METRICS, "metric", "by_type")
    by = check_word(by, PARTS, "by", "by_type")  # type: ignore[assignment]
    name, symbol = METRICS[metric]
    before, now = _values(report, metric)
    known = np.isfinite(before) & np.isfinite(now)
    records = _records(report, metric, by, before, now, known)
    lines = [str(record["part"]) for record in records]
    unit = unit_of([float(r[end] or 0) for r in records for end in ("before", "now")], symbol)
    x = axis(unit, name, grid=False)
    base = alt.Chart(alt.InlineData(values=records)).encode(
        y=alt.Y("part:N", sort=lines, title=None, axis=alt.Axis(labelLimit=220)),
        tooltip=[
            alt.Tooltip("part:N", title=by),
            alt.Tooltip("tasks:N"),
            exact("now", f"{name} now ({symbol})"),
            exact("before", f"{name} before ({symbol})"),
            alt.Tooltip("change:N"),
            alt.Tooltip("provenance:N"),
        ],
    )
    shades = colours()
    outline = base.mark_bar(
        fill=shades["bar"], fillOpacity=0.18, stroke=RULE, strokeWidth=1
    ).encode(x=alt.X("before:Q", axis=x))
    shown = scale(str(record["colour"]) for record in records)
    if by == "module":
        shown = alt.Scale(domain=[by, TITLES["cast"]], range=[shades["bar"], shades["cast"]])
    colour = alt.Color("colour:N", scale=shown, legend=None)
    bars = base.mark_bar().encode(x=alt.X("now:Q", axis=x), color=colour)
    ends = base.transform_calculate(end="max(datum.now, datum.before)")
    labels = words(ends, align="left", dx=5).encode(x=alt.X("end:Q", axis=x), text="label:N")
    missing = int((~known).sum())
    remarks = [
        subject(report, _basis(report, metric)),
        "outlined: before" if report.chosen.any() else "",
        left_out(missing, len(known), name),
        _lacking(report, metric),
    ]
    return alt.LayerChart(layer=[outline, bars, labels]).properties(
        view=alt.ViewBackground(stroke=None),
        width=WIDTH,
        height=alt.Step(STEP),
        title=title(f"{name.capitalize()} by {by}", remarks),
    )


def _values(report: Report, metric: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of each row, before and now; what no option changes is the same."""
    columns = {column.name: column.values for column in report.columns}
    now = columns[metric].astype(np.float64)
    return columns.get(f"{metric}_before", now).astype(np.float64), now


def _records(
    report: Report,
    metric: str,
    by: str,
    before: NDArray[Any],
    now: NDArray[Any],
    known: NDArray[np.bool_],
) -> list[Record]:
    found = parts.types(report) if by == "type" else parts.modules(report)
    tasks = report.program.tasks
    lines: list[tuple[str, str, list[int]]] = []
    for part, rows in found:
        drawn = [row for row in rows if known[row]]
        if drawn:
            swatch = swatch_of(tasks[drawn[0]].kind, tasks[drawn[0]].label)
            lines.append((part, TITLES[swatch] if by == "type" else by, drawn))
    lines.sort(key=lambda line: (-before[line[2]].sum(), -len(line[2])))
    if len(lines) > parts.MOST_LINES:
        kept, rest = lines[: parts.MOST_LINES - 1], lines[parts.MOST_LINES - 1 :]
        together = sorted(row for _, _, rows in rest for row in rows)
        other = TITLES["movement"] if by == "type" else by
        lines = [*kept, (f"{len(rest)} other {by}s", other, together)]
    sources = report.column("provenance").values
    records = [
        _record(
            metric,
            part,
            colour,
            plural(len(rows), "task"),
            float(before[rows].sum()),
            float(now[rows].sum()),
            _named(report, metric, [str(sources[row]) for row in rows]),
        )
        for part, colour, rows in lines
    ]
    return records + _casts(report, metric)


def _casts(report: Report, metric: str) -> list[Record]:
    """What casts add; of those of unknown cost nothing is known."""
    casts = report.after.casts
    if metric not in TIMED or not len(casts.row):
        return []
    prices = (casts.latency if metric == "latency_s" else casts.energy).point
    known = prices[np.isfinite(prices)]
    if not len(known):
        return []
    sources = [s for s in report.column("casts_provenance").values.tolist() if s]
    count, basis = plural(len(known), "cast"), _named(report, metric, sources)
    return [_record(metric, "casts", TITLES["cast"], count, 0.0, float(known.sum()), basis)]


def _record(
    metric: str, part: str, colour: str, tasks: str, before: float, now: float, provenance: str
) -> Record:
    told = "new" if not before and now else change(before, now)
    size = quantity(now, METRICS[metric][1])
    return {
        "part": part,
        "colour": colour,
        "tasks": tasks,
        "before": before,
        "now": now,
        "change": told,
        "label": size if told == "unchanged" else f"{size}, {told}",
        "provenance": provenance,
    }


def _named(report: Report, metric: str, sources: Sequence[str]) -> str:
    if metric == "latency_s":
        return worst(sources)
    return _basis(report, metric)


def _basis(report: Report, metric: str) -> str:
    if metric == "latency_s":
        return report.column("latency_s").provenance
    return report.column(metric).provenance


def _lacking(report: Report, metric: str) -> str:
    missing = lacking(report, "size_bytes") if metric == "weight_bytes" else ""
    return f"the size {missing}" if missing else ""
