"""A model under measurement: baseline, kernels, prices, recipes, and what goes wrong."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper

from fatal_commands import dies_of
from runtime_nets import perceptron, residual_net
from talaria_widget import hardware
from talaria_widget.compilers.cache import Cache
from talaria_widget.compilers.observed import Timing
from talaria_widget.compilers.onnxruntime import bench as benches
from talaria_widget.compilers.onnxruntime import standin
from talaria_widget.compilers.onnxruntime.bench import Bench
from talaria_widget.compilers.onnxruntime.casts import USUAL, passes
from talaria_widget.compilers.onnxruntime.child import Stopped
from talaria_widget.compilers.onnxruntime.forms import Edge
from talaria_widget.compilers.onnxruntime.kernels import SWEEPS, Kernel, Table, revision
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.hardware import Device
from talaria_widget.pipeline import capture
from talaria_widget.prices import Prices, evaluate
from talaria_widget.program import Program
from talaria_widget.recipe import Activations, Quantize
from talaria_widget.rewrite.onnx_source import source_of_file

DEVICE = hardware.device("onnxruntime-cpu")
WEIGHTS_8 = Quantize(8)
STATIC_8 = Quantize(8, activations=Activations(8))


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to see that it works; nothing here looks at how fast anything is."""
    for name in ("BASELINE_S", "SWEEP_S", "WHOLE_S"):
        monkeypatch.setattr(benches, name, 0.02)
    monkeypatch.setattr(benches, "ROUNDS", 2)


class Counted:
    """A bench whose questions to the measuring process are listed."""

    def __init__(self, net: ModelProto, folder: Path, device: Device = DEVICE) -> None:
        graph = capture(net)
        self.bench = Bench(graph, source_of_file(net, graph), device, Cache(folder))
        self.asked: list[str] = []
        ask = self.bench._process._child.ask

        def listed(command: str, payload: Any = None, **more: Any) -> Any:
            self.asked.append(command)
            return ask(command, payload, **more)

        self.bench._process._child.ask = listed  # type: ignore[method-assign]

    def sweeps(self, program: Program, count: int = SWEEPS) -> None:
        for _ in range(count):
            for _ in self.bench.sweep(program, ()):
                pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prices")


@pytest.fixture
def opened(folder: Path) -> Iterator[Counted]:
    counted = Counted(residual_net(), folder)
    yield counted
    counted.bench.close()


def none_chosen(program: Program) -> Any:
    return np.zeros(len(program.weights), np.int32)


def column(prices: Prices, option: Any) -> int:
    return prices.options.index(option)


def test_the_rows_of_the_baseline_add_up_to_what_was_measured(opened: Counted) -> None:
    program = opened.bench.compile()
    assert opened.bench.observed is not None
    whole_s = opened.bench.observed.timing.seconds
    prices = opened.bench.price(program, ())
    found = evaluate(prices, none_chosen(program))
    assert found.totals["latency_s"] == pytest.approx(whole_s, rel=1e-6)
    assert (prices.provenance[:, 0] == 1).all()
    assert found.unknown_rows == 0


def test_a_second_bench_of_the_same_model_measures_nothing(opened: Counted, folder: Path) -> None:
    program = opened.bench.compile()
    opened.sweeps(program)
    first = opened.bench.price(program, ())
    again = Counted(residual_net(), folder)
    assert list(again.bench.sweep(again.bench.compile(), ())) == []
    second = again.bench.price(again.bench.compile(), ())
    assert again.asked == []
    np.testing.assert_array_equal(first.latency.point, second.latency.point)
    np.testing.assert_array_equal(first.cast_latency.point, second.cast_latency.point)


def test_prices_ask_nothing_and_are_known_wherever_a_row_runs(opened: Counted) -> None:
    program = opened.bench.compile()
    opened.sweeps(program)
    before = list(opened.asked)
    one, two = (opened.bench.price(program, ()) for _ in range(2))
    assert opened.asked == before
    np.testing.assert_array_equal(one.latency.point, two.latency.point)
    runs = one.refusal == 0
    for part in (one.latency.point, one.latency.low, one.latency.high, one.energy.point):
        assert not np.isnan(part[runs]).any()
    assert (one.latency.low <= one.latency.point).all()
    assert (one.latency.point <= one.latency.high).all()


def test_measured_kernels_take_the_place_of_formulas(opened: Counted) -> None:
    program = opened.bench.compile()
    opened.sweeps(program)
    prices = opened.bench.price(program, ())
    row = next(r for r, task in enumerate(program.tasks) if task.name == "body")
    s, static = prices.row_signature[row], column(prices, STATIC_8)
    assert prices.provenance[s, static] == 1
    assert prices.precisions[prices.gives[s, static]] == "int8"
    kernel = opened.bench._table.known[program.tasks[row].signature, STATIC_8]
    assert len(kernel.ratios) >= SWEEPS
    expected = np.float32(float(prices.latency.point[s, 0]) * kernel.time.ratio)
    assert prices.latency.point[s, static] == pytest.approx(expected, rel=1e-5)


def test_a_product_in_integers_gives_floats(folder: Path) -> None:
    opened = Counted(perceptron(), folder)
    program = opened.bench.compile()
    opened.sweeps(program, 1)
    prices = opened.bench.price(program, ())
    opened.bench.close()
    row = next(r for r, task in enumerate(program.tasks) if task.name == "down")
    static = column(prices, STATIC_8)
    assert prices.precisions[prices.column_precision[static]] == "int8"
    assert prices.gives[prices.row_signature[row], static] == 0


def test_a_recipe_is_built_once(opened: Counted, folder: Path) -> None:
    opened.bench.compile()
    options = {"body.weight": WEIGHTS_8}
    found = opened.bench.whole(options)
    assert found.latency_s_low <= found.latency_s <= found.latency_s_high
    assert found.latency_s > 0
    again = Counted(residual_net(), folder)
    again.bench.compile()
    assert again.bench.whole(options) == found
    assert again.asked == []


def test_a_file_that_lists_its_weights_as_inputs_has_the_same_rows(folder: Path) -> None:
    new, old = residual_net(), residual_net()
    old.ir_version = 3
    for tensor in old.graph.initializer:
        value = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        old.graph.input.append(value)
    rows = []
    for net in (new, old):
        opened = Counted(net, folder)
        program = opened.bench.compile()
        opened.sweeps(program, 1)
        opened.bench.close()
        known = opened.bench._table.known
        integers = {key for key, kernel in known.items() if kernel.integers}
        rows.append(([(task.name, task.signature) for task in program.tasks], integers))
    assert rows[0] == rows[1]


def test_another_way_of_timing_measures_the_baseline_again(
    opened: Counted, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.bench.compile()
    monkeypatch.setattr(benches, "revision", lambda: "another")
    again = Counted(residual_net(), folder)
    again.bench.compile()
    again.bench.close()
    assert "baseline" in again.asked


def test_a_recipe_follows_a_baseline_that_is_known_better(opened: Counted, folder: Path) -> None:
    opened.bench.compile()
    options = {"stem.weight": WEIGHTS_8}
    first = opened.bench.whole(options)
    again = Counted(residual_net(), folder)
    again.bench.compile()
    before = again.bench.observed
    assert before is not None
    timing = replace(before.timing, seconds=2 * first.base_s)
    again.bench._baseline = replace(before, timing=timing)
    second = again.bench.whole(options)
    again.bench.close()
    assert "whole" not in again.asked
    assert second.latency_s == pytest.approx(2 * first.latency_s)
    assert second.latency_s_high == pytest.approx(2 * first.latency_s_high)
    assert second.base_s == 2 * first.base_s


def test_a_recipe_that_fell_into_a_slow_spell_is_timed_once_more(tmp_path: Path) -> None:
    opened = Counted(residual_net(), tmp_path)
    opened.bench.compile()
    found = opened.bench.observed
    assert found is not None
    own_s = found.timing.seconds
    paces = iter([1.2, 1.0])

    def whole(command: str, payload: Any) -> Any:
        base = Timing(next(paces) * own_s, 0.01, 9)
        return base, Timing(base.seconds * (0.7 if base.seconds > own_s else 0.5), 0.01, 9), 0.01

    opened.bench._process.ask = whole  # type: ignore[method-assign]
    timed = opened.bench.whole({"stem.weight": WEIGHTS_8})
    assert next(paces, None) is None
    assert timed.latency_s / timed.base_s == pytest.approx(0.5)


def test_the_baseline_settles_at_the_fastest_pace_that_was_seen_twice(tmp_path: Path) -> None:
    opened = Counted(residual_net(), tmp_path)
    opened.bench.compile()
    found = opened.bench.observed
    assert found is not None
    slow_s = found.timing.seconds
    for pace in (0.8, 1.2, 0.8, 1.1):
        settled = opened.bench._settle(pace * slow_s)
    assert settled.timing.seconds == pytest.approx(0.8 * slow_s)
    assert opened.bench.price(opened.bench.compile(), ()).latency.point[:, 0].max() < 0.8 * slow_s
    again = Counted(residual_net(), tmp_path)
    again.bench.compile()
    assert again.bench.observed == opened.bench.observed
    assert not again.asked


@pytest.mark.parametrize(
    "changed",
    [
        "rewrite/draft.py",
        "rewrite/lower/emit.py",
        "storage/onnxruntime.py",
        "compilers/observed.py",
        "compilers/onnxruntime/timing.py",
    ],
)
def test_figures_end_with_the_code_that_they_came_of(changed: str, tmp_path: Path) -> None:
    package = Path(standin.__file__).parents[2]
    same, other = tmp_path / "same", tmp_path / "other"
    for copy in (same, other):
        for folder in ("rewrite", "storage", "compilers"):
            python = shutil.ignore_patterns("__pycache__")
            shutil.copytree(package / folder, copy / folder, ignore=python)
    with (other / changed).open("a", encoding="utf-8") as file:
        file.write("# other\n")
    assert revision(same) == revision()
    assert revision(other) != revision()


def test_times_of_two_forms_of_a_kernel_are_not_mixed(tmp_path: Path) -> None:
    table, key = Table(Cache(tmp_path)), ("add|1x8", STATIC_8)
    for kernel in (Kernel((1.0,)), Kernel((1.1,)), Kernel((0.4,), integers=True)):
        table.add({key: kernel})
    assert table.known[key] == Kernel((0.4,), integers=True)
    table.add({key: Kernel((0.5,), integers=True)})
    assert table.known[key].ratios == (0.4, 0.5)


def test_a_kernel_that_kills_the_runtime_is_marked_and_the_rest_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_of("body.weight", monkeypatch)
    menu = tuple(line for line in DEVICE.menu if line.option in (None, WEIGHTS_8))
    opened = Counted(residual_net(), tmp_path, replace(DEVICE, menu=menu))
    program = opened.bench.compile()
    opened.sweeps(program, 1)
    prices = opened.bench.price(program, ())
    opened.bench.close()
    at = column(prices, WEIGHTS_8)
    names = [weight.name for weight in program.weights]
    reason = prices.reasons[prices.weight_refusal[names.index("body.weight"), at]]
    assert reason.startswith("the measuring process ended with SIGABRT")
    assert prices.weight_refusal[names.index("stem.weight"), at] == 0
    row = next(r for r, task in enumerate(program.tasks) if task.name == "stem")
    assert prices.provenance[prices.row_signature[row], at] == 1


def test_a_stop_in_the_middle_leaves_nothing_half_measured(tmp_path: Path) -> None:
    opened = Counted(residual_net(), tmp_path)
    program = opened.bench.compile()
    ask = opened.bench._process._child.ask
    stopped = threading.Event()

    def interrupted(command: str, payload: Any = None, **more: Any) -> Any:
        if command == "sweep" and not stopped.is_set():
            stopped.set()
            threading.Timer(0.01, opened.bench.stop).start()
            return ask("sweep", replace(payload, seconds=60.0), **more)
        return ask(command, payload, **more)

    opened.bench._process._child.ask = interrupted  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        list(opened.bench.sweep(program, ()))
    table = Table(Cache(tmp_path))
    table.fetch((task.signature, WEIGHTS_8) for task in program.tasks)
    assert table.known == {}
    opened.sweeps(program, 1)
    table = Table(Cache(tmp_path))
    table.fetch((task.signature, WEIGHTS_8) for task in program.tasks)
    assert {len(kernel.ratios) for kernel in table.known.values()} == {1}
    opened.bench.close()


def test_a_model_that_the_runtime_refuses_is_said_in_a_sentence(tmp_path: Path) -> None:
    net = residual_net()
    net.graph.node[4].input[1] = "x"
    opened = Counted(net, tmp_path)
    said = r"^ONNX Runtime cannot run this model: (?!\[).*\badd\b"
    with pytest.raises(UnsupportedModelError, match=said):
        opened.bench.compile()
    opened.bench.close()


def test_more_than_half_the_free_memory_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    net = residual_net()
    monkeypatch.setattr(standin, "free_bytes", lambda: 1000)
    with pytest.raises(UnsupportedModelError, match="1,000 are free"):
        standin.check_memory(net)
    monkeypatch.setattr(standin, "free_bytes", lambda: None)
    standin.check_memory(net)


def test_a_stand_in_has_every_number_and_no_norm() -> None:
    net = residual_net()
    for tensor in net.graph.initializer:
        if tensor.name.endswith(".weight"):
            tensor.ClearField("raw_data")
    found = standin.stand_in(net)
    assert [node.op_type for node in found.graph.node].count("BatchNormalization") == 0
    assert all(tensor.raw_data for tensor in found.graph.initializer)
    assert not net.graph.initializer[0].raw_data


def test_a_tensor_without_elements_stays_without() -> None:
    net = residual_net()
    net.graph.initializer.add(name="none", data_type=1, dims=[0, 3, 3])
    found = {tensor.name: tensor for tensor in standin.stand_in(net).graph.initializer}
    assert "none" not in found or found["none"].raw_data == b""


def test_the_mean_of_a_kernels_ratios_is_geometric() -> None:
    time = Kernel((0.5, 2.0)).time
    assert time.ratio == pytest.approx((0.5 * 2.0) ** 0.5)
    assert time.spread == pytest.approx(np.log(2.0))
    assert time.sweeps == 2


def test_conversions_lie_on_a_line_through_those_seen() -> None:
    edges = [Edge("QuantizeLinear", n, 2e-6 + 3e-10 * n) for n in (1000, 50_000, 200_000)]
    found = passes([*edges, Edge("Cast", 10, 1.0)])
    assert found.seconds("quantize", 100_000) == pytest.approx(2e-6 + 3e-10 * 100_000)
    assert found.cost["dequantize"] == USUAL["dequantize"]
    assert found.seen == {"quantize"}
