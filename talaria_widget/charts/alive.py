"""Memory over time: the activations alive while each task runs, and their peak."""

from __future__ import annotations

import altair as alt
import numpy as np

from talaria_widget.charts.axes import axis, unit_of
from talaria_widget.charts.colours import RULE, colours
from talaria_widget.charts.given import check_report
from talaria_widget.charts.order import time_remarks
from talaria_widget.charts.said import (
    WIDTH,
    Record,
    exact,
    row_facts,
    subject,
    title,
    together,
    words,
)
from talaria_widget.charts.spans import Spans, seen, spans_of
from talaria_widget.prices import Evaluation
from talaria_widget.report import Report
from talaria_widget.report.targets import left_out as lacking
from talaria_widget.tables import quantity

HEIGHT = 220


def memory(report: Report) -> alt.LayerChart:
    """The bytes of activations alive over the time of a run, with the peak marked.

    Under a recipe that changes something, a line shows how it was before. Copies that casts make
    are left out, as in the total `peak_memory_bytes`. Of more than 2,000 spans, neighbours
    narrower than a thousandth of the whole are drawn as one, with the most memory of them.

    Args:
        report: what to draw.

    Returns:
        A chart of `memory_bytes` over `start_s`, in bytes and seconds.

    Raises:
        TypeError: no report.

    Example:
        >>> from torch import nn
        >>> import talaria_widget as talaria
        >>> report = talaria.analyze(nn.Linear(512, 256), device="cpu-avx2")
        >>> chart = talaria.charts.memory(report)
        >>> max(row["memory_bytes"] for row in chart.layer[0].data.values)
        3072.0
        >>> 4 * (512 + 256)  # what goes in and what comes out, in float32
        3072
    """
    report = check_report(report, "memory")
    before, now = (spans_of(report.prices, e) for e in (report.before, report.after))
    facts = row_facts(report)
    records = _records(report.after, seen(now), facts, "now")
    if report.chosen.any():
        records += _records(report.before, seen(before), facts, "before")
    peak = _peak(report, now, facts)
    most = [float(report.after.memory_bytes.max(initial=0.0))]
    most.append(float(report.before.memory_bytes.max(initial=0.0)))
    x = alt.X("start_s:Q", axis=axis(unit_of([before.seconds, now.seconds], "s"), "time"))
    y = alt.Y("memory_bytes:Q", axis=axis(unit_of(most, "B"), "activations alive"))
    base = alt.Chart(alt.InlineData(values=records)).encode(x=x, y=y)
    after = base.transform_filter(alt.datum.state == "now")
    shade = colours()["bar"]
    layers: list[alt.Chart] = [
        after.mark_area(interpolate="step-after", fill=shade, fillOpacity=0.3),
        after.mark_line(interpolate="step-after", stroke=shade, strokeWidth=1.2),
        # An area has one tooltip for all of it: what is under the pointer is told by these.
        after.mark_rect(opacity=0).encode(
            x2="end_s:Q",
            y2=alt.Y2Datum(0),
            tooltip=[
                *(alt.Tooltip(f"{name}:N") for name in ("task", "type", "module")),
                exact("memory_bytes", "alive (B)"),
                exact("start_s", "from (s)"),
            ],
        ),
    ]
    if report.chosen.any():
        earlier = base.transform_filter(alt.datum.state == "before").mark_line(
            interpolate="step-after", stroke=RULE, strokeWidth=1, strokeDash=[4, 3]
        )
        layers.append(earlier)
    marked = alt.Chart(alt.InlineData(values=peak)).encode(x=x, y=y)
    layers.append(marked.mark_point(filled=True, size=50, color=colours()["better"], opacity=1))
    late = any(float(record["start_s"] or 0) > now.seconds / 2 for record in peak)
    place = {"align": "right", "dx": -7} if late else {"align": "left", "dx": 7}
    layers.append(words(marked, dy=-8, **place).encode(text="label:N"))
    remarks = time_remarks(report, before, now)
    remarks[0] = subject(report, f"memory counted, time {report.provenance}")
    missing = lacking(report, "peak_memory_bytes")
    remarks.append(f"the memory {missing}, and is a lower bound" if missing else "")
    if report.chosen.any():
        remarks.append("dashed: before")
    return alt.LayerChart(layer=layers).properties(
        width=WIDTH, height=HEIGHT, title=title("Memory over time", remarks)
    )


def _records(evaluation: Evaluation, spans: Spans, facts: list[Record], state: str) -> list[Record]:
    found: list[Record] = []
    held = evaluation.memory_bytes
    for span in spans.spans:
        record = together(facts, span.rows)
        record = {name: record[name] for name in ("task", "type", "module")}
        times: Record = {"state": state, "start_s": span.start_s, "end_s": span.end_s}
        found.append(record | times | {"memory_bytes": float(held[list(span.rows)].max())})
    if found:  # the last step is as long as the others
        found.append(found[-1] | {"start_s": spans.seconds, "end_s": spans.seconds})
    return found


def _peak(report: Report, spans: Spans, facts: list[Record]) -> list[Record]:
    """The row with the most alive, at the time when it begins; none where nothing is alive."""
    held = report.after.memory_bytes
    if not held.max(initial=0.0) > 0:
        return []
    row = int(np.argmax(held))
    start = next((s.start_s for s in spans.spans if s.row >= row), spans.seconds)
    nbytes = float(held[row])
    label = f"peak {quantity(nbytes, 'B')} at {facts[row]['task']}"
    return [{"start_s": start, "memory_bytes": nbytes, "label": label, "task": facts[row]["task"]}]
