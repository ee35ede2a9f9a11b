"""Reports side by side: a bar per report and total, with its band and its change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import altair as alt

from talaria_widget.charts.axes import axis, unit_of
from talaria_widget.charts.colours import RULE, colours
from talaria_widget.charts.given import check_word
from talaria_widget.charts.said import Record, Value, band, exact, title, words
from talaria_widget.report import Report
from talaria_widget.report.targets import left_out as lacking
from talaria_widget.tables import UNITS, change, quantity

METRICS = ("latency_s", "energy_j", "size_bytes", "peak_memory_bytes")
TITLES = {
    "size_bytes": "size",
    "latency_s": "latency",
    "energy_j": "energy",
    "peak_memory_bytes": "peak memory",
    "macs": "multiply-accumulates",
    "flops": "operations",
    "parameters": "parameters",
}
WIDTH = 300
STEP = 26


def compare(
    reports: Mapping[str, Report] | Sequence[Report], metrics: Sequence[str] = METRICS
) -> alt.ConcatChart:
    """The totals of several reports, one chart per metric: bands from low to high, and changes.

    Changes are in percent of the first report. Whether two bands overlap says little of a change
    between recipes on one device: what both share is in doubt together (see
    `totals["latency_s_change_low"]`).

    Args:
        reports: by the names that they are to have, or a list, named by model and device.
        metrics: of "latency_s" (seconds), "energy_j" (joules), "size_bytes",
            "peak_memory_bytes" (bytes), "macs", "flops" and "parameters" (counts).

    Returns:
        Charts of `value`, `low` and `high` in the unit of each metric, side by side.

    Raises:
        TypeError: no mapping or list of reports; metrics that are no list of names.
        ValueError: no report at all; a metric that has no total.

    Example:
        >>> from torch import nn
        >>> import talaria_widget as talaria
        >>> net = nn.Linear(512, 512)
        >>> small = {"*": talaria.Quantize(8)}
        >>> both = {
        ...     "as it is": talaria.analyze(net, device="cpu-avx2"),
        ...     "int8": talaria.analyze(net, device="cpu-avx2", recipe=small),
        ... }
        >>> chart = talaria.charts.compare(both, ["size_bytes", "latency_s"])
        >>> [(row["report"], row["value"]) for row in chart.concat[0].data.values]
        [('as it is', 1050624.0), ('int8', 266752.0)]
    """
    named = _named(reports)
    wanted = _metrics(metrics)
    found = {metric: _records(named, metric) for metric in wanted}
    charts = [_chart(metric, found[metric], list(named)) for metric in wanted]
    remarks = [f"changes are in percent of {next(iter(named))}"] if len(named) > 1 else []
    for metric in wanted:
        known = {record["report"] for record in found[metric]}
        if unknown := [name for name in named if name not in known]:
            are = "is" if len(unknown) == 1 else "are"
            remarks.append(
                f"{TITLES[metric]}: {len(unknown)} of {len(named)} reports {are} left out, "
                f"unknown: {', '.join(unknown)}"
            )
    return alt.ConcatChart(
        concat=charts, columns=2, title=title("Reports compared", remarks, 2 * WIDTH)
    )


def _chart(metric: str, records: Sequence[Record], names: Sequence[str]) -> alt.LayerChart:
    ends = [float(r[end] or 0) for r in records for end in ("value", "high")]
    x = axis(unit_of(ends, UNITS[metric]), TITLES[metric], grid=False)
    shades = colours()
    unit = UNITS[metric] or "count"
    base = alt.Chart(alt.InlineData(values=list(records))).encode(
        y=alt.Y(
            "report:N",
            sort=list(names),
            scale=alt.Scale(domain=list(names)),
            title=None,
            axis=alt.Axis(labelLimit=200),
        ),
        tooltip=[
            alt.Tooltip("report:N"),
            exact("value", f"{TITLES[metric]} ({unit})"),
            alt.Tooltip("band:N"),
            alt.Tooltip("change:N"),
            alt.Tooltip("provenance:N"),
        ],
    )
    directions = ("lower", "higher", "same")
    bars = base.mark_bar(height=STEP * 0.5).encode(
        x=alt.X("value:Q", axis=x, scale=alt.Scale(zero=True)),
        color=alt.Color(
            "direction:N",
            scale=alt.Scale(
                domain=list(directions), range=[shades["better"], shades["worse"], shades["bar"]]
            ),
            legend=None,
        ),
    )
    banded = base.transform_filter("isValid(datum.low)")
    bands = banded.mark_rule(stroke=RULE, strokeWidth=1.5).encode(
        x=alt.X("low:Q", axis=x), x2="high:Q"
    )
    caps = [
        banded.mark_tick(color=RULE, thickness=1.5, size=8).encode(x=alt.X(f"{end}:Q", axis=x))
        for end in ("low", "high")
    ]
    at = base.transform_calculate(end="max(datum.value, datum.high)")
    labels = words(at, align="left", dx=6).encode(x=alt.X("end:Q", axis=x), text="label:N")
    bounded = [bands, *caps] if any(record["low"] is not None for record in records) else []
    return alt.LayerChart(layer=[bars, *bounded, labels]).properties(
        view=alt.ViewBackground(stroke=None), width=WIDTH, height=alt.Step(STEP)
    )


def _records(named: Mapping[str, Report], metric: str) -> list[Record]:
    first = next(iter(named.values())).totals[metric]
    found: list[Record] = []
    for i, (name, report) in enumerate(named.items()):
        value = report.totals[metric]
        if value is None or not isfinite(value):
            continue
        low, high = (report.totals.get(f"{metric}_{end}") for end in ("low", "high"))
        told = change(first, value) if i else ""
        size = ("≥ " if lacking(report, metric) else "") + quantity(value, UNITS[metric])
        record: dict[str, Value] = {
            "report": name,
            "value": value,
            "low": low,
            "high": high,
            "band": "" if low is None or high is None else band(low, high, UNITS[metric]),
            "change": told or "compared with",
            "direction": _direction(first, value, told),
            "label": f"{size}, {told}" if told else size,
            "provenance": _provenance(report, metric),
        }
        found.append(record)
    return found


def _direction(first: float | None, value: float, told: str) -> str:
    if first is None or told in ("", "unchanged", "?"):
        return "same"
    return "lower" if value < first else "higher"


def _provenance(report: Report, metric: str) -> str:
    if metric == "latency_s":
        return f"{report.provenance}: {report.latency_source}"
    return report.energy_source if metric == "energy_j" else "counted"


def _named(reports: object) -> dict[str, Report]:
    if isinstance(reports, Mapping):
        given = dict(reports)
    elif isinstance(reports, Sequence) and not isinstance(reports, str | bytes):
        given = dict(enumerate(reports))
    else:
        raise TypeError(
            f"charts.compare() got a {type(reports).__name__}: pass a list of reports, or a "
            'mapping such as {"before": report, "int8": other}.'
        )
    for name, report in given.items():
        if not isinstance(report, Report):
            raise TypeError(
                f"charts.compare(): {name!r} is a {type(report).__name__}, not a Report as "
                "talaria.analyze(model) returns."
            )
        if isinstance(reports, Mapping) and not isinstance(name, str):
            raise TypeError(f"charts.compare(): the name {name!r} is no text.")
    if not given:
        raise ValueError("charts.compare() got no reports: pass one or more.")
    return given if isinstance(reports, Mapping) else _by_content(list(given.values()))


def _by_content(reports: Sequence[Report]) -> dict[str, Report]:
    """Reports by model and device, as far as they differ in those; numbered where they do not."""
    models = [report.program.graph.name for report in reports]
    devices = [report.program.device.name for report in reports]
    parts = [names for names in (models, devices) if len(set(names)) > 1] or [models, devices]
    named: dict[str, Report] = {}
    for known, report in zip(zip(*parts, strict=True), reports, strict=True):
        name, count = " · ".join(known), 1
        while (key := f"{name} #{count}" if count > 1 else name) in named:
            count += 1
        named[key] = report
    return named


def _metrics(metrics: object) -> list[str]:
    if isinstance(metrics, str) or not isinstance(metrics, Sequence):
        raise TypeError(
            f'charts.compare(metrics={metrics!r}): pass a list of names, such as ["latency_s"].'
        )
    if not metrics:
        raise ValueError(
            f"charts.compare(metrics={metrics!r}): pass one or more of {', '.join(UNITS)}."
        )
    return [check_word(name, UNITS, "metrics", "compare") for name in dict.fromkeys(metrics)]
