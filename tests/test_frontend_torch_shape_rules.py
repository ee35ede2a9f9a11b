"""A shape rule says what the meta kernel would, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from talaria_widget.frontends.torch.trace.shape_rules import RULES, by_rule
from talaria_widget.frontends.torch.trace.specs import IN_PLACE, contiguous, specify


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def layouts() -> list[torch.Tensor]:
    """Tensors of every rank and layout that a model hands on."""
    square = meta(2, 8, 4, 4)
    return [
        meta(),
        meta(8),
        meta(4, 8),
        meta(8, 4).T,
        meta(2, 4, 8),
        meta(2, 8, 4).transpose(1, 2),
        meta(1, 4, 8).expand(2, 4, 8),
        meta(2, 4, 16)[..., :8],
        square,
        meta(1, 8, 1, 1),
        square.contiguous(memory_format=torch.channels_last),
        square.permute(0, 2, 3, 1),
        meta(0, 8, 4, 4),
        meta(4, 8, dtype=torch.float16),
        meta(4, 8, dtype=torch.int64),
        meta(2, 8, 4, 4, dtype=torch.bfloat16),
    ]


VECTOR, MATRIX = meta(8), meta(6, 8)
UNARY: list[tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    ("torch.nn.functional.relu", functional.relu, (), {}),
    ("torch.nn.functional.hardswish", functional.hardswish, (), {}),
    ("torch.nn.functional.hardsigmoid", functional.hardsigmoid, (False,), {}),
    ("torch.nn.functional.hardtanh", functional.hardtanh, (0.0, 6.0), {"inplace": False}),
    ("torch.nn.functional.relu6", functional.relu6, (), {}),
    ("torch.nn.functional.silu", functional.silu, (), {}),
    ("torch.nn.functional.mish", functional.mish, (), {}),
    ("torch.nn.functional.elu", functional.elu, (1.0,), {}),
    ("torch.nn.functional.leaky_relu", functional.leaky_relu, (0.2,), {}),
    ("torch.nn.functional.gelu", functional.gelu, (), {"approximate": "tanh"}),
    ("torch.tanh", torch.tanh, (), {}),
    ("torch.Tensor.rsqrt", torch.Tensor.rsqrt, (), {}),
    ("torch.Tensor.pow", torch.Tensor.pow, (3,), {}),
    ("torch.Tensor.mul", torch.Tensor.mul, (0.5,), {}),
    ("torch.Tensor.add", torch.Tensor.add, (1,), {}),
    ("torch.roll", torch.roll, (2, 0), {}),
    ("torch.roll", torch.roll, ((1, -1), (0, 1)), {}),
    ("torch.nn.functional.layer_norm", functional.layer_norm, ((8,), VECTOR, VECTOR), {}),
    ("torch.nn.functional.layer_norm", functional.layer_norm, ((4, 8),), {}),
    ("torch.nn.functional.rms_norm", functional.rms_norm, ((8,),), {}),
    ("torch.nn.functional.batch_norm", functional.batch_norm, (VECTOR,) * 4, {}),
    ("torch.nn.functional.linear", functional.linear, (MATRIX, meta(6)), {}),
    ("torch.nn.functional.adaptive_avg_pool2d", functional.adaptive_avg_pool2d, (1,), {}),
    ("torch.nn.functional.adaptive_avg_pool2d", functional.adaptive_avg_pool2d, ((3, None),), {}),
]


def kernel(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What the meta kernel makes of a call, or `None` where it refuses it."""
    try:
        return specify(function(*args, **kwargs))
    except (RuntimeError, ValueError, IndexError, TypeError):
        return None


def ruled(target: str, *args: Any, **kwargs: Any) -> Any:
    """What a rule says, or `None` where it refuses what the real kernel would."""
    try:
        return by_rule(target, args, kwargs)
    except RuntimeError:
        return None


@pytest.mark.parametrize(("target", "function", "rest", "named"), UNARY)
def test_calls_on_one_tensor(
    target: str, function: Callable[..., Any], rest: tuple[Any, ...], named: dict[str, Any]
) -> None:
    said = 0
    for data in layouts():
        rule = ruled(target, data, *rest, **named)
        said += rule is not None
        assert rule in (None, kernel(function, data, *rest, **named))
    assert said > 0


@pytest.mark.parametrize("word", ["add", "sub", "mul", "div"])
def test_calls_on_two_tensors(word: str) -> None:
    function = getattr(torch.Tensor, word)
    said = 0
    for first, second in product(layouts(), layouts()):
        rule = by_rule(f"torch.Tensor.{word}", (first, second), {})
        said += rule is not None
        assert rule in (None, kernel(function, first, second))
    assert said > len(layouts())


CONVOLUTIONS = [
    ((2, 8, 9, 7), (6, 8, 3, 3), {"stride": 2, "padding": 1}),
    ((2, 8, 9, 7), (6, 8, 1, 1), {}),
    ((1, 8, 1, 1), (8, 1, 1, 1), {"groups": 8}),
    ((1, 8, 9, 7), (8, 1, 5, 3), {"groups": 8, "dilation": (1, 2), "padding": (2, 2)}),
    ((3, 1, 9, 7), (4, 1, 3, 3), {"stride": (1, 2)}),
    ((2, 8, 9), (6, 4, 3), {"groups": 2, "stride": (2,), "padding": (1,)}),
    ((1, 1, 9), (1, 1, 9), {}),
]


@pytest.mark.parametrize(("data", "weight", "settings"), CONVOLUTIONS)
def test_convolutions(
    data: tuple[int, ...], weight: tuple[int, ...], settings: dict[str, Any]
) -> None:
    word = f"conv{len(data) - 2}d"
    args = (meta(*data), meta(*weight), meta(weight[0]))
    rule = by_rule(f"torch.nn.functional.{word}", args, settings)
    assert rule is not None
    assert rule == kernel(getattr(functional, word), *args, **settings)


@pytest.mark.parametrize("dim", [0, 1, -1, 5])
def test_joining(dim: int) -> None:
    said = 0
    for first, second in product(layouts(), layouts()):
        rule = by_rule("torch.cat", ([first, second],), {"dim": dim})
        said += rule is not None
        assert rule in (None, kernel(torch.cat, [first, second], dim=dim))
    assert (said > 0) == (dim != 5)


def test_products_with_a_bias() -> None:
    assert by_rule("torch.addmm", (meta(6), meta(4, 8), meta(8, 6)), {}) == contiguous(
        (4, 6), torch.float32
    )
    assert by_rule("torch.addmm", (meta(6), meta(4, 8), meta(7, 6)), {}) is None


def test_what_is_done_in_place_returns_its_argument() -> None:
    data = meta(4, 8)
    assert by_rule("torch.nn.functional.hardtanh", (data, 0.0, 6.0, True), {}) is IN_PLACE
    assert by_rule("torch.nn.functional.relu", (data,), {"inplace": True}) is IN_PLACE
    assert by_rule("torch.nn.functional.relu", (data, True), {}) is IN_PLACE


@pytest.mark.parametrize(
    ("target", "args", "kwargs"),
    [
        ("torch.nn.functional.batch_norm", (meta(2, 7, 3), *(VECTOR,) * 4), {}),
        ("torch.nn.functional.batch_norm", (meta(2, 8, 3), *(VECTOR,) * 4, True), {}),
        ("torch.nn.functional.layer_norm", (meta(2, 7), (8,)), {}),
        ("torch.nn.functional.linear", (meta(2, 7), MATRIX), {}),
        ("torch.Tensor.add", (meta(3), meta(4)), {}),
        ("torch.Tensor.add", (meta(3), meta(3)), {"alpha": 2}),
        ("torch.add", (meta(3), meta(3)), {"out": meta(3)}),
        ("torch.Tensor.mul", (meta(3), True), {}),
        ("torch.Tensor.relu", (meta(3), 1, 2, 3), {"other": 1}),
        ("torch.cat", ([],), {}),
        ("torch.nn.functional.conv2d", (meta(1, 8, 9, 7), meta(6, 7, 3, 3)), {}),
        ("torch.nn.functional.conv2d", (meta(1, 8, 2, 2), meta(6, 8, 3, 3)), {}),
        ("torch.nn.functional.conv2d", (meta(1, 8, 9, 9), meta(6, 8, 3, 3)), {"padding": "same"}),
        ("torch.nn.functional.conv2d", (meta(8, 9, 9), meta(6, 8, 3, 3)), {}),
        ("torch.nn.functional.conv2d", (meta(1, 8, 9, 9), meta(6, 8, 3, 3)), {"stride": 0}),
        ("torch.nowhere", (meta(3),), {}),
    ],
)
def test_what_does_not_fit_is_left_to_the_kernel(
    target: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    assert by_rule(target, args, kwargs) is None


def test_every_rule_is_of_a_function_that_exists() -> None:
    for target in RULES:
        owner: Any = torch
        for word in target.split(".")[1:]:
            owner = getattr(owner, word)
        assert callable(owner)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("settings", [{}, {"bias": False}, {"add_bias_kv": True}, {"kdim": 8}])
@pytest.mark.parametrize("asked", [{}, {"need_weights": False}])
def test_attention_with_its_projections(
    batch_first: bool,
    settings: dict[str, Any],
    asked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a layer calls, with the query as it lies."""
    original = functional.multi_head_attention_forward
    said = []

    def spy(*args: Any, **kwargs: Any) -> Any:
        rule = by_rule("torch.nn.functional.multi_head_attention_forward", args, kwargs)
        result = original(*args, **kwargs)
        assert rule in (None, specify(result))
        said.append(rule is not None)
        return result

    monkeypatch.setattr(functional, "multi_head_attention_forward", spy)
    layer = nn.MultiheadAttention(16, 4, batch_first=batch_first, device="meta", **settings)
    narrow = meta(2, 7, settings.get("kdim", 16))
    wide = meta(2, 7, 16)
    layer(meta(2, 5, 16) if batch_first else meta(5, 7, 16), narrow, wide, **asked)
    assert said == [bool(asked) and settings in ({}, {"bias": False})]
