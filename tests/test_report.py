"""The report: totals, columns, checks, and its forms as text, HTML and frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import talaria_widget as talaria
from nets import small_net
from talaria_widget.compilers.observed import Baseline, Timing, Whole
from talaria_widget.prices import PROVENANCE
from talaria_widget.report import Report
from talaria_widget.report.totals import run_of_baseline

IMAGE = torch.zeros(1, 3, 32, 32)
INT8 = talaria.Quantize(8, activations=talaria.Activations(8))


def analyzed(recipe: object = None, on: str = "cpu-avx2") -> Report:
    return talaria.analyze(small_net(), IMAGE, device=on, recipe=recipe)


def test_work_by_hand() -> None:
    report = analyzed()
    stem = 16 * 16 * 16 * 3 * 3 * 3  # outputs 16 x 16 x 16, 3 inputs, 3 x 3 kernel
    block = 16 * 16 * 16 * 16 * 3 * 3
    head = 16 * 10
    assert report.totals["macs"] == stem + 2 * block + head
    assert report.totals["parameters"] == (432 + 16) + 2 * (2304 + 2 * 16) + (160 + 10)
    assert report.totals["size_bytes"] == 4 * ((432 + 16) + 2 * (2304 + 16) + (160 + 10))


def test_an_empty_recipe_changes_nothing() -> None:
    report = analyzed(talaria.Recipe({}))
    assert report.totals == report.baseline
    assert report.estimated == report.totals


def test_totals_are_the_sums_of_the_columns() -> None:
    report = analyzed({"*": talaria.Quantize(8, activations=talaria.Activations(8))})
    rows = report.column("latency_s").values.sum() + report.column("casts_latency_s").values.sum()
    assert report.totals["latency_s"] == pytest.approx(rows, rel=1e-9)
    joules = report.column("energy_j").values.sum() + report.column("casts_energy_j").values.sum()
    assert report.totals["energy_j"] == pytest.approx(joules, rel=1e-9)
    assert "casts between precisions add" in repr(report)
    assert report.totals["size_bytes"] == report.column("weight_bytes").values.sum()
    assert report.totals["size_bytes"] < report.baseline["size_bytes"] / 3


def test_a_column_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        analyzed().column("lattency_s")


def test_check_names_the_figures() -> None:
    report = analyzed()
    latency = report.totals["latency_s"]
    report.check({"latency_s": latency * 1.01})
    with pytest.raises(AssertionError, match=r"latency_s is .* target .*inside the band"):
        report.check({"latency_s": latency * 0.95})
    with pytest.raises(AssertionError, match=r"size_bytes is 21\.03.kB, target 1.000.kB"):
        report.check({"size_bytes": 1000})


@pytest.mark.parametrize(
    ("targets", "error", "says"),
    [
        ({"latency": 1}, ValueError, "no total 'latency'"),
        ({"latency_s": "8 ms"}, TypeError, "a number in SI units"),
        ({"latency_s": -1}, ValueError, "positive"),
        ([1], TypeError, "pass a mapping"),
    ],
)
def test_targets_that_cannot_be(targets: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        analyzed().check(targets)  # type: ignore[arg-type]


def test_the_frame_has_a_row_per_task() -> None:
    frame = analyzed().to_frame()
    assert frame["name"].tolist()[0] == "stem"
    assert len(frame) == 7
    assert frame["macs"].sum() == analyzed().totals["macs"]
    assert "latency_s" in frame


def test_text_and_html_say_the_same_and_escape_names() -> None:
    class Evil(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module("<img src=x onerror=alert(1)>", nn.Linear(4, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return next(self.children())(x)

    report = talaria.analyze(Evil(), torch.zeros(1, 4), device="cpu-avx2")
    assert "<img" in repr(report)
    assert "<img" not in report._repr_html_()
    assert "&lt;img" in report._repr_html_()


def test_a_model_without_operations_is_counted_whole() -> None:
    report = talaria.analyze(nn.Identity(), torch.zeros(1, 4), device="cpu-avx2")
    assert report.coverage == 1.0
    assert report.totals["macs"] == 0
    assert report.totals["latency_s"] == 0
    assert report.totals["peak_memory_bytes"] is not None
    assert "0 of 0 operations" in repr(report)


def with_a_gate() -> onnx.ModelProto:
    """A product, an op of one's own, and the same product again."""
    weight = onnx.numpy_helper.from_array(np.ones((512, 512), np.float32), "w")
    x, y = (onnx.helper.make_tensor_value_info(n, 1, (64, 512)) for n in "xy")
    gated = onnx.helper.make_tensor_value_info("b", 1, (64, 512))
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "w"], ["a"]),
        onnx.helper.make_node("Gate", ["a"], ["b"], domain="com.mine"),
        onnx.helper.make_node("MatMul", ["b", "w"], ["y"]),
    ]
    graph = onnx.helper.make_graph(nodes, "gated", [x], [y], [weight], value_info=[gated])
    opsets = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("com.mine", 1)]
    return onnx.helper.make_model(graph, opset_imports=opsets)


def test_what_is_not_counted_is_said_by_operations_and_by_time() -> None:
    report = talaria.analyze(with_a_gate(), device="cpu-avx2")
    assert report.coverage == 1 - 1 / 3
    assert report.uncounted == {"com.mine.Gate": 1}
    device = talaria.device("cpu-avx2")
    moved = 2 * 4 * 64 * 512 / device.on_chip_bytes_per_s + device.dispatch_s
    counted = report.totals["latency_s"]
    assert report.time_coverage == pytest.approx(counted / (counted + moved), rel=1e-6)
    assert "2 of 3 operations counted (" in repr(report)
    assert report.totals["macs"] == 2 * 64 * 512 * 512


def test_a_counter_of_ones_own_completes_the_report() -> None:
    talaria.register("com.mine.Gate", lambda inputs, outputs, attrs: 3 * inputs[0].size)
    try:
        report = talaria.analyze(with_a_gate(), device="cpu-avx2")
    finally:
        talaria.register("com.mine.Gate", None)
    assert report.coverage == report.time_coverage == 1.0
    assert report.totals["macs"] == 2 * 64 * 512 * 512 + 3 * 64 * 512
    assert report.column("latency_s").values[1] > 0


def test_what_was_assumed_is_said() -> None:
    report = talaria.analyze(small_net(), device="cpu-avx2")
    assert any("224" in note for note in report.notes)
    assert report.meta["assumed"]
    assert report.meta["inputs"]["x"][0] == (1, 3, 224, 224) or len(report.meta["inputs"]) == 1


def test_columns_are_arrays_of_one_length() -> None:
    report = analyzed()
    assert {len(column.values) for column in report.columns} == {7}
    for column in report.columns:
        if column.unit:
            assert column.values.dtype == np.float64, column.name


def test_one_long_text_makes_no_column_wide() -> None:
    class Fan(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x * i for i in range(400)])

    report = talaria.analyze(Fan(), torch.ones(1, 2))
    shapes = report.column("input_shape").values
    assert len(shapes[-1]) >= 400 * len("1×2")
    # A reference for each row, and not room for the longest text.
    assert shapes.itemsize == np.dtype(object).itemsize


def test_what_does_not_run_is_named_with_its_bytes() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.easy, self.hard = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.easy(x) if x.sum() > 0 else self.hard(x)

    report = talaria.analyze(Gated().eval(), torch.ones(1, 8), device="cpu-avx2")
    assert report.totals["parameters"] == 8 * 8 + 8
    (said,) = [note for note in report.notes if "do not run" in note]
    assert "hard.weight, hard.bias" in said
    assert f"{4 * (8 * 8 + 8)}\u202fB" in said


def test_the_text_names_what_is_not_counted_and_how_to() -> None:
    text = repr(talaria.analyze(with_a_gate(), device="cpu-avx2"))
    assert "not counted: com.mine.Gate ×1" in text
    assert "talaria.register" in text
    assert "≥" in text.splitlines()[0]


def timed(report: Report, seconds: float, joules: float | None = None) -> Report:
    """A report of a recipe that was built: half the time of a baseline of 2 ms."""
    baseline = Baseline(Timing(0.002, 0.01, 20), (), None, "ONNX Runtime 9.9")
    whole = Whole(seconds, seconds * 0.98, seconds * 1.02, joules, 24, seconds)
    return replace(report, whole=whole, observed=baseline)


def test_totals_are_of_the_measured_whole_and_the_difference_is_a_line_of_its_own() -> None:
    modelled = analyzed({"*": INT8})
    report = timed(modelled, 0.001)
    assert report.totals["latency_s"] == 0.001
    assert report.baseline["latency_s"] == 0.002
    assert report.totals["latency_s_change"] == 0.001 / 0.002
    assert report.totals["latency_s_change_high"] == pytest.approx(0.00102 / 0.002)
    assert report.estimated == modelled.totals
    assert report.difference_s == 0.001 - modelled.totals["latency_s"]
    assert report.column("latency_s").values.sum() == modelled.column("latency_s").values.sum()
    assert report.totals["size_bytes"] == modelled.totals["size_bytes"]
    assert (report.measured, report.provenance) == (True, "measured")
    assert report.meta["latency_source"] == "mean of the fastest of 24 rounds"
    assert report.meta["runtime_version"] == "ONNX Runtime 9.9"
    for text in (repr(report), report._repr_html_()):
        assert "that no row bears" in text
        assert "ONNX Runtime 9.9" in text
        assert "measured ±2 %" in text
    assert "no row bears" not in repr(modelled)


def test_a_whole_that_is_its_rows_shows_no_difference() -> None:
    modelled = analyzed({"*": INT8})
    seconds = modelled.totals["latency_s"]
    assert seconds is not None
    report = timed(modelled, seconds * (1 + 1e-8))
    assert report.difference_s == 0
    assert "no row bears" not in repr(report)
    assert "mean of the fastest of 24 rounds." in repr(report)


def test_what_noise_may_explain_is_no_difference() -> None:
    def line(seconds: float) -> str:
        lines = repr(timed(analyzed({"*": INT8}), seconds)).splitlines()
        return next(found for found in lines if found.startswith("latency_s"))

    assert "no difference: −3.0" in line(0.002 * 0.97)
    assert "no difference" not in line(0.002 * 0.9)
    assert "−10.0" in line(0.002 * 0.9)
    assert "no difference" not in repr(analyzed({"fc": INT8}))


def test_check_holds_the_measured_whole_against_the_target() -> None:
    report = timed(analyzed({"*": INT8}), 0.001)
    report.check({"latency_s": 0.00101})
    with pytest.raises(AssertionError, match=r"latency_s is 1\.000.ms"):
        report.check({"latency_s": 0.0009})


def test_measured_energy_is_shown_and_other_energy_follows_the_measured_time() -> None:
    report = timed(analyzed({"*": INT8}), 0.001, joules=0.004)
    assert report.totals["energy_j"] == 0.004
    assert report.energy_source == "RAPL"
    watts = talaria.device("cpu-avx2").power_w
    assert watts is not None
    report = timed(analyzed({"*": INT8}), 0.001)
    assert report.totals["energy_j"] == watts * 0.001
    assert report.baseline["energy_j"] == watts * 0.002
    assert report.totals["energy_j_high"] == watts * 0.001 * 2
    assert report.energy_source == "mean power x latency"
    known = timed(analyzed({"*": INT8}), 0.001)
    assert known.observed is not None
    known = replace(known, observed=replace(known.observed, energy_j=0.008))
    assert known.baseline["energy_j"] == 0.008
    assert known.totals["energy_j"] == 0.008 / 0.002 * 0.001  # the power that was measured
    assert known.energy_source == "mean power x latency"
    report = timed(analyzed(on="apple-a17-pro-ane"), 0.001)  # no power: joules per operation
    assert report.totals["energy_j"] == report.estimated["energy_j"]
    assert report.energy_source == "bottom-up, within a factor of 2"


def test_an_empty_recipe_of_a_measured_model_is_its_baseline() -> None:
    report = timed(analyzed(), 0.0015)  # what was built is no recipe: the baseline counts
    assert report.totals == report.baseline
    assert report.totals["latency_s"] == 0.002
    assert report.totals["latency_s_low"] == pytest.approx(0.002 * (1 - 0.01))
    changes = [report.totals[f"latency_s_change{end}"] for end in ("", "_low", "_high")]
    assert changes == [1, 1, 1]
    assert report.difference_s == 0.002 - report.estimated["latency_s"]


def with_codes(report: Report, measured: slice) -> Report:
    """The same with the prices of some signatures measured."""
    codes = np.zeros_like(report.prices.provenance)
    codes[measured] = PROVENANCE.index("measured")
    casts = np.full_like(report.prices.cast_provenance, PROVENANCE.index("measured"))
    prices = replace(report.prices, provenance=codes, cast_provenance=casts)
    return replace(report, prices=prices)


def test_a_sum_is_as_good_as_its_worst_part() -> None:
    report = analyzed()
    assert report.provenance == "modelled"
    everything = with_codes(report, slice(None))
    assert everything.provenance == "measured"
    assert "the sum of tasks, each timed" in everything.latency_source
    assert "sum of measured rows" in repr(everything)
    some = with_codes(report, slice(1))
    assert some.provenance == "partly measured"
    timed_rows = some.column("provenance").values.tolist().count("measured")
    assert some.latency_source == f"the sum of tasks, {timed_rows} of 7 timed"
    assert some.column("latency_s").provenance == "partly measured"
    assert repr(some).count("~") == 7 - timed_rows
    (note,) = [note for note in some.notes if "modelled, not measured" in note]
    assert f"the time of {7 - timed_rows} tasks" in note
    assert "linear ×1" in note
    assert not [note for note in everything.notes if "modelled" in note]
    assert some.column("energy_j").provenance == "modelled"


def test_columns_say_where_rows_and_casts_come_from() -> None:
    report = analyzed({"stem": INT8})
    codes = report.prices.provenance.copy()
    codes[:, 0] = PROVENANCE.index("measured")
    prices = replace(report.prices, provenance=codes)
    report = replace(report, prices=prices)
    now, before = (report.column(n).values.tolist() for n in ("provenance", "provenance_before"))
    assert set(before) == {"measured"}
    assert now[0] == "modelled"
    assert "measured" in now
    assert report.column("latency_s_before").provenance == "measured"
    assert report.column("latency_s").provenance == "partly measured"
    under = report.column("casts_provenance").values
    added = report.column("casts_latency_s").values
    assert [bool(name) for name in under] == [seconds > 0 for seconds in added]
    assert set(under) == {"modelled", ""}
    low, high = (report.column(f"energy_j_{end}").values for end in ("low", "high"))
    assert (low <= report.column("energy_j").values).all()
    assert (report.column("energy_j").values <= high).all()


def test_remarks_come_first_among_the_notes() -> None:
    report = replace(analyzed(), remarks=("not measured: the runtime refuses it.",))
    assert report.notes[0] == "not measured: the runtime refuses it."
    assert "the runtime refuses it" in repr(report)
    assert "the runtime refuses it" in report._repr_html_()


def test_a_change_of_a_modelled_whole_has_a_narrower_band_than_its_totals() -> None:
    report = analyzed({"fc": INT8})
    change, high = report.totals["latency_s_change"], report.totals["latency_s_change_high"]
    total, total_high = report.totals["latency_s"], report.totals["latency_s_high"]
    assert 1 < high / change < total_high / total


def test_no_band_of_a_noisy_timing_reaches_below_nothing() -> None:
    noisy = Baseline(Timing(0.004, 1.5, 4), (), None, "ONNX Runtime")
    run = run_of_baseline(noisy)
    assert run.low == 0
    assert run.high == pytest.approx(0.004 * 2.5)
