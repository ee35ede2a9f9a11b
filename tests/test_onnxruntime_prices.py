"""From what ran to prices: forms of rows, what a build changes beside them, the runtime's rules."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from onnx import helper

from runtime_nets import model, node, numbers
from talaria_widget import hardware
from talaria_widget.compilers import pricing
from talaria_widget.compilers.observed import Node
from talaria_widget.compilers.onnxruntime.casts import USUAL, passes
from talaria_widget.compilers.onnxruntime.forms import Edge, forms
from talaria_widget.compilers.onnxruntime.kernels import Kernel
from talaria_widget.compilers.onnxruntime.learning import compare, kernels_of
from talaria_widget.compilers.onnxruntime.payloads import Seen
from talaria_widget.compilers.onnxruntime.prices import measured_prices
from talaria_widget.compilers.onnxruntime.rows import Measured, measured_program
from talaria_widget.compilers.onnxruntime.rules import ADD, LIMIT
from talaria_widget.pipeline import capture
from talaria_widget.prices import Prices, evaluate
from talaria_widget.recipe import Activations, Quantize
from talaria_widget.rewrite.onnx_source import source_of_file

DEVICE = hardware.device("onnxruntime-cpu")
STATIC_8 = Quantize(8, activations=Activations(8))
WEIGHTS_8 = Quantize(8)
NONE = passes([])


def net() -> Any:
    """Convolutions: from the first to a residual, two on the way, and one that reads the sum."""
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "a.weight"], ["c0"], "a", pads=[1] * 4),
        make("Conv", ["c0", "d.weight"], ["c3"], "d", pads=[1] * 4),
        make("Conv", ["c3", "b.weight"], ["c1"], "b", pads=[1] * 4),
        make("Add", ["c1", "c0"], ["s"], "add"),
        make("Relu", ["s"], ["r"], "relu"),
        make("Conv", ["r", "c.weight"], ["y"], "c", pads=[1] * 4),
    ]
    channels = {"a": (8, 8), "d": (16, 8), "b": (8, 16), "c": (24, 8)}
    weights = {f"{name}.weight": numbers(*two, 3, 3) for name, two in channels.items()}
    return model(nodes, weights, {"x": [1, 8, 10, 10]}, "y")


RUN = [
    node("c0_nchwc", "Conv", "x", "t0", seconds=1.0),
    node("c3_nchwc", "Conv", "t0", "t3", seconds=0.5),
    node("c1_nchwc", "Conv", "t3 w t0", "t1", seconds=2.0),
    node("y_nchwc", "Conv", "t1 w", "t2", seconds=3.0),
    node("ReorderOutput", "ReorderOutput", "t2", "y", seconds=0.5, elements=800),
]


def measured() -> Measured:
    file = net()
    graph = capture(file)
    return measured_program(graph, DEVICE, source_of_file(file, graph), RUN)


def price(kernels: Any = MappingProxyType({}), whole_s: float = 14.0) -> tuple[Measured, Prices]:
    found = measured()
    return found, measured_prices(found, whole_s, 0.0, None, kernels, NONE, ())


def choice(found: Measured, prices: Prices, option: Any, *names: str) -> Any:
    weights = [weight.name for weight in found.program.weights]
    chosen = np.zeros(len(weights), np.int32)
    for name in names:
        chosen[weights.index(f"{name}.weight")] = prices.options.index(option)
    return chosen


def test_rows_take_their_share_of_the_whole() -> None:
    found, prices = price()
    names = [task.name for task in found.program.tasks]
    assert names == ["a", "d", "b", "c", "c/reorder"]
    assert found.blocked == (True, True, True, True, False)
    seconds = prices.latency.point[prices.row_signature, 0]
    assert seconds == pytest.approx([14.0 * part / 7.0 for part in (1.0, 0.5, 2.0, 3.0, 0.5)])


def test_without_a_kernel_the_formulas_ratio_holds_and_is_said() -> None:
    found, prices = price()
    column = prices.options.index(WEIGHTS_8)
    s = prices.row_signature[2]
    modelled = pricing.price(found.program, ())
    ratio = modelled.latency.point[s, column] / modelled.latency.point[s, 0]
    expected = 14.0 * 2.0 / 7.0 * ratio
    assert prices.latency.point[s, column] == pytest.approx(expected, rel=1e-5)
    assert prices.provenance[s, 0] == 1
    assert prices.provenance[s, column] == 0
    assert prices.latency.high[s, column] / prices.latency.point[s, column] > 1.3


def test_a_kernel_that_was_measured_is_narrow_and_narrows() -> None:
    found = measured()
    key = (found.program.tasks[2].signature, WEIGHTS_8)
    widths = []
    for ratios in ((2.0,), (2.0,) * 5):
        _, prices = price({key: Kernel(ratios)})
        s, column = prices.row_signature[2], prices.options.index(WEIGHTS_8)
        assert prices.latency.point[s, column] == pytest.approx(14.0 * 2.0 / 7.0 * 2.0)
        assert prices.provenance[s, column] == 1
        widths.append(prices.latency.high[s, column] / prices.latency.point[s, column] - 1)
    assert widths == pytest.approx([0.10, 0.05 + 0.05 / 5], abs=1e-3)


def test_a_kernel_that_the_runtime_refuses_is_no_choice() -> None:
    found = measured()
    _, prices = price({(found.program.tasks[2].signature, WEIGHTS_8): Kernel(reason="it died")})
    column = prices.options.index(WEIGHTS_8)
    weight = [w.name for w in found.program.weights].index("b.weight")
    assert prices.reasons[prices.weight_refusal[weight, column]] == "it died"


def test_a_layout_has_no_price_among_integers() -> None:
    _, prices = price()
    layout = prices.row_signature[4]
    assert prices.latency.point[layout, 1:].tolist() == [0.0] * (len(prices.options) - 1)


def test_a_residual_from_integers_leaves_a_float_convolution() -> None:
    found, prices = price()
    without = replace(prices, corrections=())
    chosen = choice(found, prices, STATIC_8, "a")
    extra = evaluate(prices, chosen).totals["latency_s"]
    extra -= evaluate(without, chosen).totals["latency_s"]
    elements = 8 * 10 * 10
    apart = ADD[0] + ADD[1] * elements + LIMIT[0] + LIMIT[1] * elements
    constant, each = USUAL["reorder"]
    assert extra == pytest.approx(apart + constant + each * elements, rel=1e-6)


def test_nothing_is_corrected_where_nothing_or_everything_is_chosen() -> None:
    found, prices = price()
    assert prices.corrections
    assert DEVICE.power_w is not None
    assert all(c.energy_j == DEVICE.power_w * c.latency_s for c in prices.corrections)
    for names in ((), ("a", "b", "c", "d")):
        chosen = choice(found, prices, STATIC_8, *names)
        assert evaluate(prices, chosen).corrections == ()


def test_a_conversion_in_the_blocked_layout_is_three_passes() -> None:
    _, prices = price()
    column = prices.options.index(STATIC_8)
    integer = prices.column_precision[column]
    edge = next(e for e in range(len(prices.edge_row)) if prices.edge_row[e] == 3)
    cast = prices.tensor_cast[prices.edge_tensor[edge]]
    seconds = sum(USUAL[k][0] + USUAL[k][1] * 800 for k in ("reorder", "quantize", "transpose"))
    assert prices.cast_latency.point[cast, 0, integer] == pytest.approx(seconds)


FILE = [
    node("x_q/Q", "QuantizeLinear", "x s", "x_q"),
    node("x_d/D", "DequantizeLinear", "x_q s", "x_d"),
    node("w_d/D", "DequantizeLinear", "w_q s", "w"),
    node("t#0", "Conv", "x_d w", "y"),
]


def test_what_converts_activations_is_an_edge_and_what_unpacks_a_weight_its_row() -> None:
    run = [
        node("x_q/Q", "QuantizeLinear", "x s", "x_q", seconds=1.0, elements=10, dtype="uint8"),
        node("x_d/D", "DequantizeLinear", "x_q s", "x_d", seconds=2.0, elements=10),
        node("w_d/D", "DequantizeLinear", "w_q s", "w", seconds=4.0, elements=5),
        node("t#0", "Conv", "x_d w", "y", seconds=8.0, elements=10, dtype="float"),
    ]
    rows, edges = forms(FILE, run, ["x"], {"t#0": 0})
    assert rows[0].seconds == 4.0 + 8.0
    assert rows[0].operators == ["DequantizeLinear", "Conv"]
    assert not rows[0].integers
    assert edges == [Edge("QuantizeLinear", 10, 1.0), Edge("DequantizeLinear", 10, 2.0)]


def seen(built: list[Node], ratio: float) -> Seen:
    base = [replace(node, seconds=node.seconds) for node in RUN]
    file = [
        node("t#0", "Conv", "x a", "c0"),
        node("t#1", "Conv", "c0 d", "c3"),
        node("t#2", "Conv", "c3 b", "c1"),
        node("t#3", "Add", "c1 c0", "s"),
        node("t#4", "Relu", "s", "r"),
        node("t#5", "Conv", "r c", "y"),
    ]
    return Seen(10.0, 10.0 * ratio, 0.0, tuple(base), tuple(built), tuple(file))


def kernels(built: list[Node], ratio: float, *names: str) -> dict[str, float]:
    found = measured()
    file = [replace(n, seconds=0.0) for n in seen(built, ratio).file]
    pair = compare(found, file, seen(built, ratio), ["x"], 7.0)
    weights = {f"{name}.weight" for name in names}
    known = kernels_of(found.program, pair, weights, WEIGHTS_8, static=False)
    rows = {task.signature: task.name for task in found.program.tasks}
    return {rows[signature]: kernel.ratios[0] for (signature, _), kernel in known.items()}


def test_what_runs_as_before_has_the_ratio_one() -> None:
    slow = [replace(each, seconds=1.5 * each.seconds) for each in RUN]
    assert kernels(slow, 1.5, *"abcd") == dict.fromkeys("abcd", 1.0)


def test_a_row_bears_what_its_option_changes_beside_it() -> None:
    built = [
        node("t#0", "Conv", "x a", "c0", seconds=2.0),
        node("t#1", "Conv", "c0 d", "c3", seconds=0.5),
        node("t#2", "Conv", "c3 b", "c1", seconds=4.0),
        node("t#3", "Add", "c1 c0", "s", seconds=1.0),
        node("t#4", "Relu", "s", "r", seconds=1.0),
        node("t#5", "ConvInteger", "r c", "y", seconds=3.0),
    ]
    ratios = kernels(built, 11.5 / 7.0, *"bc")
    # 11.5 s ran; a and d run as they did, and the layout that cost half a second is gone.
    after = 4.0 + 1.0 + 1.0 + 3.0
    assert set(ratios) == {"b", "c"}
    assert 2.0 * ratios["b"] + 3.0 * ratios["c"] == pytest.approx(after - 0.5, rel=1e-6)


def test_what_passes_between_blocks_and_the_plain_layout_is_reordered() -> None:
    found, prices = price()
    without = replace(prices, corrections=())
    constant, each = USUAL["reorder"]
    # d has 16 channels; a feeds d and, as the residual, b.
    for chosen, elements in (("d", (800, 1600)), ("ad", (1600, 800)), ("abcd", ())):
        columns = choice(found, prices, WEIGHTS_8, *chosen)
        extra = evaluate(prices, columns).totals["latency_s"]
        extra -= evaluate(without, columns).totals["latency_s"]
        expected = sum(constant + each * n for n in elements)
        assert extra == pytest.approx(expected, rel=1e-5, abs=1e-12)


def test_new_nodes_belong_to_the_row_whose_value_they_make_and_none_is_lost() -> None:
    file = [
        node("x_q/D", "DynamicQuantizeLinear", "x", "x_q x_s x_z"),
        node("y/I", "ConvInteger", "x_q w x_z", "y_i"),
        node("y/C", "Cast", "y_i", "y_c"),
        node("y/M", "Mul", "y_c x_s", "y"),
        node("t#1", "Relu", "y", "r"),
        node("t#2", "Shape", "r", "n"),
    ]
    run = [replace(each, seconds=float(2**i)) for i, each in enumerate(file)]
    row_of = {"t#0": 0, "y": 0, "t#1": 1, "r": 1}
    rows, edges = forms(file, run, ["x"], row_of)
    assert edges == []
    assert rows[0].seconds == 1 + 2 + 4 + 8
    assert rows[1].seconds == 16 + 32
