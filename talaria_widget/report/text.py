"""A report as text and as static HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from talaria_widget.report.columns import option_of
from talaria_widget.report.sources import modelled_rows
from talaria_widget.report.targets import left_out
from talaria_widget.tables import UNITS, change, html_table, quantity, text_table

if TYPE_CHECKING:
    from talaria_widget.report.whole import Report

SHOWN_ROWS = 10
STATIC_ROWS = 50
NOTABLE = 1.05
"""A measured gain smaller than this is no difference: the machine's own noise is of its size."""


def as_text(report: Report) -> str:
    """The totals before and now, and the slowest rows."""
    header, rows = _totals_table(report)
    top_header, top = _rows_table(report, SHOWN_ROWS)
    more = len(report.program.tasks) - len(top)
    totals = "\n".join([text_table(header, rows), *_measured(report)])
    parts = [_headline(report), totals, text_table(top_header, top, left=2)]
    if more > 0:
        parts.append(f"... and {more} more rows; to_frame() has them all.")
    casts = report.after.casts
    if len(casts.row):
        seconds, joules = casts.latency.point.sum(), casts.energy.point.sum()
        added = f"{quantity(seconds, 's')} and {quantity(joules, 'J')}"
        parts.append(f"{len(casts.row)} casts between precisions add {added}.")
    if report.uncounted:
        listed = ", ".join(f"{target} ×{n}" for target, n in report.uncounted.items())
        parts.append(
            f"not counted: {listed}. Totals are at least what is shown; talaria.register counts "
            "an operation of your own."
        )
    parts += [f"note: {note}" for note in report.notes[:5]]
    return "\n\n".join(parts[:3]) + "".join("\n" + part for part in parts[3:])


def as_html(report: Report) -> str:
    """The same as two tables, and what was measured between them; names are escaped."""
    header, rows = _totals_table(report)
    top_header, top = _rows_table(report, STATIC_ROWS)
    more = len(report.program.tasks) - len(top)
    caption = f"The {len(top)} slowest rows" + (f", {more} more not shown" if more > 0 else "")
    said = [*_measured(report), *(f"note: {remark}" for remark in report.remarks)]
    lines = "".join(f'<p style="margin:0;padding:2px 8px">{escape(line)}</p>' for line in said)
    return (
        html_table(header, rows, _headline(report))
        + lines
        + html_table(top_header, top, caption, left=2)
    )


def _headline(report: Report) -> str:
    graph, device = report.program.graph, report.program.device
    counted = report.program.operations - sum(report.uncounted.values())
    return (
        f"{graph.name} on {device.title} ({_runtime(report)}): {report.provenance} "
        f"±{_width(report)} %, {counted} of {report.program.operations} "
        f"operations counted{_of_time(report)}, "
        f"{quantity(report.totals['parameters'], '')} parameters, "
        f"{'≥ ' if left_out(report, 'macs') else ''}{quantity(report.totals['macs'], 'MAC')}"
    )


def _runtime(report: Report) -> str:
    """The runtime, with the version that ran if it ran, and its threads."""
    device = report.program.device
    name = device.runtime if report.observed is None else report.observed.runtime
    if device.threads is None or "thread" in device.title:
        return name
    return f"{name}, {'one thread' if device.threads == 1 else f'{device.threads} threads'}"


def _width(report: Report) -> str:
    """Half the band of the total latency in percent of it; the device's where that is unknown."""
    total, low, high = (report.totals[f"latency_s{end}"] for end in ("", "_low", "_high"))
    if not total or low is None or high is None:
        return f"{100 * report.program.device.latency_band:.0f}"
    width = 50 * (high - low) / total
    return f"{width:.0f}" if width >= 1 else f"{width:.1f}"


def _measured(report: Report) -> list[str]:
    """What the whole took beside the sum of its rows; nothing where it was not run."""
    difference, rows = report.difference_s, report.estimated["latency_s"]
    if not report.measured:
        return []
    said = f"measured: {quantity(report.totals['latency_s'], 's')}, {report.latency_source}"
    if not difference:
        return [f"{said}."]
    share = change(rows, report.totals["latency_s"])
    return [
        f"{said}; rows, casts and corrections add up to {quantity(rows, 's')}, a difference of "
        f"{'−' if difference < 0 else '+'}{quantity(abs(difference), 's')} ({share}) that no row "
        "bears."
    ]


def _of_time(report: Report) -> str:
    """How much of the time that is, where something is missing."""
    if not report.uncounted:
        return ""
    share = report.time_coverage
    return f" ({'an unknown share' if share is None else f'{100 * share:.0f} %'} of the time)"


def _totals_table(report: Report) -> tuple[list[str], list[list[str]]]:
    rows = []
    for name in ("size_bytes", "latency_s", "energy_j", "peak_memory_bytes"):
        before, now, unit = report.baseline[name], report.totals[name], UNITS[name]
        band = ""
        if report.totals.get(f"{name}_low") is not None:
            low, high = report.totals[f"{name}_low"], report.totals[f"{name}_high"]
            band = f"{quantity(low, unit, 3)} to {quantity(high, unit, 3)}"
        mark = "≥ " if now is not None and left_out(report, name) else ""
        rows.append(
            [
                name,
                mark + quantity(before, unit),
                mark + quantity(now, unit),
                _change(report, name),
                band,
                _figure(report, name),
            ]
        )
    return ["", "before", "now", "change", "band", "figure"], rows


def _change(report: Report, name: str) -> str:
    """The change in percent; of latency with the band that a change has of its own.

    Where times are measured, what noise may explain is no difference.
    """
    text = change(report.baseline[name], report.totals[name])
    ratio, low, high = (report.totals.get(f"{name}_change{end}") for end in ("", "_low", "_high"))
    if ratio is None or low is None or high is None or low == high:
        return text
    text = f"{text} ({change(1.0, low)} to {change(1.0, high)})"
    slight = max(ratio, 1 / ratio) < NOTABLE or low <= 1 <= high
    return f"no difference: {text}" if slight and "measured" in report.provenance else text


def _figure(report: Report, name: str) -> str:
    """What kind of figure a total is."""
    if name == "latency_s":
        summed = report.provenance == "measured" and not report.measured
        return "sum of measured rows" if summed else report.provenance
    return report.energy_source if name == "energy_j" else "counted"


def _rows_table(report: Report, most: int) -> tuple[list[str], list[list[str]]]:
    """The slowest rows; ~ marks modelled times among measured ones."""
    latency = report.after.latency.point
    order = np.argsort(-np.nan_to_num(latency, nan=np.inf), kind="stable")[:most]
    macs = report.column("macs").values
    total = report.estimated["latency_s"]
    modelled = set(modelled_rows(report.prices, report.after))
    rows = [
        [
            report.program.tasks[r].name,
            report.program.tasks[r].label,
            quantity(float(macs[r]), "MAC"),
            quantity(float(report.after.row_weight_bytes[r]), "B"),
            ("~" if r in modelled else "") + quantity(float(latency[r]), "s"),
            f"{100 * latency[r] / total:.1f} %" if total and latency[r] >= 0 else "?",
            option_of(report, int(r)),
        ]
        for r in order
    ]
    return ["task", "type", "MACs", "weights", "latency", "share", "option"], rows
