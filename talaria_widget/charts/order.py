"""The order of execution over time, before above now."""

from __future__ import annotations

import altair as alt

from talaria_widget.charts.axes import axis, unit_of
from talaria_widget.charts.colours import RULE, TITLES, colours, scale
from talaria_widget.charts.given import check_report
from talaria_widget.charts.said import (
    WIDTH,
    Record,
    exact,
    left_out,
    plural,
    row_facts,
    subject,
    title,
    together,
    tooltips,
)
from talaria_widget.charts.spans import Spans, seen, spans_of
from talaria_widget.prices import PROVENANCE, Casts
from talaria_widget.report import Report
from talaria_widget.tables import quantity

LANES = ("before", "now")
OUTLINED = 500
"""Of more spans, outlines would cover what they enclose."""


def timeline(report: Report) -> alt.LayerChart:
    """Every task in order of execution, as wide as it takes time: before above now.

    Casts stand at the tasks that caused them. The spans of a lane add up to its rows and casts,
    which is not the whole where that was measured; the subtitle then says both. Of more than
    2,000 spans, neighbours narrower than a thousandth of the whole are drawn as one, in the
    colour of the longest, so that lengths stay exact.

    Args:
        report: what to draw.

    Returns:
        A chart of `start_s`, `end_s` and `latency_s`, in seconds.

    Raises:
        TypeError: no report.

    Example:
        >>> from torch import nn
        >>> import talaria_widget as talaria
        >>> report = talaria.analyze(nn.Linear(512, 512), device="cpu-avx2")
        >>> chart = talaria.charts.timeline(report)
        >>> [(row["lane"], row["task"]) for row in chart.data.values]
        [('before', 'linear'), ('now', 'linear')]
    """
    report = check_report(report, "timeline")
    lanes = [spans_of(report.prices, e) for e in (report.before, report.after)]
    records = [
        record
        for lane, spans in zip(LANES, lanes, strict=True)
        for record in _records(report, lane, seen(spans))
    ]
    unit = unit_of([lane.seconds for lane in lanes], "s")
    base = alt.Chart(alt.InlineData(values=records)).encode(
        x=alt.X("start_s:Q", axis=axis(unit, "time"), scale=alt.Scale(zero=True)),
        x2="end_s:Q",
        y=alt.Y("lane:N", sort=list(LANES), title=None),
        tooltip=tooltips(
            exact("latency_s", "latency (s)"),
            exact("start_s", "from (s)"),
            exact("end_s", "to (s)"),
        ),
    )
    before = base.transform_filter(alt.datum.lane == "before").mark_bar(
        fill=colours()["bar"],
        fillOpacity=0.25,
        stroke=RULE,
        strokeWidth=0.5 if len(records) < OUTLINED else 0,
    )
    now = (
        base.transform_filter(alt.datum.lane == "now")
        .mark_bar()
        .encode(
            color=alt.Color(
                "colour:N",
                scale=scale(str(r["colour"]) for r in records if r["lane"] == "now"),
                title="type",
            )
        )
    )
    return alt.LayerChart(layer=[before, now]).properties(
        width=WIDTH,
        height=alt.Step(44),
        title=title("Execution order", time_remarks(report, *lanes)),
    )


def time_remarks(report: Report, before: Spans, now: Spans) -> list[str]:
    """What stands under a chart over time."""
    added = f"{quantity(now.seconds, 's')} in rows and casts"
    if report.chosen.any():
        added += f", {quantity(before.seconds, 's')} before"
    whole = report.totals["latency_s"]
    measured = f"; the whole, measured: {quantity(whole, 's')}" if report.measured else ""
    rows = report.prices.rows
    return [
        subject(report, report.provenance),
        added + measured,
        left_out(now.unknown_rows, rows, "latency"),
        f"{plural(now.unknown_casts, 'cast')} left out: unknown latency"
        if now.unknown_casts
        else "",
    ]


def _records(report: Report, lane: str, spans: Spans) -> list[Record]:
    before = lane == "before"
    facts = row_facts(report, before=before)
    casts = (report.before if before else report.after).casts
    found: list[Record] = []
    for span in spans.spans:
        alone = len(span.rows) == 1
        record = together(facts, span.rows) | {"colour": facts[span.row]["colour"]}
        if span.cast >= 0:
            record |= {"colour": TITLES["cast"]}
        if span.cast >= 0 and alone:
            record |= _cast_facts(report, casts, span.cast)
        found.append(
            record
            | {
                "lane": lane,
                "start_s": span.start_s,
                "end_s": span.end_s,
                "latency_s": span.end_s - span.start_s,
            }
        )
    return found


def _cast_facts(report: Report, casts: Casts, cast: int) -> Record:
    names = report.prices.precisions
    source, target = (names[int(getattr(casts, end)[cast])] for end in ("source", "target"))
    return {
        "type": f"cast {source} → {target}",
        "option": "added",
        "provenance": PROVENANCE[casts.provenance[cast]],
    }
