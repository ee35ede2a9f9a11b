"""Every counter against arithmetic done by hand: expected values are written as products."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import pytest

from talaria_widget.graph import KINDS, Graph, Kind, Op, Tensor, Work
from talaria_widget.work import COUNTERS, count, register
from talaria_widget.work.einsum import count_equation

Shape = tuple[int, ...] | None


def work(
    kind: Kind,
    target: str,
    inputs: list[Shape],
    weights: list[Tensor | Shape],
    output: Shape,
    **attrs: Any,
) -> Work:
    """Count one op whose tensors have these shapes."""
    given = [Tensor(f"x{i}", shape) for i, shape in enumerate(inputs)]
    kept = [
        w if isinstance(w, Tensor) else Tensor(f"w{i}", w, role="parameter", channel_axis=0)
        for i, w in enumerate(weights)
    ]
    made = Tensor("y", output)
    tensors = {t.name: t for t in (*given, *kept, made)}
    op = Op(
        "op",
        kind,
        target,
        inputs=tuple(t.name for t in given),
        outputs=("y",),
        weights=tuple(t.name for t in kept),
        attrs=attrs,
    )
    return count(Graph("g", "torch", (op,), tensors, ("x0",), ("y",)), op)


def buffer(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, role="buffer")


class TestConvolution:
    def test_plain(self) -> None:
        got = work("conv", "conv2d", [(1, 3, 224, 224)], [(64, 3, 7, 7), (64,)], (1, 64, 112, 112))
        outputs = 64 * 112 * 112
        assert got.macs == outputs * 3 * 7 * 7 == 118_013_952
        assert got.flops == 2 * outputs * 3 * 7 * 7 + outputs
        assert got.weight_bytes == 4 * (64 * 3 * 7 * 7 + 64)
        assert got.read_bytes == 4 * 3 * 224 * 224
        assert got.write_bytes == 4 * outputs

    def test_grouped_depthwise_and_batched(self) -> None:
        grouped = work("conv", "conv2d", [(2, 8, 10, 10)], [(16, 2, 3, 3)], (2, 16, 10, 10))
        assert grouped.macs == 2 * 16 * 10 * 10 * (8 // 4) * 3 * 3
        depthwise = work("conv", "conv2d", [(1, 32, 7, 7)], [(32, 1, 3, 3)], (1, 32, 7, 7))
        assert depthwise.macs == 32 * 7 * 7 * 1 * 3 * 3

    def test_one_and_three_axes(self) -> None:
        one = work("conv", "conv1d", [(1, 4, 20)], [(6, 4, 5)], (1, 6, 16))
        assert one.macs == 6 * 16 * 4 * 5
        three = work("conv", "conv3d", [(1, 2, 5, 5, 5)], [(3, 2, 2, 2, 2)], (1, 3, 4, 4, 4))
        assert three.macs == 3 * 4 * 4 * 4 * 2 * 2 * 2 * 2

    def test_computed_kernel_is_an_input(self) -> None:
        got = work("conv", "conv2d", [(1, 4, 8, 8), (4, 1, 3, 3)], [], (1, 4, 6, 6))
        assert got.macs == 4 * 6 * 6 * 1 * 3 * 3
        assert got.weight_bytes == 0

    def test_transposed(self) -> None:
        got = work(
            "conv_transpose",
            "conv_transpose2d",
            [(1, 16, 10, 10)],
            [(16, 4, 4, 4), (8,)],
            (1, 8, 20, 20),
        )
        assert got.macs == 16 * 10 * 10 * (8 // 2) * 4 * 4
        assert got.flops == 2 * 16 * 10 * 10 * 4 * 4 * 4 + 8 * 20 * 20

    def test_scales_of_an_integer_kernel_are_no_bias(self) -> None:
        scale = buffer("scale", 4)
        got = work("conv", "Conv", [(1, 4, 8, 8)], [(4, 4, 1, 1), scale], (1, 4, 8, 8))
        assert got.flops == 2 * (4 * 8 * 8 * 4)
        got = work("linear", "Gemm", [(3, 4)], [(4, 4), scale], (3, 4))
        assert got.flops == 2 * (3 * 4 * 4)

    def test_fused_activation_is_added(self) -> None:
        got = work("conv", "Conv", [(1, 4, 8, 8)], [(4, 4, 1, 1)], (1, 4, 8, 8), activation="relu")
        assert got.flops == 2 * (4 * 8 * 8 * 4) + 4 * 8 * 8


class TestProducts:
    def test_linear(self) -> None:
        got = work("linear", "linear", [(2, 16, 768)], [(3072, 768), (3072,)], (2, 16, 3072))
        assert got.macs == 2 * 16 * 3072 * 768
        assert got.flops == 2 * 2 * 16 * 3072 * 768 + 2 * 16 * 3072

    def test_linear_stored_the_other_way_round(self) -> None:
        weight = Tensor("w", (768, 3072), role="weight", channel_axis=1)
        assert work("linear", "MatMul", [(4, 768)], [weight], (4, 3072)).macs == 4 * 3072 * 768

    def test_stack_of_weights(self) -> None:
        experts = Tensor("w", (8, 64, 32), role="weight", channel_axis=2)
        got = work("linear", "MatMul", [(8, 5, 64)], [experts], (8, 5, 32))
        assert got.macs == 8 * 5 * 32 * 64

    def test_packed_weight_says_its_length(self) -> None:
        packed = Tensor("w", (32, 4, 16), "uint8", role="weight", channel_axis=0)
        got = work("linear", "MatMulNBits", [(1, 128)], [packed], (1, 32), contraction=128)
        assert got.macs == 32 * 128

    def test_bilinear(self) -> None:
        got = work("linear", "bilinear", [(5, 3), (5, 4)], [(6, 3, 4), (6,)], (5, 6))
        assert got.macs == 5 * 6 * (3 * 4 + 3)
        assert got.flops == 2 * 5 * 6 * (3 * 4 + 3) + 5 * 6

    def test_matmul(self) -> None:
        got = work("matmul", "bmm", [(12, 128, 64), (12, 64, 128)], [], (12, 128, 128))
        assert got == Work(
            12 * 128 * 128 * 64,
            2 * 12 * 128 * 128 * 64,
            0,
            2 * 4 * 12 * 128 * 64,
            4 * 12 * 128 * 128,
        )

    def test_matmul_of_vectors(self) -> None:
        assert work("matmul", "dot", [(7,), (7,)], [], ()).macs == 7
        assert work("matmul", "mv", [(5, 7), (7,)], [], (5,)).macs == 5 * 7

    def test_addmm_adds_its_first_operand(self) -> None:
        got = work("matmul", "addmm", [(5,), (3, 4), (4, 5)], [], (3, 5))
        assert (got.macs, got.flops) == (3 * 5 * 4, 2 * 3 * 5 * 4 + 3 * 5)

    def test_transposed_first_operand(self) -> None:
        assert work("matmul", "Gemm", [(4, 3), (4, 5)], [], (3, 5), transpose_a=True).macs == 60

    def test_tensordot(self) -> None:
        got = work("matmul", "tensordot", [(3, 4, 5), (4, 5, 6)], [], (3, 6))
        assert got.macs == 3 * (4 * 5) * 6

    def test_same_tensor_twice_is_read_once(self) -> None:
        x, y = Tensor("x", (8, 8)), Tensor("y", (8, 8))
        op = Op("op", "matmul", "matmul", inputs=("x", "x"), outputs=("y",))
        got = count(Graph("g", "torch", (op,), {"x": x, "y": y}, ("x",), ("y",)), op)
        assert got.read_bytes == 4 * 8 * 8


@pytest.mark.parametrize(
    ("equation", "shapes", "output", "macs", "rest"),
    [
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), 2 * 3 * 4 * 5, 0),
        ("ij,jk", [(3, 4), (4, 5)], (3, 5), 3 * 4 * 5, 0),
        ("...ij,...jk->...ik", [(6, 2, 3, 4), (2, 4, 5)], (6, 2, 3, 5), 6 * 2 * 3 * 4 * 5, 0),
        ("i,j->ij", [(3,), (4,)], (3, 4), 0, 3 * 4),
        ("bi,bi->bi", [(2, 3), (2, 3)], (2, 3), 0, 2 * 3),
        ("bi,bi->b", [(2, 3), (2, 3)], (2,), 2 * 3, 0),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)], (2, 5), 2 * 3 * 4 + 2 * 4 * 5, 0),
        ("ij->ji", [(3, 4)], (4, 3), 0, 0),
        ("ij->i", [(3, 4)], (3,), 0, 3 * 4 - 3),
        ("ii", [(4, 4)], (), 0, 4 - 1),
        ("bii->bi", [(2, 4, 4)], (2, 4), 0, 0),
        ("bij,bj->b", [(2, 3, 4), (2, 4)], (2,), 2 * 4, 2 * (3 - 1) * 4),
        ("bid,bjd->bij", [(2, 3, 1), (2, 4, 1)], (2, 3, 4), 0, 2 * 3 * 4),
    ],
)
def test_einsum(
    equation: str, shapes: list[tuple[int, ...]], output: tuple[int, ...], macs: int, rest: int
) -> None:
    assert count_equation(equation, shapes, prod(output)) == (macs, rest)
    given: list[Shape] = list(shapes)
    got = work("matmul", "einsum", given, [], output, equation=equation)
    assert (got.macs, got.flops) == (macs, 2 * macs + rest)


def test_einsum_with_a_weight_in_between_counts_operands_in_their_order() -> None:
    got = work(
        "matmul",
        "einsum",
        [(2, 3), (4, 5)],
        [(3, 4)],
        (2, 5),
        equation="ij,jk,kl->il",
        operands=("x0", "w0", "x1"),
    )
    assert got.macs == 2 * 3 * 4 + 2 * 4 * 5


def test_equation_that_does_not_fit_is_unknown() -> None:
    assert work("matmul", "einsum", [(2, 3, 4)], [], (2,), equation="ij->i").macs is None
    assert work("matmul", "einsum", [(2, 3)], [], (2,), equation="ij,j->i").macs is None


class TestAttention:
    def test_scaled_dot_product(self) -> None:
        query: Shape = (2, 12, 128, 64)
        got = work("attention", "scaled_dot_product_attention", [query, query, query], [], query)
        pairs = 2 * 12 * 128 * 128
        assert got.macs == pairs * 64 + pairs * 64
        assert got.flops == 2 * pairs * 128 + pairs * (1 + 5)

    def test_causal_counts_the_full_matrix_and_a_mask_one_add(self) -> None:
        query: Shape = (1, 4, 16, 8)
        shapes: list[Shape] = [query, query, query]
        causal = work("attention", "sdpa", shapes, [], query, causal=True)
        assert causal.macs == 2 * 4 * 16 * 16 * 8
        masked = work("attention", "sdpa", [*shapes, (16, 16)], [], query)
        assert masked.flops == 2 * 2 * 4 * 16 * 16 * 8 + 4 * 16 * 16 * (1 + 5 + 1)

    def test_other_keys_and_another_width_of_values(self) -> None:
        got = work(
            "attention", "sdpa", [(1, 8, 10, 16), (1, 2, 30, 16), (1, 2, 30, 4)], [], (1, 8, 10, 4)
        )
        assert got.macs == 8 * 10 * 30 * 16 + 8 * 10 * 30 * 4

    def test_heads_merged_into_the_width(self) -> None:
        shape: Shape = (2, 16, 128)
        got = work("attention", "MultiHeadAttention", [shape, shape, shape], [], shape, heads=4)
        assert got.macs == 2 * 2 * 16 * 16 * 128
        assert got.flops == 2 * 2 * 2 * 16 * 16 * 128 + 2 * 4 * 16 * 16 * (1 + 5)

    def test_packed_projections(self) -> None:
        length, batch, width = 10, 2, 32
        shape: Shape = (length, batch, width)
        got = work(
            "attention",
            "multi_head_attention_forward",
            [shape, shape, shape],
            [(3 * width, width), (3 * width,), (width, width), (width,)],
            shape,
            heads=4,
            query_first=True,
        )
        rows = length * batch
        projections = rows * width * 3 * width + rows * width * width
        products = 2 * rows * length * width
        assert got.macs == projections + products
        biases = rows * 3 * width + rows * width
        scores = batch * 4 * length * length
        assert got.flops == 2 * (projections + products) + scores * (1 + 5) + biases

    def test_separate_projections_of_other_widths_batch_first(self) -> None:
        got = work(
            "attention",
            "multi_head_attention_forward",
            [(2, 6, 16), (2, 9, 8), (2, 9, 4)],
            [(16, 16), (16, 8), (16, 4), (16, 16)],
            (2, 6, 16),
            heads=2,
            query_first=False,
        )
        projections = 2 * (6 * 16 * 16 + 9 * 8 * 16 + 9 * 4 * 16 + 6 * 16 * 16)
        assert got.macs == projections + 2 * (2 * 6 * 9 * 16)


class TestRecurrent:
    def test_lstm_of_two_layers_both_ways(self) -> None:
        hidden, width, steps, batch = 32, 16, 7, 3
        gates = 4 * hidden
        first: list[Tensor | Shape] = [(gates, width), (gates, hidden), (gates,), (gates,)]
        second: list[Tensor | Shape] = [(gates, 2 * hidden), (gates, hidden), (gates,), (gates,)]
        got = work(
            "recurrent",
            "lstm",
            [(batch, steps, width)],
            [*first, *first, *second, *second],
            (batch, steps, 2 * hidden),
            mode="lstm",
            steps=steps,
            batch=batch,
            hidden=hidden,
            layers=2,
            directions=2,
        )
        macs = steps * batch * 2 * gates * ((width + hidden) + (2 * hidden + hidden))
        assert got.macs == macs
        per_unit = 4 + 3 * 4 + 1 + 3 + 1 + 1
        rest = steps * batch * (4 * hidden * per_unit + 4 * 2 * gates)
        assert got.flops == 2 * macs + rest

    @pytest.mark.parametrize(
        ("mode", "gates", "per_unit"),
        [("lstm", 4, 4 + 12 + 1 + 3 + 1 + 1), ("gru", 3, 3 + 8 + 1 + 1 + 4), ("rnn", 1, 1 + 1)],
    )
    def test_modes_without_bias(self, mode: str, gates: int, per_unit: int) -> None:
        got = work(
            "recurrent",
            mode,
            [(5, 2, 8)],
            [(gates * 6, 8), (gates * 6, 6)],
            (5, 2, 6),
            mode=mode,
            steps=5,
            batch=2,
            hidden=6,
            layers=1,
            directions=1,
        )
        macs = 5 * 2 * gates * 6 * (8 + 6)
        assert (got.macs, got.flops) == (macs, 2 * macs + 5 * 2 * 6 * per_unit)

    def test_projected_state(self) -> None:
        got = work(
            "recurrent",
            "lstm",
            [(5, 1, 8)],
            [(24, 8), (24, 2), (2, 6)],
            (5, 1, 2),
            mode="lstm",
            steps=5,
            batch=1,
            hidden=6,
            layers=1,
            directions=1,
            projection=2,
        )
        assert got.macs == 5 * (24 * 8 + 24 * 2 + 2 * 6)


class TestNorm:
    def test_stored_statistics_fold_into_two(self) -> None:
        got = work(
            "norm",
            "batch_norm",
            [(1, 8, 4, 4)],
            [(8,), (8,), buffer("mean", 8), buffer("var", 8)],
            (1, 8, 4, 4),
            statistics=False,
        )
        assert (got.macs, got.flops) == (0, 8 * 4 * 4 * 2)
        assert got.weight_bytes == 4 * 4 * 8

    def test_statistics_computed_here(self) -> None:
        shape: Shape = (2, 8, 4, 4)
        weights: list[Tensor | Shape] = [(8,), (8,), buffer("mean", 8), buffer("var", 8)]
        got = work("norm", "batch_norm", [shape], weights, shape, statistics=True)
        assert got.flops == 2 * 8 * 4 * 4 * (5 + 2)

    @pytest.mark.parametrize(
        ("word", "weights", "rate"),
        [
            ("layer_norm", 2, 5 + 2),
            ("layer_norm", 0, 5),
            ("group_norm", 2, 5 + 2),
            ("rms_norm", 1, 3 + 1),
            ("SkipLayerNormalization", 2, 5 + 1 + 2),
            ("normalize", 0, 3),
        ],
    )
    def test_rates(self, word: str, weights: int, rate: int) -> None:
        shape: Shape = (2, 16, 768)
        got = work("norm", word, [shape], [(768,)] * weights, shape, statistics=True)
        assert got.flops == 2 * 16 * 768 * rate

    def test_local_response(self) -> None:
        got = work("norm", "LRN", [(1, 96, 5, 5)], [], (1, 96, 5, 5), size=5)
        assert got.flops == 96 * 5 * 5 * (5 + 4)


@pytest.mark.parametrize(
    ("kind", "word", "rate"),
    [
        ("elementwise", "torch.Tensor.__iadd__", 1),
        ("elementwise", "torch.Tensor.add_", 1),
        ("elementwise", "Mul", 1),
        ("elementwise", "torch.addcmul", 3),
        ("cast", "QuantizeLinear", 4),
        ("cast", "DequantizeLinear", 2),
        ("activation", "Relu", 1),
        ("activation", "sigmoid", 4),
        ("activation", "silu", 5),
        ("activation", "Gelu", 5),
        ("activation", "HardSwish", 5),
        ("activation", "hardsigmoid", 4),
        ("softmax", "softmax", 5),
        ("softmax", "log_softmax", 5),
    ],
)
def test_pointwise_rates(kind: Kind, word: str, rate: int) -> None:
    got = work(kind, word, [(2, 30)], [], (2, 30))
    assert got == Work(0, 2 * 30 * rate, 0, 4 * 60, 4 * 60)


def test_gelu_by_tanh_is_longer() -> None:
    got = work("activation", "gelu", [(10,)], [], (10,), approximate="tanh")
    assert got.flops == 10 * 9


def test_variadic_elementwise_has_one_operation_between_operands() -> None:
    assert work("elementwise", "Sum", [(4, 5)] * 3, [], (4, 5)).flops == 4 * 5 * (3 - 1)
    assert work("elementwise", "Max", [(4, 5)] * 2, [], (4, 5)).flops == 4 * 5 * (2 - 1)
    assert work("elementwise", "Mean", [(4, 5)] * 3, [], (4, 5)).flops == 4 * 5 * 3


@pytest.mark.parametrize(
    ("word", "flops"),
    [
        ("sum", 8 * 100 - 8),
        ("ReduceMax", 8 * 100 - 8),
        ("mean", 8 * 99 + 8),
        ("ReduceL2", 8 * (100 + 99) + 8),
        ("var", 8 * 100 * 4),
        ("logsumexp", 8 * 100 * 4 + 8),
        ("topk", 8 * 100 * 7),
    ],
)
def test_reductions(word: str, flops: int) -> None:
    assert work("reduction", word, [(8, 100)], [], (8,)).flops == flops


class TestPool:
    def test_max_compares_and_average_adds_and_divides(self) -> None:
        outputs = 64 * 56 * 56
        shapes: tuple[list[Shape], Shape] = ([(1, 64, 112, 112)], (1, 64, 56, 56))
        got = work("pool", "max_pool2d", shapes[0], [], shapes[1], kernel=(3, 3), mode="max")
        assert got.flops == outputs * (3 * 3 - 1)
        got = work("pool", "avg_pool2d", shapes[0], [], shapes[1], kernel=(2, 2), mode="avg")
        assert got.flops == outputs * (2 * 2)

    def test_global_reads_every_element_once(self) -> None:
        got = work("pool", "GlobalAveragePool", [(1, 512, 7, 7)], [], (1, 512, 1, 1), mode="avg")
        assert got.flops == 512 * 7 * 7

    def test_power_average_takes_a_power_and_an_add_of_each(self) -> None:
        got = work("pool", "lp_pool1d", [(1, 4, 4)], [], (1, 4, 2), kernel=(2,), mode="lp")
        assert got.flops == 4 * 2 * (2 * 2)

    def test_windows_of_an_adaptive_pool_overlap(self) -> None:
        word, kernel = "adaptive_avg_pool2d", (3, 3)
        got = work("pool", word, [(1, 2, 8, 8)], [], (1, 2, 3, 3), kernel=kernel, mode="avg")
        assert got.flops == 2 * (3 + 4 + 3) * (3 + 4 + 3)

    def test_unknown_mode(self) -> None:
        assert work("pool", "odd_pool", [(1, 4, 4)], [], (1, 4, 2), mode="odd").flops is None


@pytest.mark.parametrize(
    ("mode", "rate"),
    [("nearest", 0), ("area", 1), ("bilinear", 2 * 4 - 1), ("bicubic", 2 * 16 - 1)],
)
def test_resize(mode: str, rate: int) -> None:
    got = work("resize", "interpolate", [(1, 3, 8, 8)], [], (1, 3, 16, 16), mode=mode)
    assert got.flops == 3 * 16 * 16 * rate


class TestMovement:
    def test_an_alias_moves_nothing(self) -> None:
        got = work("movement", "view", [(4, 8)], [], (32,), free=True)
        assert got == Work(0, 0, 0, 0, 0)

    def test_a_slice_reads_what_it_writes(self) -> None:
        got = work("movement", "slice", [(100, 8)], [], (2, 8), free=False)
        assert got == Work(0, 0, 0, 4 * 2 * 8, 4 * 2 * 8)

    def test_a_broadcast_reads_its_input(self) -> None:
        got = work("movement", "expand", [(1, 8)], [], (10, 8))
        assert (got.read_bytes, got.write_bytes) == (4 * 8, 4 * 10 * 8)

    def test_cast_and_layout(self) -> None:
        for kind in ("cast", "layout"):
            assert work(kind, "to", [(6,)], [], (6,)) == Work(0, 0, 0, 4 * 6, 4 * 6)

    def test_embedding_reads_the_rows_it_is_asked_for(self) -> None:
        got = work("embedding", "embedding", [(2, 16)], [(30_000, 768)], (2, 16, 768))
        assert (got.macs, got.flops) == (0, 0)
        assert got.weight_bytes == 2 * 16 * 768 * 4
        whole = work("embedding", "embedding", [(1, 100)], [(2, 8)], (1, 100, 8))
        assert whole.weight_bytes == 2 * 8 * 4

    def test_embedding_bag_adds_its_rows(self) -> None:
        got = work("embedding", "embedding_bag", [(4, 6)], [(50, 8)], (4, 8))
        assert got.flops == 4 * (6 - 1) * 8


class TestUnknown:
    def test_kind_without_a_counter_still_has_bytes(self) -> None:
        for kind in ("unknown", "control"):
            got = work(kind, "mystery", [(3,)], [(2, 2)], (5,))
            assert got == Work(None, None, 4 * 2 * 2, 4 * 3, 4 * 5)

    @pytest.mark.parametrize("kind", ["elementwise", "activation", "softmax", "reduction", "norm"])
    def test_word_without_a_rate(self, kind: Kind) -> None:
        got = work(kind, "mystery", [(3,)], [], (3,))
        assert (got.macs, got.flops, got.read_bytes) == (None, None, 4 * 3)

    def test_unknown_shapes(self) -> None:
        got = work("conv", "conv2d", [(1, 3, 8, 8)], [(4, 3, 3, 3)], None)
        assert got == Work(None, None, 4 * 4 * 3 * 3 * 3, 4 * 3 * 8 * 8, None)
        assert work("linear", "linear", [None], [None], (2, 3)).macs is None
        assert work("matmul", "matmul", [None, (3, 4)], [], (2, 4)).macs is None

    def test_missing_attributes(self) -> None:
        assert work("recurrent", "lstm", [(5, 1, 8)], [], (5, 1, 6), mode="lstm").macs is None
        assert work("pool", "max_pool2d", [(1, 4, 4)], [], (1, 2, 2)).flops is None

    def test_unknown_dtype_has_unknown_bytes(self) -> None:
        odd = Tensor("w", (4, 4), "string", role="weight", channel_axis=0)
        assert work("linear", "linear", [(2, 4)], [odd], (2, 4)).weight_bytes is None


def test_every_kind_but_the_unknowable_has_a_counter() -> None:
    assert set(KINDS) - set(COUNTERS) == {"unknown"}


def test_control_flow_computes_nothing_where_what_it_runs_stands_in_the_graph() -> None:
    assert work("control", "Loop", [()], [], (3,), inlined=True) == Work()
    assert work("control", "Loop", [()], [], (3,)).macs is None


def test_work_is_that_of_every_run() -> None:
    once = work("linear", "linear", [(1, 8)], [(4, 8)], (1, 4))
    looped = work("linear", "linear", [(1, 8)], [(4, 8)], (1, 4), times=5)
    assert (looped.macs, looped.read_bytes) == (5 * 8 * 4, 5 * 4 * 8)
    assert looped.weight_bytes == 5 * once.weight_bytes  # type: ignore[operator]
    assert work("linear", "linear", [(1, 8)], [(4, 8)], (1, 4), times=0) == Work()
    assert work("linear", "linear", [(1, 8)], [(4, 8)], (1, 4), times=None).macs is None


class TestRegistered:
    @pytest.fixture(autouse=True)
    def _forget(self) -> Iterator[None]:
        yield
        register("mine::gate", None)

    def count(self, target: str) -> Work:
        return work("unknown", target, [(2, 3)], [(5, 3)], (2, 5))

    @pytest.mark.parametrize("target", ["mine.gate", "torch.ops.mine.gate", "mine.gate.default"])
    def test_a_counter_of_ones_own(self, target: str) -> None:
        register("mine::gate", lambda inputs, outputs, attrs: (inputs[1].size * 2, outputs[0].size))
        assert self.count(target).macs == 5 * 3 * 2
        assert self.count(target).flops == 2 * 5 * 3 * 2 + 2 * 5

    def test_another_op_stays_unknown(self) -> None:
        register("mine::gate", lambda inputs, outputs, attrs: 1)
        assert self.count("other.gate").macs is None
        assert self.count("mine.gate2").macs is None

    def test_it_can_be_taken_away(self) -> None:
        register("mine::gate", lambda inputs, outputs, attrs: 1)
        register("mine::gate", None)
        assert self.count("mine.gate").macs is None

    @pytest.mark.parametrize("given", [None, -1, 1.5, True, (1, None), "many"])
    def test_what_is_no_count_is_refused(self, given: Any) -> None:
        register("mine::gate", lambda inputs, outputs, attrs: given)
        with pytest.raises(ValueError, match="mine.gate returned"):
            self.count("mine.gate")

    def test_its_failure_is_named(self) -> None:
        register("mine::gate", lambda inputs, outputs, attrs: 1 // 0)
        with pytest.raises(ValueError, match="raised ZeroDivisionError"):
            self.count("mine.gate")

    def test_wrong_arguments(self) -> None:
        with pytest.raises(TypeError, match="op's name"):
            register(3, lambda *a: 1)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="pass a function"):
            register("mine::gate", 3)  # type: ignore[arg-type]


def test_a_counter_can_be_overridden() -> None:
    op = Op("op", "unknown", "mine", outputs=("y",))
    graph = Graph("g", "torch", (op,), {"y": Tensor("y", (3,))}, (), ("y",))
    assert count(graph, op, {"unknown": lambda g, o: (7, 1)}).flops == 2 * 7 + 1
