"""The analytic compiler: what fuses, what folds, what is removed, and what it is priced at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import talaria_widget as talaria
from nets import Attention, Tied, small_net
from talaria_widget import messages, pipeline
from talaria_widget.choice import index
from talaria_widget.compilers import analytic, pricing
from talaria_widget.graph import Graph, Op, Tensor
from talaria_widget.hardware import device, devices
from talaria_widget.recipe import Activations, Quantize, Recipe


def program_of(model: nn.Module, *inputs: torch.Tensor, on: str = "cpu-avx2"):  # type: ignore[no-untyped-def]
    return analytic.compile(pipeline.capture(model.eval(), inputs), device(on))


class Silu(nn.Module):
    """x * sigmoid(x) after a convolution: two readers of one value, one fusion."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return y * torch.sigmoid(y)


class Padded(nn.Module):
    """Zeros around a convolution's input, none around the next, ones around the last."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 3, 3, bias=False) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.a(functional.pad(x, (0, 1, 0, 1)))
        y = self.b(functional.pad(y, (0, 0, 0, 0)))
        return self.c(functional.pad(y, (1, 1, 1, 1), value=1.0))


class Spectrum(nn.Module):
    """A transform between two pointwise ops."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft(x.relu()).abs()


class RootMeanSquare(nn.Module):
    """A normalisation written out."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class TwoReaders(nn.Module):
    """A convolution whose result someone else reads before the activation."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 3, 1)
        self.b = nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x)
        return functional.relu(y) + self.b(y)


def test_convolution_takes_norm_and_activation() -> None:
    program = program_of(small_net(), torch.zeros(1, 3, 32, 32))
    names = [(task.name, task.label, len(task.ops)) for task in program.tasks]
    assert names == [
        ("stem", "conv 3×3", 2),
        ("blocks.0.conv", "conv 3×3", 2),
        ("blocks.0/add", "add + relu", 2),
        ("blocks.1.conv", "conv 3×3", 2),
        ("blocks.1/add", "add + relu", 2),
        ("adaptive_avg_pool2d", "adaptive_avg_pool2d", 1),
        ("fc", "linear", 1),
    ]
    assert dict(program.removed) == {"movement": 1}


def test_a_folded_norm_leaves_a_bias() -> None:
    program = program_of(small_net(), torch.zeros(1, 3, 32, 32))
    stored = {weight.name: weight.shape for weight in program.weights}
    assert stored == {
        "stem.weight": (16, 3, 3, 3),
        "stem.bias": (16,),
        "blocks.0.conv.weight": (16, 16, 3, 3),
        "blocks.0.conv.bias (folded)": (16,),
        "blocks.1.conv.weight": (16, 16, 3, 3),
        "blocks.1.conv.bias (folded)": (16,),
        "fc.weight": (10, 16),
        "fc.bias": (10,),
    }


def test_attention_written_out_is_one_task() -> None:
    program = program_of(Attention(), torch.zeros(1, 12, 32))
    assert [task.kind for task in program.tasks] == [
        "linear",
        "attention",
        "movement",
        "linear",
    ] or [task.kind for task in program.tasks] == ["linear", "attention", "linear"]
    attention = program.tasks[1]
    assert attention.work.macs == 2 * 4 * 12 * 12 * 8  # both products, 4 heads of 8


def test_gated_activation_and_written_out_norm_fuse() -> None:
    silu = program_of(Silu(), torch.zeros(1, 3, 8, 8))
    assert [(t.kind, len(t.ops)) for t in silu.tasks] == [("conv", 3)]
    norm = program_of(RootMeanSquare(), torch.zeros(1, 16))
    assert [t.kind for t in norm.tasks] == ["norm"]


def test_a_convolution_takes_the_zeros_around_its_input() -> None:
    program = program_of(Padded(), torch.zeros(1, 3, 8, 8))
    assert [(t.name, t.label, len(t.ops)) for t in program.tasks] == [
        ("a", "conv 3×3", 2),
        ("b", "conv 3×3", 1),
        ("pad#3", "pad", 1),
        ("c", "conv 3×3", 1),
    ]
    assert dict(program.removed) == {"movement": 1}


def test_nothing_fuses_across_a_value_that_someone_else_reads() -> None:
    program = program_of(TwoReaders(), torch.zeros(1, 3, 8, 8))
    assert [len(t.ops) for t in program.tasks if t.kind == "conv"] == [1, 1]


@pytest.mark.parametrize("name", devices())
def test_every_device_prices_every_computing_task(name: str) -> None:
    report = talaria.analyze(small_net(), torch.zeros(1, 3, 32, 32), device=name)
    latency, energy = report.column("latency_s").values, report.column("energy_j").values
    assert (latency > 0).all()
    assert (energy > 0).all()
    assert report.totals["latency_s_low"] < report.totals["latency_s"]
    assert report.totals["latency_s"] == pytest.approx(latency.sum())
    assert report.coverage == 1.0


@pytest.mark.parametrize("name", devices())
def test_every_number_of_a_device_has_a_source(name: str) -> None:
    on = device(name)
    for section in ("band", "efficiency", "memory", "dispatch", "energy"):
        assert on.sources[section]
    for precision in on.ops_per_s:
        assert on.sources[f"compute.{precision}"]
    for line in on.menu[1:]:
        assert line.reason or line.kinds, f"{line.label} runs nowhere and does not say why"


def test_a_roofline_by_hand() -> None:
    on = device("cpu-avx2")
    report = talaria.analyze(nn.Linear(4096, 4096), torch.zeros(1, 4096), device="cpu-avx2")
    weight_bytes = 4 * (4096 * 4096 + 4096)
    moved = 4 * (4096 + 4096)
    assert weight_bytes > on.on_chip_bytes
    memory = weight_bytes / on.bandwidth_bytes_per_s + moved / on.on_chip_bytes_per_s
    expected = memory + on.dispatch_s
    assert report.totals["latency_s"] == pytest.approx(expected, rel=1e-6)
    assert report.totals["energy_j"] == pytest.approx(on.power_w * expected, rel=1e-6)
    compute = 2 * 4096 * 4096 / (on.ops_per_s["float32"] * on.efficiency["linear"])
    assert compute < memory
    assert report.prices.bound[0, 0] == 1


def test_a_folded_norm_and_a_fused_limit_cost_no_time() -> None:
    image = torch.zeros(1, 3, 64, 64)
    plain = nn.Sequential(nn.Conv2d(3, 32, 3))
    dressed = nn.Sequential(nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU6())
    gelu = nn.Sequential(nn.Conv2d(3, 32, 3), nn.GELU())
    alone, whole, soft = (
        talaria.analyze(m.eval(), image, device="cpu-avx2").totals["latency_s"]
        for m in (plain, dressed, gelu)
    )
    assert whole == alone
    assert soft > alone


def test_equal_layers_share_a_signature() -> None:
    report = talaria.analyze(small_net(), torch.zeros(1, 3, 32, 32), device="cpu-avx2")
    signature = report.prices.row_signature
    assert signature[1] == signature[3]
    assert signature[2] == signature[4]
    assert signature[0] != signature[1]


def test_a_tied_weight_is_stored_once() -> None:
    report = talaria.analyze(Tied().eval(), torch.zeros(1, 5, dtype=torch.int64), device="cpu-avx2")
    assert report.totals["parameters"] == 100 * 32 + 32 * 32 + 32
    assert report.totals["size_bytes"] == 4 * (100 * 32 + 32 * 32 + 32)


def test_what_depends_on_no_input_is_computed_before() -> None:
    class Positions(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.arange(8).float().cos()

    program = program_of(Positions(), torch.zeros(1, 8))
    assert [task.kind for task in program.tasks] == ["elementwise"]


def test_an_unknown_op_is_listed_and_never_free() -> None:
    tensors = {n: Tensor(n, (4,), role="input" if n == "x" else "activation") for n in "xyz"}
    ops = (
        Op("a", "unknown", "custom.mystery", inputs=("x",), outputs=("y",)),
        Op("b", "activation", "relu", inputs=("y",), outputs=("z",)),
    )
    graph = Graph("g", "onnx", ops, tensors, ("x",), ("z",))
    compiled = pipeline.compile_for(graph, device("cpu-avx2"), Recipe())
    report = pipeline.report(compiled, Recipe())
    assert dict(report.uncounted) == {"custom.mystery": 1}
    assert report.coverage == 0.5
    assert np.isnan(report.column("latency_s").values[0])
    assert report.unknown_rows == 1
    assert "≥" in repr(report)
    with pytest.raises(AssertionError, match="unknown cost"):
        report.check({"latency_s": 1.0})


class SharedConvolution(nn.Module):
    """One convolution run twice, each time with a norm of its own behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.first = nn.BatchNorm2d(8)
        self.second = nn.BatchNorm2d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.conv(self.first(self.conv(x))))


def test_a_norm_stays_behind_a_convolution_that_runs_twice() -> None:
    program = program_of(SharedConvolution(), torch.zeros(1, 8, 4, 4))
    assert [task.name for task in program.tasks] == ["conv", "first", "conv#2", "second"]
    stored = sum(weight.shape[0] for weight in program.weights if len(weight.shape) == 1)
    assert stored == 2 * 4 * 8  # scale, shift, mean and variance of both norms


def test_a_norm_over_another_axis_than_a_layers_outputs_stays() -> None:
    class OverSteps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 16)
            self.norm = nn.BatchNorm1d(5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.layer(x))

    program = program_of(OverSteps(), torch.zeros(1, 5, 8))
    assert [task.name for task in program.tasks] == ["layer", "norm"]
    flat = program_of(nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16)), torch.zeros(1, 8))
    assert [task.name for task in flat.tasks] == ["0"]


def custom(outputs: tuple[str, ...], *, text: bool = False) -> talaria.Report:
    """An op that nobody knows and a relu beside it, reading one stored tensor."""
    tensors = {
        "x": Tensor("x", (4,), role="input"),
        "w": Tensor("w", (2,), "string" if text else "float32", role="constant"),
        **{n: Tensor(n, (4,)) for n in ("z", *outputs)},
    }
    ops = (
        Op("a", "unknown", "custom.mystery", inputs=("x", "w"), outputs=outputs),
        Op("b", "activation", "relu", inputs=("x",), outputs=("z",)),
    )
    graph = Graph("g", "onnx", ops, tensors, ("x",), ("z",))
    return pipeline.report(pipeline.compile_for(graph, device("cpu-avx2"), Recipe()), Recipe())


def test_an_op_that_gives_nothing_is_a_row_without_a_shape() -> None:
    report = custom(())
    assert report.column("output_shape").values.tolist() == ["", "4"]
    names = index(report.program.graph)
    compiled = pipeline.Compiled(report.program, report.prices, names, report.before)
    assert messages.program_message(compiled, [], 0)


def test_a_stored_tensor_of_unknown_size_is_said_and_never_nothing() -> None:
    assert custom(("y",)).totals["size_bytes"] == 4 * 2
    report = custom(("y",), text=True)
    assert report.program.unsized == ("w",)
    assert any("1 stored tensors of unknown size" in note for note in report.notes)
    with pytest.raises(AssertionError, match="size_bytes leaves out 1"):
        report.check({"size_bytes": 1e9})


@pytest.mark.parametrize("name", ["latency_s", "energy_j", "macs", "flops"])
def test_no_total_that_lacks_a_row_passes_a_check(name: str) -> None:
    with pytest.raises(AssertionError, match=f"{name} leaves out 1 rows"):
        custom(("y",)).check({name: 1e9})


def test_an_option_beside_the_menu_gets_a_column() -> None:
    program = program_of(nn.Linear(256, 64), torch.zeros(1, 256))
    asked = Quantize(4, granularity="block", block_size=128)
    prices = pricing.price(program, [asked, Quantize(3)])
    assert asked in prices.options
    assert Quantize(3) not in prices.options
    column = prices.options.index(asked)
    assert prices.weight_bytes[0, column] == 64 * 2 * (128 * 4 / 8 + 4)


class TwoPrecisions(nn.Module):
    """Mostly float16, with a head in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(256, 256, bias=False).half()
        self.head = nn.Linear(256, 10, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).float())


@pytest.mark.parametrize("name", ["cpu-avx2", "nvidia-h100"])
def test_a_model_of_two_precisions_can_be_cast_to_its_own(name: str) -> None:
    inputs = torch.zeros(1, 256, dtype=torch.float16)
    recipe = {"*": talaria.Cast("float16")}
    report = talaria.analyze(TwoPrecisions(), inputs, device=name, recipe=recipe)
    assert report.prices.labels[0] == "as stored"
    assert report.baseline["size_bytes"] == 2 * 256 * 256 + 4 * 10 * 256
    assert report.totals["size_bytes"] == 2 * 256 * 256 + 2 * 10 * 256


def test_what_no_file_can_be_written_of_is_not_priced_either() -> None:
    model, inputs = nn.Linear(64, 32).double(), torch.zeros(1, 64, dtype=torch.float64)
    report = talaria.analyze(
        model, inputs, recipe={"*": talaria.Cast("float32")}, device="cpu-avx2"
    )
    assert report.baseline["size_bytes"] == 8 * (64 * 32 + 32)
    assert report.totals["size_bytes"] == report.baseline["size_bytes"]
    assert "stored as float64" in report.refused[0].reason
    written = talaria.apply(model, {"*": talaria.Cast("float32")}, inputs).statement
    assert written.refused[0].reason == report.refused[0].reason
    assert written.real_bytes == report.totals["size_bytes"]


def test_fewer_bits_never_add_bytes() -> None:
    program = program_of(nn.Linear(1024, 1024), torch.zeros(1, 1024))
    prices = pricing.price(program)
    by_label = dict(zip(prices.labels, prices.weight_bytes[0], strict=True))
    assert by_label["int4 b32"] < by_label["int8"] < by_label["fp16"] < by_label["fp32"]


def test_int8_casts_are_seen_and_priced() -> None:
    int8 = Quantize(8, activations=Activations(8))
    report = talaria.analyze(
        small_net(), torch.zeros(1, 3, 32, 32), recipe={"blocks.0.conv": int8}, device="cpu-avx2"
    )
    assert len(report.after.casts.tensor) == 2
    rows = {report.program.tasks[r].name for r in report.after.casts.row}
    assert rows == {"blocks.0.conv"}
    assert report.after.casts.latency.point.sum() > 0
    whole = talaria.analyze(
        small_net(), torch.zeros(1, 3, 32, 32), recipe={"*": int8}, device="cpu-avx2"
    )
    assert whole.column("option").values[2] == "int8 w+a"  # the add follows its neighbours


def test_a_transform_is_a_task_of_its_own() -> None:
    tasks = program_of(Spectrum(), torch.randn(4, 64)).tasks
    assert [task.label for task in tasks] == ["relu", "rfft", "abs"]


def test_a_loops_body_costs_as_often_as_it_runs() -> None:
    def looped(times: int | None):  # type: ignore[no-untyped-def]
        tensors = {
            "x": Tensor("x", (64, 256), role="input"),
            "w": Tensor("w", (256, 256), role="weight", channel_axis=0),
            "y": Tensor("y", (64, 256)),
        }
        attrs = {} if times == 1 else {"times": times}
        op = Op(
            "fc", "linear", "linear", inputs=("x",), outputs=("y",), weights=("w",), attrs=attrs
        )
        graph = Graph("looped", "torch", (op,), tensors, ("x",), ("y",))
        compiled = pipeline.compile_for(graph, device("cpu-avx2"), Recipe())
        return pipeline.report(compiled, Recipe())

    once, often, never, unknown = looped(1), looped(7), looped(0), looped(None)
    assert often.totals["macs"] == 7 * 64 * 256 * 256
    assert often.totals["latency_s"] == pytest.approx(7 * once.totals["latency_s"], rel=1e-6)
    assert often.column("read_bytes").values[0] == 7 * 4 * 64 * 256
    assert often.totals["size_bytes"] == never.totals["size_bytes"] == 4 * 256 * 256
    assert never.totals["latency_s"] == never.totals["macs"] == 0
    assert unknown.totals["latency_s"] is None and unknown.uncounted == {"linear": 1}


def test_a_branch_that_is_not_taken_adds_no_cast_and_no_memory() -> None:
    class Branched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.taken, self.other = (nn.Linear(64, 64) for _ in range(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.cumsum(self.first(x), 1)
            return torch.cond(x.sum() < 1e9, self.taken, self.other, (x,))

    wide = Quantize(8, activations=Activations(8))
    inputs = torch.zeros(1, 64)

    def analyzed(recipe: object):  # type: ignore[no-untyped-def]
        return talaria.analyze(Branched().eval(), inputs, device="cpu-avx2", recipe=recipe)

    plain, marked = analyzed(None), analyzed({"other": wide})
    row = plain.program.row_of_op["other"]
    assert marked.column("option").values[row] == "int8 w+a"
    assert len(marked.after.casts.row) == 0
    assert marked.totals["latency_s"] == plain.totals["latency_s"]
    assert marked.totals["size_bytes"] < plain.totals["size_bytes"]
    assert len(analyzed({"taken": wide}).after.casts.row) > 0
