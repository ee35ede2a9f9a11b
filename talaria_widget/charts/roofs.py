"""The roofline: what each task reaches of what the device could."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, log10

import altair as alt
import numpy as np

from talaria_widget.charts.axes import Unit, log_axis, unit_of
from talaria_widget.charts.colours import RULE, scale
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
    words,
)
from talaria_widget.prices import Floats
from talaria_widget.recipe import SHORT
from talaria_widget.report import Report
from talaria_widget.tables import quantity

HEIGHT = 360
LARGEST = 700
"""Square pixels of the task that takes longest."""
MOST_POINTS = 2000
"""Beyond so many, tasks of a type that stand in one place are one."""
CELLS = 150
"""Places along either side of the plane."""
DECADES = 6
"""What is more decades below the highest stands at the edge."""


@dataclass(frozen=True, slots=True)
class Roof:
    """A bandwidth (a slope) or a peak (level), per second; a point (x, y) at either end."""

    label: str
    per_s: float
    slope: bool
    on_chip: bool = False


def roofline(report: Report) -> alt.LayerChart:
    """Each task's speed over its arithmetic intensity, under the roofs of the device: log-log.

    Intensity is FLOPs per byte of activations read and written and of weights as stored. The
    area of a point is its latency. Roofs are the peaks of the precisions that tasks compute in,
    and the bandwidths of memory and on chip. A task that computes nothing has no place on
    logarithmic axes. Of more than 2,000 tasks, those of one type that stand in one place are
    drawn as one, with their sums.

    Args:
        report: what to draw.

    Returns:
        A chart of `flop_per_byte`, `flop_per_s` and `latency_s` (seconds), with the `flops`,
        `bytes` and `latency_s` that those are ratios of.

    Raises:
        TypeError: no report.

    Example:
        >>> from torch import nn
        >>> import talaria_widget as talaria
        >>> report = talaria.analyze(nn.Linear(512, 256, bias=False), device="cpu-avx2")
        >>> chart = talaria.charts.roofline(report)
        >>> point = chart.layer[-1].data.values[0]
        >>> point["flops"] == 2 * 512 * 256, point["bytes"] == 4 * (512 * 256 + 512 + 256)
        (True, True)
    """
    report = check_report(report, "roofline")
    flops, moved, seconds = _figures(report)
    known = np.isfinite(flops) & np.isfinite(moved) & np.isfinite(seconds)
    placed = known & (flops > 0) & (moved > 0) & (seconds > 0)
    rows = np.flatnonzero(placed).tolist()
    roofs = roofs_of(report, rows)
    intensity = [float(flops[row] / moved[row]) for row in rows]
    speed = [float(flops[row] / seconds[row]) for row in rows]
    xs, ys = _plane(intensity, speed, roofs)
    groups = [[row] for row in rows]
    if len(rows) > MOST_POINTS:
        groups = _by_place(report, rows, intensity, speed)
    records = _records(report, groups, flops, moved, seconds)

    y_unit = unit_of([*speed, *(r.per_s for r in roofs if not r.slope)] or ys, "FLOP/s")
    x = alt.X(
        "flop_per_byte:Q",
        scale=alt.Scale(type="log", domain=xs, nice=False, clamp=True),
        axis=log_axis(Unit(1.0, "FLOP/B"), "arithmetic intensity", *xs),
    )
    y = alt.Y(
        "flop_per_s:Q",
        scale=alt.Scale(type="log", domain=ys, nice=False, clamp=True),
        axis=log_axis(y_unit, "speed", *ys),
    )
    remarks = [
        subject(report, report.column("latency_s").provenance),
        left_out(int((~known).sum()), len(known), "work or latency"),
        _nothing(int((known & ~placed).sum())),
    ]
    points = _points(records, x, y)
    return alt.LayerChart(layer=[*_lines(roofs, xs, ys, x, y), points]).properties(
        width=WIDTH, height=HEIGHT, title=title("Roofline", remarks)
    )


def roofs_of(report: Report, rows: Iterable[int]) -> list[Roof]:
    """The bandwidths, and the peaks of the precisions that some rows compute in.

    Precisions of one peak share a line.
    """
    device, used = report.program.device, {_precision(report, row) for row in rows}
    roofs = [Roof("DRAM", device.bandwidth_bytes_per_s, True)]
    if device.on_chip_bytes_per_s != device.bandwidth_bytes_per_s:
        roofs.append(Roof("on chip", device.on_chip_bytes_per_s, True, True))
    peaks: dict[float, list[str]] = {}
    for name, per_s in device.ops_per_s.items():
        if name in used:
            peaks.setdefault(per_s, []).append(SHORT.get(name, name))
    roofs += [Roof(", ".join(names), per_s, False) for per_s, names in peaks.items()]
    return [roof for roof in roofs if 0 < roof.per_s < inf]


def _precision(report: Report, row: int) -> str:
    """What a row computes in: what the model itself says, where no option was chosen."""
    prices, column = report.prices, int(report.after.column[row])
    stored = "" if column else report.program.tasks[row].precision
    return stored or prices.precisions[int(prices.column_precision[column])]


def _figures(report: Report) -> tuple[Floats, Floats, Floats]:
    """FLOPs, bytes and seconds of each row."""
    names = ("flops", "read_bytes", "write_bytes", "weight_bytes", "latency_s")
    flops, read, written, weights, seconds = (
        report.column(name).values.astype(np.float64) for name in names
    )
    return flops, read + written + weights, seconds


def _nothing(count: int) -> str:
    has = "computes nothing and has" if count == 1 else "compute nothing and have"
    return f"{plural(count, 'task')} {has} no place here" if count else ""


def _by_place(
    report: Report, rows: Sequence[int], intensity: Sequence[float], speed: Sequence[float]
) -> list[list[int]]:
    xs, ys = np.log10(intensity), np.log10(speed)
    columns, lines = (
        np.round((values - values.min()) / max(np.ptp(values), 1e-9) * CELLS).astype(int)
        for values in (xs, ys)
    )
    found: dict[tuple[str, int, int], list[int]] = {}
    for row, column, line in zip(rows, columns.tolist(), lines.tolist(), strict=True):
        label = report.program.tasks[row].label
        found.setdefault((label, column, line), []).append(row)
    return list(found.values())


def _records(
    report: Report, groups: Sequence[Sequence[int]], flops: Floats, moved: Floats, seconds: Floats
) -> list[Record]:
    facts = row_facts(report)
    found: list[Record] = []
    for rows in groups:
        work, nbytes, time = (float(a[list(rows)].sum()) for a in (flops, moved, seconds))
        figures: Record = {
            "flop_per_byte": work / nbytes,
            "flop_per_s": work / time,
            "latency_s": time,
            "flops": work,
            "bytes": nbytes,
        }
        found.append(together(facts, rows) | figures)
    return sorted(found, key=lambda record: -float(record["latency_s"] or 0))


def _plane(
    intensity: Sequence[float], speed: Sequence[float], roofs: Sequence[Roof]
) -> tuple[list[float], list[float]]:
    """From low to high of both axes, around all points and the corners of the roofs."""
    peaks = [roof.per_s for roof in roofs if not roof.slope]
    slopes = [roof.per_s for roof in roofs if roof.slope]
    corners = [max(peaks) / slope for slope in slopes] if peaks else []
    xs = [*intensity, *corners] or [1.0]
    ys = [*speed, *peaks] or [slope * min(xs) for slope in slopes] or [1.0]
    return _widened(xs, 3.0), _widened(ys, 2.5)


def _widened(values: Sequence[float], by: float) -> list[float]:
    low, high = min(values), max(values)
    return [max(low / by, high / 10**DECADES), high * by]


def _lines(
    roofs: Sequence[Roof], xs: Sequence[float], ys: Sequence[float], x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    """Each roof as far as it holds: slopes to the highest peak, peaks from the steepest slope."""
    ceiling = min(ys[1], max((r.per_s for r in roofs if not r.slope), default=ys[1]))
    steepest = max((r.per_s for r in roofs if r.slope), default=0.0)
    ends: list[Record] = []
    labels: list[Record] = []
    for i, roof in enumerate(roofs):
        if roof.slope:
            first, last = max(xs[0], ys[0] / roof.per_s), min(xs[1], ceiling / roof.per_s)
        else:
            first, last = (max(xs[0], roof.per_s / steepest) if steepest else xs[0]), xs[1]
        if not first < last:
            continue
        text = f"{roof.label} {quantity(roof.per_s, 'B/s' if roof.slope else 'FLOP/s', 3)}"
        at = 10 ** (0.6 * log10(first) + 0.4 * log10(last)) if roof.slope else last
        for where, found, label in ((first, ends, ""), (last, ends, ""), (at, labels, text)):
            height = where * roof.per_s if roof.slope else roof.per_s
            found.append(
                {
                    "roof": text,
                    "number": i,
                    "kind": "on chip" if roof.on_chip else "slope" if roof.slope else "peak",
                    "flop_per_byte": where,
                    "flop_per_s": height,
                    "label": label,
                }
            )
    lines = (
        alt.Chart(alt.InlineData(values=ends))
        .mark_line(stroke=RULE, strokeWidth=1.3)
        .encode(
            x=x,
            y=y,
            detail="number:N",
            strokeDash=alt.StrokeDash(
                "kind:N",
                scale=alt.Scale(
                    domain=["peak", "slope", "on chip"], range=[[1, 0], [1, 0], [5, 3]]
                ),
                legend=None,
            ),
            tooltip="roof:N",
        )
    )
    named = alt.Chart(alt.InlineData(values=labels)).encode(x=x, y=y, text="label:N")
    return [
        lines,
        words(named.transform_filter(alt.datum.kind == "peak"), align="right", dy=-7),
        words(named.transform_filter(alt.datum.kind == "slope"), align="left", dx=7, dy=9),
        words(named.transform_filter(alt.datum.kind == "on chip"), align="right", dx=-7, dy=-7),
    ]


def _points(records: Sequence[Record], x: alt.X, y: alt.Y) -> alt.Chart:
    shades = scale(str(record["colour"]) for record in records)
    longest = [float(record["latency_s"] or 0) for record in records]
    unit = unit_of(longest, "s")
    most = max(filter(isfinite, longest), default=1.0)
    points: alt.Chart = (
        alt.Chart(alt.InlineData(values=list(records)))
        # An outline of its own colour keeps the least of them in sight; areas stay in proportion.
        .mark_point(filled=True, strokeWidth=1, opacity=1, fillOpacity=0.6)
        .encode(
            x=x,
            y=y,
            fill=alt.Fill("colour:N", scale=shades, title="type"),
            stroke=alt.Stroke("colour:N", scale=shades, title="type"),
            size=alt.Size(
                "latency_s:Q",
                scale=alt.Scale(domain=[0, most], range=[0, LARGEST]),
                legend=alt.Legend(
                    title=unit.titled("latency"),
                    labelExpr=unit.label,
                    tickCount=3,
                    symbolFillColor=RULE,
                    symbolStrokeColor=RULE,
                ),
            ),
            tooltip=tooltips(
                exact("latency_s", "latency (s)"),
                exact("flop_per_s", "speed (FLOP/s)"),
                exact("flop_per_byte", "intensity (FLOP/B)"),
                exact("flops", "operations (FLOP)"),
                exact("bytes", "bytes moved (B)"),
            ),
        )
    )
    return points
