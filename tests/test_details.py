"""What is told of one row: counts with their numbers, time part by part, and the lines of code."""

from __future__ import annotations

import importlib.util
import linecache
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import talaria_widget as talaria
from nets import Attention, small_net
from talaria_widget import pipeline
from talaria_widget.compilers.observed import Baseline, KernelTime, Timing
from talaria_widget.frontends import excerpts
from talaria_widget.frontends.excerpts import AROUND, MOST, excerpt
from talaria_widget.frontends.torch.trace.places import show
from talaria_widget.graph import Graph, Op, Tensor
from talaria_widget.hardware import device
from talaria_widget.report.details import details
from talaria_widget.widget import Talaria
from talaria_widget.work.explained import explain

IMAGE = torch.zeros(1, 3, 32, 32)


class Mixed(nn.Module):
    """One op of nearly every kind that multiplies, pools or norms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 16, 3, groups=4, padding=1)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2, groups=2)
        self.lstm = nn.LSTM(8, 12, 2, bidirectional=True, proj_size=5, batch_first=True)
        self.gru = nn.GRU(10, 6)
        self.heads = nn.MultiheadAttention(6, 2, batch_first=True)
        self.norm = nn.LayerNorm(6)

    def forward(self, x: torch.Tensor) -> Any:
        x = torch.max_pool2d(functional.avg_pool2d(self.up(self.conv(x)), 2), 2)
        x, _ = self.lstm(x.flatten(2).transpose(1, 2))
        x, _ = self.gru(x)
        x = self.norm(self.heads(x, x, x)[0])
        scores = torch.einsum("bij,bkj->bik", x, x)
        mixed = functional.scaled_dot_product_attention(x, x, x)
        return mixed.mean(1), scores.softmax(-1), torch.relu(scores) + 1


@pytest.fixture(scope="module")
def mixed() -> Graph:
    return pipeline.capture(Mixed().eval(), torch.zeros(2, 8, 16, 16))


def op_of(graph: Graph, name: str) -> Op:
    return next(op for op in graph.ops if op.name == name)


MACS = {
    "conv": (2 * 16 * 16 * 16) * 8 * (3 * 3) // 4,
    "up": (2 * 16 * 16 * 16) * 8 * (2 * 2) // 2,
    "lstm": 64 * 2 * 2 * ((4 * 12 * (8 + 5) + 12 * 5) + (4 * 12 * (2 * 5 + 5) + 12 * 5)),
    "gru": 2 * 64 * 1 * 3 * 6 * (10 + 6),
    "heads": 3 * 2 * 64 * 6 * 6 + 2 * 2 * 64 * 64 * 6 + 2 * 64 * 6 * 6,
    "einsum": 2 * 64 * 64 * 6,
    "scaled_dot_product_attention": 2 * 64 * 64 * (6 + 6),
}
BESIDE = {
    "conv": 2 * 16 * 16 * 16 * 1,
    "avg_pool2d": (2 * 8 * 16 * 16) * (2 * 2),
    "max_pool2d": (2 * 8 * 8 * 8) * (2 * 2 - 1),
    "norm": 2 * 64 * 6 * (5 + 2),
    "scaled_dot_product_attention": 2 * 64 * 64 * (1 + 5),
    "mean": 2 * 64 * 6,
    "relu": 2 * 64 * 64,
    "add": 2 * 64 * 64,
}


@pytest.mark.parametrize("name", MACS)
def test_the_numbers_of_a_product_give_its_multiply_adds(mixed: Graph, name: str) -> None:
    found = explain(mixed, op_of(mixed, name)).macs
    assert found is not None
    assert found.value == evaluate(str(found)) == MACS[name]
    assert found.value == explain(mixed, op_of(mixed, name)).work.macs


@pytest.mark.parametrize("name", BESIDE)
def test_the_numbers_beside_give_the_other_operations(mixed: Graph, name: str) -> None:
    found = explain(mixed, op_of(mixed, name))
    assert found.beside is not None
    assert found.beside.value == evaluate(str(found.beside)) == BESIDE[name]
    assert found.work.flops == 2 * (found.work.macs or 0) + BESIDE[name]


def evaluate(text: str) -> int:
    """The text as arithmetic, by nobody's code but Python's."""
    python = text.replace("×", "*").replace("−", "-").replace("/", "//")
    assert set(python) <= set("0123456789 */+-")
    return int(eval(python))


def test_words_and_numbers_stand_in_the_same_order(mixed: Graph) -> None:
    found = explain(mixed, op_of(mixed, "conv")).macs
    assert found is not None
    assert found.words == "outputs × input channels × kernel / groups"
    assert str(found) == "2 × 16 × 16 × 16 × 8 × 3 × 3 / 4"


@pytest.mark.parametrize(
    ("net", "shape"), [(small_net(), (1, 3, 32, 32)), (Attention(), (1, 16, 32)), (Mixed(), None)]
)
@pytest.mark.parametrize("on", ["cpu-avx2", "apple-a17-pro-ane"])
def test_the_formulas_of_a_row_add_up_to_its_work(net: nn.Module, shape: Any, on: str) -> None:
    graph = pipeline.capture(net.eval(), torch.zeros(shape or (2, 8, 16, 16)))
    program = pipeline.compile_for(graph, device(on), talaria.Recipe()).program
    assert sum(bool(task.work.macs) for task in program.tasks) >= 3
    for task in program.tasks:
        found = [explain(graph, op_of(graph, name)) for name in task.ops]
        assert sum(each.macs.value for each in found if each.macs) == task.work.macs


def test_a_loop_counts_each_run() -> None:
    tensors = {
        "x": Tensor("x", (1, 4)),
        "w": Tensor("w", (3, 4), role="weight", channel_axis=0),
        "y": Tensor("y", (1, 3)),
    }
    op = Op("fc", "linear", "linear", "", None, ("x",), ("y",), ("w",), {"times": 5})
    found = explain(Graph("g", "torch", (op,), tensors, ("x",), ("y",)), op).macs
    assert found is not None
    assert (found.words, str(found)) == ("runs × outputs × input features", "5 × 3 × 4")
    never = replace(op, attrs={"times": 0})
    assert explain(Graph("g", "torch", (never,), tensors, ("x",), ("y",)), never).macs is None


def test_what_is_not_counted_has_no_formula() -> None:
    tensors = {"x": Tensor("x", (1, 4)), "y": Tensor("y", (1, 4))}
    op = Op("odd", "unknown", "mine.blend", inputs=("x",), outputs=("y",))
    found = explain(Graph("g", "torch", (op,), tensors, ("x",), ("y",)), op)
    assert (found.macs, found.beside, found.work.macs) == (None, None, None)


@pytest.mark.parametrize("on", [name for name in talaria.devices() if name != "onnxruntime-cpu"])
def test_the_parts_of_a_latency_are_its_price(on: str) -> None:
    graph = pipeline.capture(small_net(), IMAGE)
    compiled = pipeline.compile_for(graph, device(on), talaria.Recipe())
    program, prices = compiled.program, compiled.prices
    for row, task in enumerate(program.tasks):
        for column, part in enumerate(details(program, prices, task.name, None)["latency"]):
            price = float(prices.latency.point[prices.row_signature[row], column])
            if np.isnan(price):
                continue
            at: dict[str, Any] = {**part}
            compute = at["macs"] / at["macs_per_s"] + at["rest"] / at["rest_per_s"]
            moved = at["activation_bytes"] / at["activation_bytes_per_s"]
            loaded = at["exposed"] * at["weight_bytes"] / at["weight_bytes_per_s"]
            assert at["compute_s"] == pytest.approx(compute)
            assert at["memory_s"] == pytest.approx(moved + loaded)
            seconds = max(compute, moved + loaded) + at["unpacking_s"] + at["dispatch_s"]
            assert at["times"] * seconds == pytest.approx(price, rel=1e-6)


class Timed:
    """What a measurement would know."""

    observed = Baseline(Timing(2e-3, 0.02, 6), (), None, "ONNX Runtime")

    def kernel(self, _signature: str, option: Any) -> KernelTime | None:
        return KernelTime(0.5, 3, 0.04) if option == talaria.Quantize(8) else None


def test_a_measured_row_has_its_whole_and_its_kernels() -> None:
    compiled = pipeline.compile_for(
        pipeline.capture(small_net(), IMAGE), device("cpu-avx2"), talaria.Recipe()
    )
    found = details(compiled.program, compiled.prices, "stem", Timed())["measured"]
    assert found is not None
    assert (found["whole_s"], found["rounds"]) == (2e-3, 6)
    kernels = dict(zip(compiled.prices.labels, found["kernels"], strict=True))
    assert kernels["int8"] == {"ratio": 0.5, "sweeps": 3, "spread": 0.04}
    assert kernels["fp32"] is None


def test_ops_and_weights_are_told_in_order() -> None:
    compiled = pipeline.compile_for(
        pipeline.capture(small_net(), IMAGE), device("cpu-avx2"), talaria.Recipe()
    )
    program, prices = compiled.program, compiled.prices
    found = details(program, prices, "stem", None)
    assert [op["name"] for op in found["ops"]] == ["stem", "relu"]
    assert found["ops"][0]["inputs"] == ["float32 1×3×32×32"]
    assert found["ops"][0]["outputs"] == ["float32 1×16×16×16"]
    assert found["ops"][0]["macs"] == 16 * 16 * 16 * 3 * 3 * 3
    assert [(w["name"], w["shape"]) for w in found["weights"]] == [
        ("stem.weight", "16×3×3×3"),
        ("stem.bias", "16"),
    ]


# ------------------------------------------------------------------------------ lines of code

CODE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        y = self.fc(x)
{filler}
        return torch.relu(y)
"""


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Any]:
    """Writes a module of so many lines between two calls, and imports it."""
    names: list[str] = []

    def write(between: int) -> tuple[Path, nn.Module]:
        name = f"written_{len(names)}"
        path = tmp_path / f"{name}.py"
        path.write_text(CODE.replace("{filler}", "        y = y\n" * between), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        names.append(name)
        return path, module.Net()

    yield write
    linecache.clearcache()


def lines_of(graph: Graph) -> Any:
    return excerpt(graph.ops[0].source, [op.source for op in graph.ops])


def test_the_lines_around_a_call_are_shown(written: Any) -> None:
    path, net = written(1)
    graph = pipeline.capture(net, torch.zeros(1, 4))
    found = lines_of(graph)
    line = path.read_text().splitlines().index("        y = self.fc(x)") + 1
    assert found.marked[0] == line
    assert found.lines[line - found.first] == "        y = self.fc(x)"
    assert found.first == line - AROUND
    assert found.lines[found.marked[-1] - found.first] == "        return torch.relu(y)"
    assert found.note == ""


def test_calls_far_apart_are_no_more_than_forty_lines(written: Any) -> None:
    _, net = written(60)
    found = lines_of(pipeline.capture(net, torch.zeros(1, 4)))
    assert len(found.lines) == 2 * AROUND + 1
    assert len(found.marked) == 1
    _, near = written(20)
    found = lines_of(pipeline.capture(near, torch.zeros(1, 4)))
    assert len(found.marked) == 2
    assert len(found.lines) <= MOST


def test_a_file_that_was_changed_or_is_gone_is_said(written: Any) -> None:
    path, net = written(1)
    graph = pipeline.capture(net, torch.zeros(1, 4))
    path.write_text("# another\n" + path.read_text(), encoding="utf-8")
    assert "was changed since the model was read" in lines_of(graph).note
    again = pipeline.capture(net, torch.zeros(1, 4))
    assert lines_of(again).note == ""
    assert "was changed" in lines_of(graph).note
    path.write_text("x = 1\n", encoding="utf-8")
    assert "has no line" in lines_of(graph).note
    path.unlink()
    assert lines_of(graph).note.endswith("is gone.")
    assert lines_of(graph).lines == ()


def test_a_cell_of_a_notebook_is_read_from_memory() -> None:
    file = os.path.join(os.sep, "tmp", "ipykernel_7", "123.py")
    text = "import torch\n\ndef twice(x):\n    return x + x\n"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    space: dict[str, Any] = {}
    exec(compile(text, file, "exec"), space)

    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = space["twice"](x)
            return y

    graph = pipeline.capture(Net(), torch.zeros(2))
    assert str(graph.ops[0].source) == "notebook:4"
    found = lines_of(graph)
    assert found.lines == tuple(text.splitlines())
    assert found.marked == (4,)


def test_a_trace_cannot_name_a_file_to_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("password\n", encoding="utf-8")
    source = show(str(secret), 1)
    assert source is not None
    assert source.place is None
    assert excerpt(source) is None
    assert not excerpts.is_loaded(str(secret))
    assert excerpts.is_loaded(sys.modules["nets"].__file__ or "")


def test_a_graph_has_no_path_of_this_machine(written: Any) -> None:
    path, net = written(1)
    graph = pipeline.capture(net, torch.zeros(1, 4))
    assert str(path.parent) not in repr(graph)
    assert all(op.source is None or str(path) not in str(op.source.file) for op in graph.ops)


def test_an_onnx_file_has_no_lines(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    make, numbers = onnx.helper, onnx.numpy_helper
    weight = numbers.from_array(np.ones((4, 3), np.float32), "w")
    given, out = (
        make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, width])
        for name, width in (("x", 4), ("y", 3))
    )
    node = make.make_node("MatMul", ["x", "w"], ["y"], name="<img src=x onerror=alert(1)>")
    model = make.make_model(
        make.make_graph([node], "g", [given], [out], [weight]),
        opset_imports=[make.make_opsetid("", 18)],
        ir_version=9,
    )
    graph = pipeline.capture(model)
    compiled = pipeline.compile_for(graph, device("cpu-avx2"), talaria.Recipe())
    name = compiled.program.tasks[0].name
    found = details(compiled.program, compiled.prices, name, None)
    assert found["excerpt"] is None
    assert found["source_note"] == "An ONNX file keeps no source."
    assert found["ops"][0]["formulas"][0]["value"] == prod((3, 4))


# ----------------------------------------------------------------------------------- the page


@pytest.fixture
def widget(monkeypatch: pytest.MonkeyPatch) -> Talaria:
    shown = talaria.show(small_net(), IMAGE, device="cpu-avx2")
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(shown, "send", lambda content, buffers=None: sent.append(content))
    shown.sent = sent
    return shown


def ask(widget: Talaria, row: Any) -> dict[str, Any]:
    widget._handle_custom_msg({"kind": "details", "sequence": 7, "row": row}, [])
    sent: list[dict[str, Any]] = widget.sent
    return sent[-1]


def test_details_are_a_message_and_no_state(widget: Talaria) -> None:
    before = widget.get_state()
    found = ask(widget, "blocks.0.conv")
    assert (found["kind"], found["sequence"], found["row"]) == ("details", 7, "blocks.0.conv")
    assert any("self.norm(self.conv(x))" in line for line in found["excerpt"]["lines"])
    assert widget.get_state() == before
    assert widget._sequence == 0
    assert not any(b"self.norm(self.conv" in repr(v).encode() for v in before.values())


@pytest.mark.parametrize("row", ["no such row", "", None, 5])
def test_a_row_that_is_not_there_is_said(widget: Talaria, row: Any) -> None:
    found = ask(widget, row)
    assert "has no row" in found["error"]
    assert found["ops"] == []
    assert widget._status["error"] == ""
