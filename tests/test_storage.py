"""Every formula by worked arithmetic, and what must hold for any weight."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria_widget.recipe import Activations, Cast, Option, Quantize
from talaria_widget.storage import (
    CONTAINERS,
    activation_bytes,
    follower_bytes,
    parameter_bytes,
    refusal,
    weight_bytes,
)

STATIC = Quantize(8, activations=Activations(8))
DYNAMIC = Quantize(8, activations=Activations(8, dynamic=True))
BLOCKS = Quantize(4, granularity="block", block_size=32)


def linear(container: str, option: Option, shape: tuple[int, ...] = (256, 128)) -> int:
    return weight_bytes(container, shape, "float32", 0, "linear", option)


def conv(container: str, option: Option, shape: tuple[int, ...] = (64, 32, 3, 3)) -> int:
    return weight_bytes(container, shape, "float32", 0, "conv", option)


def blob(nbytes: int) -> int:
    return 64 + 64 * ceil(nbytes / 64)


class TestOnnxRuntime:
    def test_as_stored_and_cast(self) -> None:
        assert linear("onnxruntime", None) == 4 * 256 * 128
        assert linear("onnxruntime", Cast("float16")) == 2 * 256 * 128
        assert linear("onnxruntime", Cast("float32")) == 4 * 256 * 128
        assert weight_bytes("onnxruntime", (8, 8), "float16", 0, "linear", None) == 2 * 8 * 8
        assert weight_bytes("onnxruntime", (8, 8), "int8", 0, "linear", None) == 8 * 8

    def test_int8(self) -> None:
        assert conv("onnxruntime", Quantize(8)) == 64 * 32 * 9 + 5 * 64
        assert conv("onnxruntime", STATIC) == 64 * 32 * 9 + 5 * 64
        assert conv("onnxruntime", Quantize(8, granularity="tensor")) == 64 * 32 * 9 + 5
        other_axis = weight_bytes("onnxruntime", (128, 256), "float32", 1, "linear", Quantize(8))
        assert other_axis == 128 * 256 + 5 * 256

    def test_a_dynamic_convolution_has_one_zero_point_and_an_embedding_one_scale(self) -> None:
        assert conv("onnxruntime", DYNAMIC) == 64 * 32 * 9 + 4 * 64 + 1
        assert linear("onnxruntime", DYNAMIC) == 256 * 128 + 5 * 256
        table = weight_bytes("onnxruntime", (1000, 64), "float32", 0, "embedding", Quantize(8))
        assert table == 1000 * 64 + 5

    def test_recurrent_has_a_scale_per_row(self) -> None:
        both = weight_bytes("onnxruntime", (2, 128, 16), "float32", 1, "recurrent", DYNAMIC)
        assert both == 2 * 128 * 16 + 5 * 2 * 128
        one = weight_bytes("onnxruntime", (128, 16), "float32", 0, "recurrent", DYNAMIC)
        assert one == 128 * 16 + 5 * 128

    def test_blocks(self) -> None:
        assert linear("onnxruntime", BLOCKS) == 256 * (128 // 32) * (32 // 2 + 4)
        assert linear("onnxruntime", BLOCKS) * 8 / (256 * 128) == 5.0
        wide = Quantize(4, granularity="block", block_size=128)
        assert linear("onnxruntime", wide) * 8 / (256 * 128) == 4.25
        assert linear("onnxruntime", BLOCKS, (256, 100)) == 256 * 4 * (32 // 2 + 4)

    def test_blocks_with_zero_points(self) -> None:
        option = Quantize(4, granularity="block", block_size=32, symmetric=False)
        assert linear("onnxruntime", option) == 256 * (4 * (16 + 4) + 4 // 2)
        assert linear("onnxruntime", option, (256, 96)) == 256 * (3 * (16 + 4) + 2)

    def test_bias(self) -> None:
        shape, kind = (256,), "linear"
        assert follower_bytes("onnxruntime", shape, "float32", kind, None) == 4 * 256
        assert follower_bytes("onnxruntime", shape, "float32", kind, Quantize(8)) == 4 * 256
        assert follower_bytes("onnxruntime", shape, "float32", kind, DYNAMIC) == 4 * 256
        assert follower_bytes("onnxruntime", shape, "float32", kind, STATIC) == 12 * 256
        assert follower_bytes("onnxruntime", shape, "float32", kind, Cast("float16")) == 2 * 256

    def test_the_rest(self) -> None:
        assert parameter_bytes("onnxruntime", 100, "float32") == 4 * 100
        assert parameter_bytes("onnxruntime", 100, "int64") == 8 * 100
        assert activation_bytes("onnxruntime", STATIC) == 5
        assert activation_bytes("onnxruntime", DYNAMIC) == 0


class TestCoreML:
    def test_default_is_half_precision_in_blobs(self) -> None:
        assert conv("coreml", None) == 64 + 2 * 64 * 32 * 9
        assert linear("coreml", None, (3, 3)) == 64 + 64
        assert linear("coreml", Cast("float32"), (3, 11)) == 64 + 192
        assert weight_bytes("coreml", (9, 9), "int8", 0, "linear", None) == blob(9 * 9)

    def test_int8_and_int4(self) -> None:
        n = 256 * 128
        assert linear("coreml", Quantize(8)) == blob(n) + blob(2 * 256)
        assert linear("coreml", Quantize(4)) == blob(n // 2) + blob(2 * 256)
        assert linear("coreml", BLOCKS) == blob(n // 2) + blob(2 * 256 * (128 // 32))
        assert conv("coreml", BLOCKS) == blob(64 * 32 * 9 // 2) + blob(2 * 64 * (32 // 32))
        zeros = Quantize(8, symmetric=False)
        assert linear("coreml", zeros) == blob(n) + blob(2 * 256) + blob(256)

    def test_small_or_odd_tensors_are_left_alone(self) -> None:
        assert linear("coreml", Quantize(8), (32, 64)) == blob(2 * 32 * 64)
        odd = (64, 100)
        assert linear("coreml", BLOCKS, odd) == blob(2 * 64 * 100)
        reason = refusal("coreml", odd, "float32", 0, "linear", BLOCKS)
        assert reason == "blocks of 32 need input channels that are a multiple of 32, not 100"

    def test_bias_and_the_rest(self) -> None:
        assert follower_bytes("coreml", (256,), "float32", "conv", Quantize(8)) == blob(2 * 256)
        assert follower_bytes("coreml", (256,), "float32", "conv", Cast("float32")) == blob(4 * 256)
        assert parameter_bytes("coreml", 100, "float32") == blob(2 * 100)
        assert parameter_bytes("coreml", 100, "int32") == blob(4 * 100)


class TestTorchao:
    def test_formulas(self) -> None:
        n = 256 * 128
        assert linear("torchao", None) == 4 * n
        assert linear("torchao", Quantize(8)) == n + 4 * 256
        assert linear("torchao", DYNAMIC) == n + 4 * 256
        assert linear("torchao", BLOCKS) == n // 2 + 4 * n // 32
        assert conv("torchao", Quantize(8)) == 4 * 64 * 32 * 9
        assert conv("torchao", Cast("float16")) == 2 * 64 * 32 * 9
        assert follower_bytes("torchao", (256,), "float32", "linear", Quantize(8)) == 4 * 256
        assert parameter_bytes("torchao", 256, "bfloat16") == 2 * 256


class TestTensorFlowLite:
    def test_default_is_int8_with_tables(self) -> None:
        n = 64 * 32 * 9
        assert conv("tflite", None) == conv("tflite", STATIC) == n + 12 * 64
        assert follower_bytes("tflite", (64,), "float32", "conv", None) == 4 * 64 + 12 * 64
        assert parameter_bytes("tflite", 64, "float32") == 64 + 12
        assert activation_bytes("tflite", None) == 12

    def test_other_options(self) -> None:
        n = 64 * 32 * 9
        assert conv("tflite", Cast("float16")) == 2 * n
        assert conv("tflite", Quantize(4, activations=Activations(8))) == n // 2 + 12 * 64
        assert follower_bytes("tflite", (64,), "float32", "conv", Quantize(8)) == 4 * 64
        wide = Quantize(8, activations=Activations(16))
        assert follower_bytes("tflite", (64,), "float32", "conv", wide) == (8 + 12) * 64


@pytest.mark.parametrize(
    ("container", "kind", "shape", "option", "reason"),
    [
        ("onnxruntime", "conv", (64, 32, 3, 3), BLOCKS, "only for linear layers"),
        ("onnxruntime", "linear", (64, 64), Quantize(4), "only in blocks"),
        ("onnxruntime", "linear", (64, 64), Quantize(6), "only in blocks"),
        ("onnxruntime", "norm", (64,), Quantize(8), "not compressed"),
        ("onnxruntime", "linear", (4, 64, 64), DYNAMIC, "two axes"),
        ("onnxruntime", "conv_transpose", (64, 64, 2, 2), DYNAMIC, "no transposed convolution"),
        ("onnxruntime", "linear", (64, 64), replace(STATIC, symmetric=False), "symmetric weights"),
        ("coreml", "linear", (64, 64), Quantize(6), "4 or 8 bits"),
        ("coreml", "linear", (64, 64), Cast("bfloat16"), "no bfloat16"),
        ("coreml", "linear", (64, 64), DYNAMIC, "calibration"),
        ("coreml", "linear", (8, 8), Quantize(8), "2,048 elements"),
        ("torchao", "conv", (64, 32, 3, 3), Quantize(8), "linear layers only"),
        ("torchao", "linear", (64, 64), STATIC, "dynamically"),
        ("torchao", "linear", (64, 50), BLOCKS, "multiple of 32, not 50"),
        ("torchao", "linear", (64, 64), Quantize(4), "only in blocks"),
        ("tflite", "linear", (64, 64), BLOCKS, "not per block"),
    ],
)
def test_refusals(
    container: str, kind: str, shape: tuple[int, ...], option: Option, reason: str
) -> None:
    why = refusal(container, shape, "float32", 0, kind, option)
    assert why is not None
    assert reason in why
    default = weight_bytes(container, shape, "float32", 0, kind, None)
    assert weight_bytes(container, shape, "float32", 0, kind, option) == default


@pytest.mark.parametrize("option", [Cast("float32"), STATIC, DYNAMIC, BLOCKS])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_only_single_precision_is_converted_for_onnx_runtime(dtype: str, option: Option) -> None:
    why = refusal("onnxruntime", (64, 64), dtype, 0, "linear", option)
    assert why == f"it is stored as {dtype}, and only float32 is converted"
    assert refusal("onnxruntime", (64, 64), "float16", 0, "linear", Quantize(8)) is None
    assert refusal("onnxruntime", (64, 64), "float16", 0, "linear", Cast("float16")) is None
    assert refusal("onnxruntime", (64, 64), "float64", 0, "linear", Quantize(8)) is not None


def test_of_recurrent_layers_only_an_lstm_has_integers() -> None:
    form = ("onnxruntime", (64, 16), "float32", 0, "recurrent", DYNAMIC)
    assert refusal(*form, frozenset({"lstm"})) is None
    assert "no GRU in integers" in str(refusal(*form, frozenset({"gru"})))


@pytest.mark.parametrize("container", CONTAINERS)
def test_what_is_stored_as_integers_is_not_compressed_again(container: str) -> None:
    assert refusal(container, (64, 64), "int8", 0, "linear", Quantize(8)) == (
        "it is stored as int8 already"
    )
    assert refusal(container, (64, 64), "float32", 0, "linear", None) is None


def test_unknown_container_and_dtype() -> None:
    with pytest.raises(ValueError, match="unknown container 'gguf'"):
        weight_bytes("gguf", (2, 2), "float32", 0, "linear", None)
    with pytest.raises(ValueError, match="unknown dtype 'string'"):
        parameter_bytes("onnxruntime", 3, "string")


SHAPES = st.one_of(
    st.tuples(st.integers(1, 96), st.integers(1, 200)),
    st.tuples(st.integers(1, 64), st.integers(1, 64), st.integers(1, 5), st.integers(1, 5)),
)


@given(
    container=st.sampled_from(CONTAINERS),
    shape=SHAPES,
    kind=st.sampled_from(["conv", "linear", "embedding", "recurrent"]),
    granularity=st.sampled_from(["tensor", "channel", "block"]),
    symmetric=st.booleans(),
    axis=st.integers(0, 1),
    pair=st.tuples(st.integers(2, 8), st.integers(2, 8)).map(sorted),
)
def test_fewer_bits_never_add_bytes_at_equal_granularity(
    container: str,
    shape: tuple[int, ...],
    kind: str,
    granularity: str,
    symmetric: bool,
    axis: int,
    pair: list[int],
) -> None:
    few, many = (
        Quantize(bits, granularity=granularity, symmetric=symmetric)  # type: ignore[arg-type]
        for bits in pair
    )
    if any(refusal(container, shape, "float32", axis, kind, o) for o in (few, many)):
        return
    small = weight_bytes(container, shape, "float32", axis, kind, few)
    assert small <= weight_bytes(container, shape, "float32", axis, kind, many)


@given(container=st.sampled_from(CONTAINERS), shape=SHAPES, axis=st.integers(0, 1))
def test_half_is_never_larger_than_single_and_nothing_is_smaller_than_its_bits(
    container: str, shape: tuple[int, ...], axis: int
) -> None:
    n = 1
    for length in shape:
        n *= length
    single, half = (
        weight_bytes(container, shape, "float32", axis, "conv", Cast(dtype))
        for dtype in ("float32", "float16")
    )
    assert 2 * n <= half <= single
    assert weight_bytes(container, shape, "float32", axis, "conv", Quantize(8)) >= n
