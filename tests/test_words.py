"""Every word that the torch front end knows has a count, and those of their own the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log2
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from talaria_widget.frontends.torch import capture
from talaria_widget.frontends.torch.table.kinds import TABLE
from talaria_widget.graph import Graph, Op, Tensor, Work
from talaria_widget.work import count
from torchvision_cpu import models

# What the builders of words with a counter of their own would say.
ATTRIBUTES: dict[str, Any] = {
    "kernel": (2, 2),
    "mode": "bilinear",
    "masked": True,
    "sampling_ratio": 2,
    "rows": 4,
    "length": 8,
    "real": True,
    "weighted": False,
    "reduction": "mean",
    "size": 5,
    "power": 3,
    "axis": -1,
    "steps": 3,
    "batch": 2,
    "hidden": 2,
    "layers": 1,
    "directions": 1,
}
MODES = {"pool": "max", "recurrent": "lstm"}
SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "conv": ((1, 2, 4, 4), (3, 2, 2, 2)),
    "conv_transpose": ((1, 2, 4, 4), (2, 3, 2, 2)),
    "recurrent": ((3, 2, 4),),
}


@pytest.mark.parametrize("word", TABLE)
def test_a_known_word_is_counted(word: str) -> None:
    kind = TABLE[word].kind
    shapes = SHAPES.get(kind, ((4, 4), (4, 4), (4, 4)))
    tensors = {f"x{at}": Tensor(f"x{at}", shape) for at, shape in enumerate(shapes)}
    inputs = tuple(tensors)
    tensors["y"] = Tensor("y", (1, 3, 3, 3) if "conv" in kind else (4, 4))
    attrs = {**ATTRIBUTES, **({"mode": MODES[kind]} if kind in MODES else {})}
    weights: tuple[str, ...] = ()
    if kind in ("linear", "embedding"):
        tensors["w"] = Tensor("w", (4, 4, 4) if word == "bilinear" else (4, 4), role="weight")
        weights = ("w",)
    op = Op(
        "op", kind, f"torch.{word}", inputs=inputs, outputs=("y",), weights=weights, attrs=attrs
    )
    got = count(Graph("g", "torch", (op,), tensors, inputs, ("y",)), op)
    assert got.macs is not None and got.flops is not None


class Called(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


def work(function: Callable[..., Any], *inputs: torch.Tensor) -> Work:
    graph = capture(Called(function), inputs)
    return sum((count(graph, op) for op in graph.ops), Work())


def rand(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(shape, dtype=dtype)


class TestFourier:
    def test_complex_and_real(self) -> None:
        whole = 3 * 5 * 16 * log2(16)
        assert work(torch.fft.fft, rand(3, 16, dtype=torch.complex64)).flops == whole
        assert work(torch.fft.rfft, rand(3, 16)).flops == whole / 2
        assert work(torch.fft.irfft, rand(3, 9, dtype=torch.complex64)).flops == whole / 2

    def test_over_several_axes_and_cut(self) -> None:
        whole = 2 * 5 * (8 * 16) * log2(8 * 16)
        assert work(torch.fft.fft2, rand(2, 8, 16, dtype=torch.complex64)).flops == whole
        assert work(torch.fft.rfft2, rand(2, 8, 16)).flops == whole / 2
        cut = work(lambda x: torch.fft.rfft(x, n=8, dim=1), rand(2, 32, 3))
        assert cut.flops == 2 * 3 * 5 * 8 * log2(8) / 2

    def test_short_time(self) -> None:
        def forward(x: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
            return torch.stft(x, 16, 4, window=window, return_complex=True)

        frames = 2 * (64 // 4 + 1)
        got = work(forward, rand(2, 64), rand(16))
        assert got.flops == frames * (5 * 16 * log2(16) / 2 + 16)


class TestSorting:
    def test_along_an_axis(self) -> None:
        assert work(lambda x: torch.sort(x, dim=0)[0], rand(16, 3)).flops == 16 * 3 * 4
        assert work(lambda x: torch.topk(x, 2, dim=1)[0], rand(4, 8)).flops == 4 * 8 * 3
        assert work(torch.median, rand(4, 8)).flops == 4 * 8 * 5

    def test_search_and_tally(self) -> None:
        got = work(torch.bucketize, rand(3, 7), torch.arange(16.0))
        assert got.flops == 3 * 7 * 4
        got = work(torch.searchsorted, torch.arange(16.0), rand(3, 7))
        assert got.flops == 3 * 7 * 4
        assert work(lambda x: torch.histc(x, 4), rand(9)).flops == 9 * 5

    def test_scatter_adds_each_element_of_its_source(self) -> None:
        index = torch.zeros(3, 4, dtype=torch.int64)
        got = work(lambda x, s: x.scatter_add(0, index, s), rand(5, 4), rand(3, 4))
        assert got.flops == 3 * 4
        assert work(lambda x, s: x.scatter(0, index, s), rand(5, 4), rand(3, 4)).flops == 0


class TestLosses:
    def test_cross_entropy_is_a_softmax_and_a_choice(self) -> None:
        target = torch.zeros(6, dtype=torch.int64)
        got = work(lambda x: functional.cross_entropy(x, target), rand(6, 10))
        assert got.flops == 6 * 10 * 5 + 6 * 2 + 1

    def test_elementwise(self) -> None:
        assert work(functional.mse_loss, rand(6, 10), rand(6, 10)).flops == 6 * 10 * 3
        assert work(functional.l1_loss, rand(6, 10), rand(6, 10)).flops == 6 * 10 * 3

    def test_distances_between_all_pairs(self) -> None:
        got = work(torch.cdist, rand(2, 5, 3), rand(2, 7, 3))
        assert (got.macs, got.flops) == (2 * 5 * 7 * 3, 2 * 5 * 7 * (3 * 3 + 1))

    def test_temporal_classification(self) -> None:
        target = torch.ones(2, 4, dtype=torch.int64)
        sizes = torch.full((2,), 9), torch.full((2,), 4)
        got = work(lambda x: functional.ctc_loss(x, target, *sizes), rand(9, 2, 5).log())
        assert got.flops == 9 * 2 * (2 * 4 + 1) * 13


@pytest.mark.parametrize(
    ("function", "flops"),
    [
        (torch.linalg.cholesky, 2 * 6**3 / 3),
        (torch.linalg.inv, 2 * 2 * 6**3),
        (torch.linalg.qr, 2 * 2 * (2 * 6**3 - 2 * 6**3 / 3)),
        (torch.linalg.svd, 2 * 26 * 6**3),
        (torch.linalg.eigh, 2 * 9 * 6**3),
        (lambda x: torch.linalg.solve(x, x[..., :2]), 2 * (2 * 6**3 / 3 + 2 * 6**2 * 2)),
        (lambda x: torch.linalg.matrix_power(x, 5), 3 * 2 * 2 * 6**3),
    ],
)
def test_decompositions_take_the_textbooks_terms(
    function: Callable[..., Any], flops: float
) -> None:
    x = torch.eye(6).expand(2, 6, 6) + 0.1
    assert work(function, x.contiguous()).flops == flops


def test_chain_of_products_takes_the_cheapest_order() -> None:
    got = work(
        lambda a, b, c: torch.linalg.multi_dot([a, b, c]), rand(2, 9), rand(9, 8), rand(8, 3)
    )
    assert got.macs == min(2 * 9 * 8 + 2 * 8 * 3, 9 * 8 * 3 + 2 * 9 * 3)


class TestExperts:
    def test_each_row_meets_its_own_expert_only(self) -> None:
        ends = torch.tensor([3, 3, 8], dtype=torch.int32)
        rows, experts = (rand(*s).bfloat16() for s in ((8, 16), (3, 16, 32)))
        got = work(lambda a, b: torch._grouped_mm(a, b, offs=ends), rows, experts)
        assert got.macs == 8 * 16 * 32

    def test_no_more_experts_are_read_than_there_are_rows(self) -> None:
        ends = torch.tensor([0, 0, 1, 2], dtype=torch.int32)
        rows, experts = (rand(*s).bfloat16() for s in ((2, 16), (4, 16, 32)))
        got = work(lambda a, b: torch._grouped_mm(a, b, offs=ends), rows, experts)
        assert got.read_bytes == 2 * (2 * 16) + 2 * (2 * 16 * 32) + 4 * 4


class TestComplex:
    def test_a_product_is_four_real_ones(self) -> None:
        a, b = rand(3, 4, dtype=torch.complex64), rand(4, 5, dtype=torch.complex64)
        assert work(torch.matmul, a, b).macs == 4 * 3 * 4 * 5
        assert work(torch.mul, a, a).flops == 3 * 4 * 6
        assert work(torch.add, a, a).flops == 3 * 4 * 2

    def test_so_is_one_of_a_convolution(self) -> None:
        x = rand(2, 3, 9, dtype=torch.complex64)
        kernel, back = rand(4, 3, 3, dtype=torch.complex64), rand(3, 4, 3, dtype=torch.complex64)
        bias = rand(4, dtype=torch.complex64)
        got = work(functional.conv1d, x, kernel, bias)
        assert got.macs == 4 * (2 * 4 * 7) * 3 * 3
        assert got.flops == 2 * got.macs + 2 * (2 * 4 * 7)
        assert work(functional.conv_transpose1d, x, back).macs == 4 * (2 * 3 * 9) * 4 * 3


def test_batched_sum_of_products_contracts_the_batch_too() -> None:
    got = work(torch.addbmm, rand(3, 5), rand(2, 3, 4), rand(2, 4, 5))
    assert (got.macs, got.flops) == (2 * 3 * 4 * 5, 2 * 2 * 3 * 4 * 5 + 3 * 5)


def test_gelu_by_tanh_is_told_apart() -> None:
    assert work(functional.gelu, rand(10)).flops == 10 * 5
    assert work(lambda x: functional.gelu(x, approximate="tanh"), rand(10)).flops == 10 * 9


def test_resizing_and_sampling() -> None:
    def doubled(mode: str) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda x: functional.interpolate(x, scale_factor=2, mode=mode)

    assert work(doubled("bilinear"), rand(1, 3, 4, 4)).flops == 3 * 8 * 8 * (2 * 4 - 1)
    assert work(doubled("nearest"), rand(1, 3, 4, 4)).flops == 0
    got = work(functional.grid_sample, rand(1, 3, 4, 4), rand(1, 5, 6, 2))
    assert got.flops == 3 * 5 * 6 * (2 * 4 - 1) + 5 * 6 * 2 * 5


class Stored(nn.Module):
    """A layer whose input is a buffer, as a table of positions is."""

    def __init__(self, *, trained: bool) -> None:
        super().__init__()
        table = torch.rand(15, 2)
        if trained:
            self.table = nn.Parameter(table)
        else:
            self.register_buffer("table", table)
        self.layer = nn.Linear(2, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layer(self.table)


@pytest.mark.parametrize("trained", [True, False])
def test_a_stored_input_is_not_taken_for_the_matrix(trained: bool) -> None:
    graph = capture(Stored(trained=trained), rand(15, 8))
    got = count(graph, graph.ops[0])
    assert got.macs == 15 * 2 * 8
    assert got.flops == 2 * 15 * 2 * 8 + 15 * 8


def test_a_fixed_kernel_counts() -> None:
    class Blur(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kernel", torch.ones(4, 1, 3, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.conv2d(x, self.kernel, groups=4)

    graph = capture(Blur(), rand(1, 4, 6, 6))
    assert count(graph, graph.ops[0]).flops == 2 * 4 * 4 * 4 * 3 * 3


def test_a_learned_query_attends() -> None:
    class Pool(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Parameter(torch.rand(1, 2, 3, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return functional.scaled_dot_product_attention(self.query, x, x)

    graph = capture(Pool(), rand(1, 2, 5, 4))
    assert sum(count(graph, op).macs or 0 for op in graph.ops) == 2 * 3 * 5 * (4 + 4)


def test_operators_with_another_order_of_arguments() -> None:
    norm = [torch.ones(4), torch.zeros(4), torch.zeros(4), torch.ones(4)]

    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.batch_norm(x, *norm, False, 0.1, 1e-5, False)

    assert work(forward, rand(2, 4, 3)).flops == 2 * 4 * 3 * 2
    table = nn.Parameter(rand(9, 4))
    got = work(lambda i: torch.embedding(table, i), torch.zeros(3, dtype=torch.int64))
    assert got.flops == 0


class TestAttention:
    def test_grouped_heads_and_another_width_of_values(self) -> None:
        def forward(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)

        got = work(forward, rand(2, 8, 5, 16), rand(2, 2, 7, 16), rand(2, 2, 7, 4))
        assert got.macs == 2 * 8 * 5 * 7 * (16 + 4)

    def test_a_causal_mask_counts_the_full_matrix(self) -> None:
        def forward(q: torch.Tensor) -> torch.Tensor:
            return functional.scaled_dot_product_attention(q, q, q, is_causal=True)

        assert work(forward, rand(1, 2, 6, 4)).macs == 2 * 6 * 6 * (4 + 4)

    def test_operands_that_broadcast(self) -> None:
        got = work(
            functional.scaled_dot_product_attention, rand(1, 2, 3, 4), *[rand(5, 2, 7, 4)] * 2
        )
        assert got.macs == 5 * 2 * 3 * 7 * (4 + 4)

    @pytest.mark.parametrize("batch_first", [True, False])
    def test_projections_of_other_widths(self, batch_first: bool) -> None:
        model = nn.MultiheadAttention(16, 4, kdim=8, vdim=4, batch_first=batch_first)
        q, k, v = rand(3, 5, 16), rand(3, 7, 8), rand(3, 7, 4)
        if not batch_first:
            q, k, v = (part.transpose(0, 1) for part in (q, k, v))
        graph = capture(model.eval(), (q, k, v))
        projections = 5 * 16 * 16 + 7 * 8 * 16 + 7 * 4 * 16 + 5 * 16 * 16
        assert sum(count(graph, op).macs or 0 for op in graph.ops) == 3 * (
            projections + 2 * 5 * 7 * 16
        )


class TestRecurrent:
    def macs(self, model: nn.Module, x: Any) -> int:
        graph = capture(model.eval(), (x,))
        return sum(count(graph, op).macs or 0 for op in graph.ops)

    def test_packed_sequences_count_their_elements(self) -> None:
        parts = [rand(length, 6) for length in (5, 3, 2)]

        class Packed(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.lstm = nn.LSTM(6, 4, num_layers=2)

            def forward(self, *parts: torch.Tensor) -> torch.Tensor:
                packed = nn.utils.rnn.pack_sequence(list(parts))
                states: torch.Tensor = self.lstm(packed)[0].data
                return states

        graph = capture(Packed().eval(), tuple(parts))
        got = sum(count(graph, op).macs or 0 for op in graph.ops)
        assert got == (5 + 3 + 2) * 4 * 4 * ((6 + 4) + (4 + 4))

    def test_projected_state(self) -> None:
        model = nn.LSTM(8, 6, proj_size=3, num_layers=2, bidirectional=True)
        per_step = 2 * (4 * 6 * (8 + 3) + 6 * 3) + 2 * (4 * 6 * (6 + 3) + 6 * 3)
        assert self.macs(model, rand(4, 2, 8)) == 4 * 2 * per_step

    def test_computed_weights(self) -> None:
        model = nn.utils.parametrizations.weight_norm(nn.GRU(8, 6), "weight_hh_l0")
        assert self.macs(model, rand(4, 2, 8)) == 4 * 2 * 3 * 6 * (8 + 6)

    @pytest.mark.filterwarnings("ignore")
    def test_quantized(self) -> None:
        model = nn.Sequential(nn.Linear(16, 32), nn.LSTM(32, 8))
        kinds = {nn.Linear, nn.LSTM}
        model = torch.ao.quantization.quantize_dynamic(model, kinds, torch.qint8)
        rows = 5 * 3
        assert self.macs(model, rand(5, 3, 16)) == rows * (16 * 32 + 4 * 8 * (32 + 8))


class TestRegions:
    """torchvision's operators: their kernels need its own build, so only their schemas are here."""

    @pytest.fixture(autouse=True)
    def _schemas(self) -> Iterator[None]:
        def regions(
            x: torch.Tensor, boxes: torch.Tensor, scale: float, h: int, w: int, *_: Any
        ) -> Any:
            return x.new_empty(len(boxes), x.shape[1], h, w)

        def deformed(x: torch.Tensor, weight: torch.Tensor, offset: torch.Tensor, *_: Any) -> Any:
            return x.new_empty(len(x), len(weight), *offset.shape[2:])

        def kept(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
            return scores.argsort()

        sides = "int pooled_height, int pooled_width"
        pairs = ("stride", "pad", "dil")
        steps = ", ".join(f"int {name}_{side}" for name in pairs for side in "hw")
        schemas = {
            f"roi_align(Tensor input, Tensor rois, float spatial_scale, {sides}, "
            "int sampling_ratio, bool aligned) -> Tensor": regions,
            "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, "
            f"{steps}, int groups, int offset_groups, bool use_mask) -> Tensor": deformed,
            "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor": kept,
        }
        models()  # defines what torchvision itself needs, before anything is defined here
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema, function in schemas.items():
            name = schema.partition("(")[0]
            if not hasattr(torch.ops.torchvision, name):
                library.define(schema)
            has = torch._C._dispatch_has_kernel_for_dispatch_key
            for key in ("CPU", "Meta"):
                if not has(f"torchvision::{name}", key):
                    library.impl(name, function, key)
        yield
        library._destroy()

    def test_each_sample_of_a_region_is_bilinear(self) -> None:
        def forward(x: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
            return torch.ops.torchvision.roi_align(x, boxes, 1.0, 7, 7, 3, False)

        got = work(forward, rand(1, 4, 16, 16), rand(5, 5))
        assert got.flops == 5 * 4 * 7 * 7 * 3**2 * (7 + 1)

    def test_a_deformable_convolution_reads_between_pixels(self) -> None:
        kernel, bias = rand(6, 4, 3, 3), rand(6)
        mask = rand(1, 9, 8, 8)

        def forward(x: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
            sides = (1, 1, 1, 1, 1, 1)
            operator = torch.ops.torchvision.deform_conv2d
            return operator(x, kernel, offset, mask, bias, *sides, 1, 1, True)

        got = work(forward, rand(1, 4, 8, 8), rand(1, 18, 8, 8))
        outputs, read = 6 * 8 * 8, 4 * 9 * 8 * 8
        assert got.macs == outputs * 4 * 3 * 3
        assert got.flops == 2 * outputs * 4 * 3 * 3 + outputs + read * (7 + 1)

    def test_suppression_compares_all_pairs(self) -> None:
        got = work(lambda b, s: torch.ops.torchvision.nms(b, s, 0.5), rand(16, 4), rand(16))
        assert got.flops == 16 * 4 + 16 * 15 // 2 * 15
