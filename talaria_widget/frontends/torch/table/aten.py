"""Operators of `torch.ops.aten` as the public functions they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch.nn import functional

_Called = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

# Operators that do what a public function of another name does.
_NAMES = {
    "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm",
    "native_batch_norm": "batch_norm",
    "_native_batch_norm_legit": "batch_norm",
    "_native_batch_norm_legit_no_training": "batch_norm",
    "_native_batch_norm_legit_functional": "batch_norm",
    "numpy_T": "t",
    "_softmax": "softmax",
    "_log_softmax": "log_softmax",
    "_to_copy": "to",
    "_unsafe_view": "view",
    "lift_fresh_copy": "lift_fresh",
    "_adaptive_avg_pool2d": "adaptive_avg_pool2d",
    "_adaptive_avg_pool3d": "adaptive_avg_pool3d",
    "_scaled_dot_product_flash_attention_for_cpu": "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_efficient_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_attention_math": "scaled_dot_product_attention",
    "_local_scalar_dense": "item",
    "_embedding_bag": "embedding_bag",
    "slice": "narrow",
}
# Operators whose arguments stand in another order than the public function's.
_BY_KEYWORD = frozenset(
    [
        "batch_norm",
        "instance_norm",
        "native_group_norm",
        "native_batch_norm",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "_native_batch_norm_legit_functional",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_efficient_attention",
    ]
)
_UPSAMPLINGS = {
    "upsample_nearest1d": "nearest",
    "upsample_nearest2d": "nearest",
    "upsample_nearest3d": "nearest",
    "_upsample_nearest_exact2d": "nearest-exact",
    "upsample_linear1d": "linear",
    "upsample_bilinear2d": "bilinear",
    "upsample_bicubic2d": "bicubic",
    "upsample_trilinear3d": "trilinear",
}
_SPACES = (
    (functional, "torch.nn.functional"),
    (torch.Tensor, "torch.Tensor"),
    (torch, "torch"),
    (torch.special, "torch.special"),
)


def public_target(name: str) -> str:
    """The public name of an operator; its own where there is none."""
    plain = _NAMES.get(name, name)
    for prefix in ("fft_", "linalg_", "special_"):
        if plain.startswith(prefix):
            return f"torch.{prefix[:-1]}.{plain.removeprefix(prefix)}"
    space = next((shown for owner, shown in _SPACES if hasattr(owner, plain)), "torch.ops.aten")
    return f"{space}.{plain}"


def is_called_otherwise(name: str) -> bool:
    """Whether a call of an operator must be written in another way to be read."""
    return name in _BY_KEYWORD or name in _CALLED


def as_public(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Called:
    """A call of such an operator as one whose arguments are found by name."""
    overload = _overload(function, args, kwargs)
    name = overload._schema.name.removeprefix("aten::")
    bound = _bind(overload._schema, args, kwargs)
    if name in _CALLED:
        return _CALLED[name](bound)
    return _keyword(overload), (), bound


class _Keyword:
    """An operator that is called by keyword, so that it is not taken for its plain self."""

    def __init__(self, overload: Any) -> None:
        name = overload._schema.name.removeprefix("aten::")
        self._overload = overload
        self.__name__ = _NAMES.get(name, name)
        self.__module__ = "torch.nn.functional"

    def __call__(self, **arguments: Any) -> Any:
        return self._overload(**arguments)


_keyword = cache(_Keyword)


def _overload(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if isinstance(function, torch._ops.OpOverload):
        return function
    found = [getattr(function, name) for name in function.overloads() if "out" not in name]
    given = len(args) + len(kwargs)
    return next((one for one in found if len(one._schema.arguments) >= given), found[0])


def _bind(schema: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    bound = {
        argument.name: argument.default_value
        for argument in schema.arguments
        if argument.has_default_value()
    }
    named = zip([argument.name for argument in schema.arguments], args, strict=False)
    return {**bound, **dict(named), **kwargs}


def _convolution(given: dict[str, Any]) -> _Called:
    dims = len(given["stride"]) if len(given["stride"]) > 1 else given["weight"].dim() - 2
    word = f"conv_transpose{dims}d" if given["transposed"] else f"conv{dims}d"
    names = ["input", "weight", "bias", "stride", "padding", "dilation", "groups"]
    if given["transposed"]:
        names.append("output_padding")
    return getattr(functional, word), (), {name: given[name] for name in names}


def _embedding(given: dict[str, Any]) -> _Called:
    return functional.embedding, (given["indices"], given["weight"]), {}


def _upsampling(name: str) -> Callable[[dict[str, Any]], _Called]:
    mode = _UPSAMPLINGS[name]

    def call(given: dict[str, Any]) -> _Called:
        shape: dict[str, Any] = {}
        if given.get("output_size") is not None:
            shape["size"] = list(given["output_size"])
        else:
            shape["scale_factor"] = list(given["scale_factors"])
        if "align_corners" in given:
            shape["align_corners"] = given["align_corners"]
        image = given["input"] if "input" in given else given["self"]
        return functional.interpolate, (image,), {**shape, "mode": mode}

    return call


def _same(function: Callable[..., Any]) -> Callable[[dict[str, Any]], _Called]:
    def call(given: dict[str, Any]) -> _Called:
        return function, tuple(given.values()), {}

    return call


def _attention(given: dict[str, Any]) -> _Called:
    return functional.scaled_dot_product_attention, (), given


_CALLED: dict[str, Callable[[dict[str, Any]], _Called]] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "embedding": _embedding,
    "scaled_dot_product_attention": _attention,
    **{name: _same(getattr(torch, name)) for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    **{name: _upsampling(name) for name in _UPSAMPLINGS},
}
