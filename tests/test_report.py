"""The report: totals, columns, checks, and its forms as text, HTML and frame."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import talaria_widget as talaria
from nets import small_net
from talaria_widget.report import Report

IMAGE = torch.zeros(1, 3, 32, 32)


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
