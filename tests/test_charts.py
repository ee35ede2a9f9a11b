"""Charts: their figures are the report's, nothing unknown is drawn, and bad input is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import talaria_widget as talaria
import torchvision_cpu
from nets import small_net
from talaria_widget import charts, pipeline
from talaria_widget.charts import alive, colours, order, roofs, spans
from talaria_widget.charts.axes import Unit, unit_of
from talaria_widget.charts.parts import MOST_LINES, modules
from talaria_widget.compilers.observed import Baseline, Timing
from talaria_widget.graph import Graph, Op, Tensor
from talaria_widget.hardware import device
from talaria_widget.recipe import Recipe
from talaria_widget.report import Report

JS = Path(__file__).parents[1] / "js" / "src"
IMAGE = torch.zeros(1, 3, 224, 224)
INT8 = talaria.Quantize(8, activations=talaria.Activations(8))
SOFTMAX = ("softmax", "softmax")
OF_ONE: tuple[Callable[[Report], Any], ...] = (
    charts.roofline,
    charts.by_type,
    lambda report: charts.by_type(report, "energy_j", "module"),
    charts.timeline,
    charts.memory,
    lambda report: charts.compare([report]),
)
NAMES = ("roofline", "by_type", "by_module", "timeline", "memory", "compare")


@cache
def resnet() -> Report:
    """Some layers in int8, so that there are casts and a difference."""
    model = torchvision_cpu.models().resnet18().eval()
    recipe = {"layer3.*": INT8, "fc": talaria.Quantize(8)}
    return talaria.analyze(model, IMAGE, device="apple-a17-pro-ane", recipe=recipe)


def of_graph(graph: Graph) -> Report:
    return pipeline.report(pipeline.compile_for(graph, device("cpu-avx2"), Recipe()), Recipe())


def chain(words: list[tuple[str, str]], titles: tuple[str, ...] = ()) -> Report:
    """Ops of these kinds and words, one after another."""
    names = [f"t{i}" for i in range(len(words) + 1)]
    tensors = {
        n: Tensor(n, (64,), role="activation" if i else "input") for i, n in enumerate(names)
    }
    ops = tuple(
        Op(title, kind, word, inputs=(names[i],), outputs=(names[i + 1],))
        for i, ((kind, word), title) in enumerate(
            zip(words, titles or [f"op{i}" for i in range(len(words))], strict=True)
        )
    )
    return of_graph(Graph("g", "onnx", ops, tensors, (names[0],), (names[-1],)))


@cache
def unknown() -> Report:
    """Of three tasks, one has no counter."""
    return chain([SOFTMAX, ("unknown", "custom.mystery"), SOFTMAX])


@cache
def nothing() -> Report:
    """A model without an operation."""
    return of_graph(Graph("g", "onnx", (), {"x": Tensor("x", (4,), role="input")}, ("x",), ("x",)))


def many(rows: int) -> Report:
    return chain([SOFTMAX, ("norm", "layer_norm")] * (rows // 2))


def spec(chart: Any) -> dict[str, Any]:
    """A chart as it goes to a page: valid by Altair's schema, and strict JSON."""
    found = chart.to_dict()
    json.dumps(found, allow_nan=False)
    return dict(found)


def records(chart: Any, field: str) -> list[dict[str, Any]]:
    """The rows of the one set of data that has a field."""
    found = [rows for rows in spec(chart)["datasets"].values() if rows and field in rows[0]]
    assert len(found) == 1
    return list(found[0])


def subtitle(chart: Any) -> str:
    return "\n".join(spec(chart)["title"]["subtitle"])


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from keys(inner)


# ------------------------------------------------------------------------------------- figures


def test_roofline_has_the_figures_of_each_row() -> None:
    report = resnet()
    points = records(charts.roofline(report), "latency_s")
    frame = report.to_frame().set_index("name")
    drawn = frame[(frame["flops"] > 0) & (frame["latency_s"] > 0)]
    assert {point["task"] for point in points} == set(drawn.index)
    for point in points:
        row = drawn.loc[point["task"]]
        moved = row["read_bytes"] + row["write_bytes"] + row["weight_bytes"]
        assert point["latency_s"] == row["latency_s"]
        assert point["flop_per_byte"] == row["flops"] / moved
        assert point["flop_per_s"] == row["flops"] / row["latency_s"]
        assert (point["type"], point["option"]) == (row["type"], row["option"])
        assert point["provenance"] == row["provenance"] == "modelled"
    (size,) = [layer["encoding"]["size"] for layer in spec(charts.roofline(report))["layer"][-1:]]
    assert size["scale"]["domain"] == [0, drawn["latency_s"].max()]  # from 0: area = latency
    assert size["scale"]["range"][0] == 0


def test_roofline_draws_the_roofs_of_the_device() -> None:
    report = resnet()
    on = report.program.device
    lines: dict[str, list[dict[str, Any]]] = {}
    found = spec(charts.roofline(report))["datasets"].values()
    for end in next(rows for rows in found if "roof" in rows[0] and not rows[0]["label"]):
        lines.setdefault(end["kind"], []).append(end)
    levels = {end["flop_per_s"] for end in lines["peak"]}
    assert levels == {on.ops_per_s["float16"], on.ops_per_s["int8"]} == {17.5e12, 35e12}
    for kind, rate in (
        ("slope", on.bandwidth_bytes_per_s),
        ("on chip", on.on_chip_bytes_per_s),
    ):
        assert len(lines[kind]) == 2
        for end in lines[kind]:
            assert end["flop_per_s"] / end["flop_per_byte"] == pytest.approx(rate, rel=1e-12)
        assert max(end["flop_per_s"] for end in lines[kind]) == pytest.approx(35e12, rel=1e-12)
    plain = talaria.analyze(small_net(), torch.zeros(1, 3, 32, 32), device="apple-a17-pro-ane")
    assert {roof.per_s for roof in roofs.roofs_of(plain, [0]) if not roof.slope} == {17.5e12}


@pytest.mark.parametrize("metric", ["latency_s", "energy_j", "weight_bytes", "macs"])
def test_by_type_adds_up_the_columns(metric: str) -> None:
    report = resnet()
    frame = report.to_frame()
    lines = {line["part"]: line for line in records(charts.by_type(report, metric), "part")}
    casts = lines.pop("casts", None)
    before = metric if metric == "macs" else f"{metric}_before"
    for label, rows in frame.groupby("type"):
        assert lines[label]["now"] == pytest.approx(rows[metric].sum(), rel=1e-12)
        assert lines[label]["before"] == pytest.approx(rows[before].sum(), rel=1e-12)
    assert len(lines) == frame["type"].nunique()
    if metric == "latency_s":
        assert casts is not None
        assert casts["now"] == pytest.approx(frame["casts_latency_s"].sum(), rel=1e-12)
        total = sum(line["now"] for line in [*lines.values(), casts])
        assert total == pytest.approx(report.totals["latency_s"], rel=1e-12)
    assert (casts is None) == (metric in ("weight_bytes", "macs"))


def test_the_dearest_come_first_and_casts_last() -> None:
    lines = records(charts.by_type(resnet()), "part")
    costs = [line["before"] for line in lines[:-1]]
    assert costs == sorted(costs, reverse=True)
    assert lines[-1]["part"] == "casts" and lines[-1]["change"] == "new"
    assert spec(charts.by_type(resnet()))["layer"][0]["encoding"]["y"]["sort"] == [
        line["part"] for line in lines
    ]


def test_modules_hold_every_row_once() -> None:
    report = resnet()
    found = modules(report)
    assert sorted(row for _, rows in found for row in rows) == list(range(report.prices.rows))
    assert len(found) <= MOST_LINES
    names = [name for name, _ in found]
    assert {"layer1.0", "layer4.1", "conv1", "fc"} <= set(names)
    drawn = records(charts.by_type(report, "energy_j", "module"), "part")
    joules = sum(line["now"] for line in drawn)
    assert joules == pytest.approx(report.totals["energy_j"], rel=1e-12)


def test_beyond_twelve_lines_the_cheapest_are_one() -> None:
    pairs = list(permutations(["relu", "tanh", "sigmoid", "gelu", "silu"], 2))
    report = chain([op for a, b in pairs for op in (("activation", a), ("activation", b), SOFTMAX)])
    labels = {task.label for task in report.program.tasks}
    lines = records(charts.by_type(report), "part")
    assert len(labels) > MOST_LINES == len(lines)
    assert lines[-1]["part"] == f"{len(labels) - MOST_LINES + 1} other types"
    total = sum(line["now"] for line in lines)
    assert total == pytest.approx(report.totals["latency_s"], rel=1e-12)


def test_timeline_is_the_order_of_execution() -> None:
    report = resnet()
    rows = records(charts.timeline(report), "lane")
    frame = report.to_frame().set_index("name")
    for lane, column, total in (
        ("before", "latency_s_before", report.baseline["latency_s"]),
        ("now", "latency_s", report.totals["latency_s"]),
    ):
        spans_of_lane = [row for row in rows if row["lane"] == lane]
        tasks = [row for row in spans_of_lane if row["colour"] != "cast"]
        assert [row["task"] for row in tasks] == [n for n in frame.index if frame[column][n] > 0]
        assert spans_of_lane[0]["start_s"] == 0
        for one, following in pairwise(spans_of_lane):
            assert following["start_s"] == one["end_s"]
        for row in tasks:
            assert row["latency_s"] == pytest.approx(frame[column][row["task"]], rel=1e-9)
        assert spans_of_lane[-1]["end_s"] == pytest.approx(total, rel=1e-9)
    casts = [row for row in rows if row["colour"] == "cast"]
    assert len(casts) == len(report.after.casts.row) > 0
    assert {row["type"] for row in casts} <= {"cast float16 → int8", "cast int8 → float16"}
    assert [layer["transform"][0]["filter"] for layer in spec(charts.timeline(report))["layer"]]
    y = spec(charts.timeline(report))["layer"][0]["encoding"]["y"]
    assert y["sort"] == ["before", "now"]


def test_memory_over_time_has_its_peak() -> None:
    report = resnet()
    rows = records(charts.memory(report), "state")
    now = [row for row in rows if row["state"] == "now"]
    held = dict(
        zip(report.column("name").values, report.column("memory_bytes").values, strict=True)
    )
    assert {row["task"]: row["memory_bytes"] for row in now} == {
        row["task"]: held[row["task"]] for row in now
    }
    assert now[-1]["end_s"] == pytest.approx(report.totals["latency_s"], rel=1e-9)
    (peak,) = records(charts.memory(report), "label")
    assert peak["memory_bytes"] == report.totals["peak_memory_bytes"] == max(held.values())
    assert held[peak["task"]] == peak["memory_bytes"]
    at = next(row for row in now if row["task"] == peak["task"])
    assert peak["start_s"] == at["start_s"]
    assert "dashed: before" in subtitle(charts.memory(report))


def test_compare_has_totals_bands_and_changes() -> None:
    model = small_net()
    image = torch.zeros(1, 3, 32, 32)
    one = talaria.analyze(model, image, device="cpu-avx2")
    two = talaria.analyze(model, image, device="cpu-avx2", recipe={"*": INT8})
    wanted = ["latency_s", "size_bytes", "parameters"]
    chart = charts.compare({"as it is": one, "int8": two}, wanted)
    parts = spec(chart)["concat"]
    assert len(parts) == 3
    for metric, part in zip(wanted, parts, strict=True):
        rows = spec(chart)["datasets"][part["data"]["name"]]
        assert [row["report"] for row in rows] == ["as it is", "int8"]
        for row, report in zip(rows, (one, two), strict=True):
            assert row["value"] == report.totals[metric]
            assert row["low"] == report.totals.get(f"{metric}_low")
            assert row["high"] == report.totals.get(f"{metric}_high")
        marks = [layer["mark"]["type"] for layer in part["layer"]]
        assert ("rule" in marks) == (metric == "latency_s")
    sizes = spec(chart)["datasets"][parts[1]["data"]["name"]]
    percent = 100 * (two.totals["size_bytes"] / one.totals["size_bytes"] - 1)
    assert sizes[1]["change"].replace("−", "-").startswith(f"{percent:.1f}")
    assert sizes[1]["direction"] == "lower"
    same = spec(chart)["datasets"][parts[2]["data"]["name"]]
    assert [row["direction"] for row in same] == ["same", "same"]


def test_reports_of_a_list_are_named_by_what_differs() -> None:
    image = torch.zeros(1, 3, 32, 32)
    here = talaria.analyze(small_net(), image, device="cpu-avx2")
    there = talaria.analyze(small_net(), image, device="raspberry-pi-5")
    named = records(charts.compare([here, there, here], ["macs"]), "report")
    assert [row["report"] for row in named] == ["cpu-avx2", "raspberry-pi-5", "cpu-avx2 #2"]
    (alone,) = records(charts.compare([here], ["macs"]), "report")
    assert alone["report"] == "SmallNet · cpu-avx2"


def test_a_measured_whole_is_said_beside_the_sum_of_rows() -> None:
    report = chain([SOFTMAX])
    baseline = Baseline(Timing(0.002, 0.01, 20), (), None, "ONNX Runtime 9.9")
    run = replace(report, observed=baseline)
    assert "the whole, measured: 2.000" in subtitle(charts.timeline(run))
    assert "the whole" not in subtitle(charts.timeline(report))
    (line,) = records(charts.compare([run], ["latency_s"]), "report")
    assert line["value"] == 0.002
    assert (line["low"], line["high"]) == (0.002 * (1 - 0.01), 0.002 * (1 + 0.01))
    assert line["provenance"] == "measured: mean of the fastest of 20 rounds"


def test_an_onnx_file(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "stem.weight")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 8, 14, 14])
    node = helper.make_node("Conv", ["image", "stem.weight"], ["out"], name="<img onerror=x>")
    graph = helper.make_graph([node], "tiny", [image], [out], [weight])
    opset = [helper.make_opsetid("", 18)]
    path = tmp_path / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    report = talaria.analyze(path, device="cpu-avx2")
    (point,) = records(charts.roofline(report), "latency_s")
    assert point["flops"] == report.column("flops").values[0]
    assert point["bytes"] == 4 * (3 * 16 * 16 + 8 * 14 * 14 + 8 * 3 * 3 * 3)
    (line,) = records(charts.by_type(report, "macs"), "part")
    assert line["now"] == 14 * 14 * 8 * 3 * 3 * 3
    for draw in OF_ONE:
        spec(draw(report))


# ------------------------------------------------------------------- what is unknown, few or many


def test_what_is_unknown_is_left_out_and_counted() -> None:
    report = unknown()
    known = {task.name for task in report.program.tasks} - {"op1"}
    assert report.unknown_rows == 1
    assert {point["task"] for point in records(charts.roofline(report), "latency_s")} == known
    assert {row["task"] for row in records(charts.timeline(report), "lane")} == known
    assert {row["task"] for row in records(charts.memory(report), "state")} == known
    parts = {line["part"] for line in records(charts.by_type(report), "part")}
    assert parts == {"softmax"}
    said = "1 of 3 tasks is left out: unknown "
    assert said + "work or latency" in subtitle(charts.roofline(report))
    for draw in (charts.by_type, charts.timeline, charts.memory):
        assert said + "latency" in subtitle(draw(report))
    assert "left out" not in subtitle(charts.by_type(resnet()))
    rows = records(charts.compare([report], ["latency_s"]), "report")
    assert rows[0]["label"].startswith("≥ ")


def test_a_total_that_is_unknown_is_no_bar() -> None:
    lost = chain([("unknown", "custom.mystery")])
    assert lost.totals["latency_s"] is None
    chart = charts.compare({"known": unknown(), "lost": lost}, ["latency_s"])
    assert [row["report"] for row in records(chart, "report")] == ["known"]
    assert "latency: 1 of 2 reports is left out, unknown: lost" in subtitle(chart)
    spec(charts.compare({"lost": lost, "known": unknown()}))


@pytest.mark.parametrize("draw", OF_ONE, ids=NAMES)
def test_no_row_and_one_row(draw: Callable[[Report], Any]) -> None:
    assert spec(draw(nothing()))["title"]["text"]
    one = chain([SOFTMAX])
    assert one.prices.rows == 1
    assert spec(draw(one))["datasets"]


def hostile() -> Report:
    """Names that break out of markup and of lines, and times that are no finite number."""
    names = ("<img src=x onerror=alert(1)>", "a" * 10_000, "\u202eabc\n[0].x'\"", "last")
    report = chain([SOFTMAX] * 4, names)
    seconds = report.after.latency.point.copy()
    seconds[3] = np.inf
    after = replace(report.after, latency=replace(report.after.latency, point=seconds))
    return replace(report, after=after)


@pytest.mark.parametrize("draw", OF_ONE, ids=NAMES)
def test_odd_names_and_infinite_times_break_nothing(draw: Callable[[Report], Any]) -> None:
    found = spec(draw(hostile()))
    assert found["title"]["limit"] < 1000


def test_what_is_infinite_is_left_out() -> None:
    report = hostile()
    drawn = [
        row["task"] for row in records(charts.timeline(report), "lane") if row["lane"] == "now"
    ]
    assert drawn == [task.name for task in report.program.tasks[:3]]
    assert "1 of 4 tasks is left out" in subtitle(charts.timeline(report))
    assert "1 of 4 tasks is left out" in subtitle(charts.by_type(report))


@pytest.mark.parametrize("draw", OF_ONE, ids=NAMES)
def test_nothing_is_fetched_and_no_theme_is_set(draw: Callable[[Report], Any]) -> None:
    found = spec(draw(resnet()))
    assert not {"url", "background", "href", "usermeta"} & set(keys(found))
    assert found["config"] == alt.Chart(alt.InlineData(values=[])).mark_point().to_dict()["config"]


@cache
def large() -> Report:
    return many(10_000)


@pytest.mark.parametrize("draw", OF_ONE, ids=NAMES)
def test_ten_thousand_rows(draw: Callable[[Report], Any]) -> None:
    report = large()
    assert report.prices.rows == 10_000
    found = spec(draw(report))  # Altair's own limit is 5,000
    assert len(json.dumps(found)) < 2_000_000


def test_of_many_rows_sums_stay_exact() -> None:
    report = large()
    total = report.totals["latency_s"]
    points = records(charts.roofline(report), "latency_s")
    assert sum(point["latency_s"] for point in points) == pytest.approx(total, rel=1e-9)
    assert sum(p["flops"] for p in points) == report.totals["flops"]
    assert len(points) < roofs.MOST_POINTS
    now = [row for row in records(charts.timeline(report), "lane") if row["lane"] == "now"]
    assert len(now) <= spans.MOST_SPANS
    assert sum(row["latency_s"] for row in now) == pytest.approx(total, rel=1e-9)
    assert re.match(r"\d+ tasks, op\d+ to op\d+$", now[0]["task"])
    (peak,) = records(charts.memory(report), "label")
    assert peak["memory_bytes"] == report.totals["peak_memory_bytes"]


def test_wide_spans_are_never_joined() -> None:
    report = resnet()
    whole = spans.spans_of(report.prices, report.after)
    fewer = spans.seen(whole, most=1)
    wide = {s for s in whole.spans if s.end_s - s.start_s >= whole.seconds * spans.NARROW}
    assert wide <= set(fewer.spans)
    assert fewer.spans[0].start_s == 0 and fewer.spans[-1].end_s == whole.seconds
    assert {r for s in fewer.spans for r in s.rows} == {r for s in whole.spans for r in s.rows}
    assert spans.seen(whole) is whole


# ---------------------------------------------------------------------------- colours and units


def test_colours_are_the_widgets() -> None:
    source = (JS / "data" / "kinds.ts").read_text(encoding="utf-8")
    table = re.search(r"BY_KIND[^{]*\{(.*?)\}", source, re.DOTALL)
    assert table is not None
    assert dict(re.findall(r'(\w+): "(\w+)"', table.group(1))) == colours.BY_KIND
    by_label = [(p.pattern, swatch) for p, swatch in colours.BY_LABEL]
    assert re.findall(r'\[/(.*?)/, "(\w+)"\]', source) == by_label
    swatches = re.search(r"type Swatch =(.*?);", source, re.DOTALL)
    assert swatches is not None
    assert re.findall(r'"(\w+)"', swatches.group(1)) == list(colours.TITLES)[:10]


@pytest.mark.parametrize("dark", [False, True])
def test_shades_are_the_widgets(dark: bool) -> None:
    css = (JS / "theme.css").read_text(encoding="utf-8")
    light, _, rest = css.partition('.talaria[data-theme="dark"] {')
    block, shades = (rest.partition("}")[0], colours.DARK) if dark else (light, colours.LIGHT)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    same = set(colours.TITLES) - {"unknown", "cast"} | {"bar", "better", "worse"}
    assert {name: shades[name] for name in same} == {name: found[name] for name in same}
    assert shades["cast"] == found["worse"]


def test_a_dark_theme_of_altair_gets_the_dark_shades() -> None:
    def shades() -> list[str]:
        encoding = spec(charts.by_type(resnet()))["layer"][1]["encoding"]
        return list(encoding["color"]["scale"]["range"])

    assert colours.LIGHT["conv"] in shades()
    with alt.theme.enable("dark"):
        assert colours.DARK["conv"] in shades()
        assert alt.theme.active == "dark"
    assert colours.LIGHT["conv"] in shades()


def test_an_axis_has_one_unit_that_fits() -> None:
    encoding = spec(charts.by_type(resnet()))["layer"][1]["encoding"]
    assert encoding["x"]["axis"]["title"] == "latency (µs)"
    assert encoding["x"]["axis"]["labelExpr"] == "format(datum.value / 1e-06, '.6~g')"
    y = spec(charts.roofline(resnet()))["layer"][-1]["encoding"]["y"]
    assert y["axis"]["title"] == "speed (TFLOP/s)"
    assert y["scale"]["type"] == "log"
    assert all(np.log10(tick) == round(np.log10(tick)) for tick in y["axis"]["values"])
    assert unit_of([25_600_000], "") == Unit(1e6, "M")
    assert unit_of([0.0], "s") == unit_of([float("nan")], "s") == Unit(1.0, "s")


def test_tooltips_say_figures_and_where_they_come_from() -> None:
    for chart, layer in ((charts.roofline(resnet()), -1), (charts.timeline(resnet()), 1)):
        fields = {t["field"] for t in spec(chart)["layer"][layer]["encoding"]["tooltip"]}
        assert {"task", "type", "module", "option", "latency_s", "provenance"} <= fields


# ------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: charts.roofline(None), TypeError, r"roofline\(\) got a NoneType: pass a Report"),
        (lambda: charts.by_type([1]), TypeError, r"by_type\(\) got a list"),
        (lambda: charts.timeline("net"), TypeError, r"timeline\(\) got a str"),
        (lambda: charts.memory(torch.nn.ReLU()), TypeError, r"memory\(\) got a ReLU"),
        (lambda: charts.by_type(nothing(), "latency"), ValueError, "did you mean 'latency_s'"),
        (lambda: charts.by_type(nothing(), "taste"), ValueError, "known are 'latency_s', 'ene"),
        (lambda: charts.by_type(nothing(), 3), TypeError, "metric=3"),
        (lambda: charts.by_type(nothing(), by="colour"), ValueError, "'type', 'module'"),
        (lambda: charts.compare([]), ValueError, "no reports"),
        (lambda: charts.compare({}), ValueError, "no reports"),
        (lambda: charts.compare(nothing()), TypeError, "got a Report: pass a list"),
        (lambda: charts.compare("ab"), TypeError, "got a str"),
        (lambda: charts.compare({"a": 1}), TypeError, "'a' is a int, not a Report"),
        (lambda: charts.compare({1: nothing()}), TypeError, "the name 1 is no text"),
        (lambda: charts.compare([nothing()], "latency_s"), TypeError, "pass a list of names"),
        (lambda: charts.compare([nothing()], []), ValueError, "one or more of size_bytes"),
        (lambda: charts.compare([nothing()], ["mac"]), ValueError, "did you mean 'macs'"),
    ],
)
def test_what_cannot_be_drawn(
    call: Callable[[], object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as raised:
        call()
    assert str(raised.value).endswith(".") and "\n" not in str(raised.value)


def test_charts_need_no_pandas() -> None:
    code = """
import sys
import talaria_widget as talaria
assert "altair" not in sys.modules and "pandas" not in sys.modules
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Block())
from talaria_widget import pipeline
from talaria_widget.graph import Graph, Op, Tensor
tensors = {"x": Tensor("x", (4,), role="input"), "y": Tensor("y", (4,))}
ops = (Op("a", "softmax", "softmax", inputs=("x",), outputs=("y",)),)
graph = Graph("g", "onnx", ops, tensors, ("x",), ("y",))
empty = talaria.Recipe()
compiled = pipeline.compile_for(graph, talaria.device("cpu-avx2"), empty)
report = pipeline.report(compiled, empty)
for draw in (talaria.charts.roofline, talaria.charts.memory):
    draw(report).to_dict()
assert "altair" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_parts_are_named_apart_from_the_functions() -> None:
    assert charts.__all__ == ["by_type", "compare", "memory", "roofline", "timeline"]
    assert order.timeline is charts.timeline and alive.memory is charts.memory
