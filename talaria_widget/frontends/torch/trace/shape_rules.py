"""Rules for the calls whose meta kernel is slow: what they make, told from their arguments.

Kernels of meta tensors are Python and take up to 3 ms (batch_norm, hardswish); a rule takes
some 10 us. It says what the kernel would, or `None`: arguments of other shapes or layouts than it
knows, or that do not fit, are the kernel's to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from talaria_widget.frontends.torch.trace.specs import IN_PLACE, contiguous, specify

Rule = Callable[..., Any]


def by_rule(target: str, args: Any, kwargs: Mapping[str, Any]) -> Any:
    """The specification that a rule gives for a call, or `None` where there is no rule."""
    rule = RULES.get(target)
    if rule is None:
        return None
    try:
        return rule(*args, **kwargs)
    except TypeError:  # an argument that the rule does not know
        return None


def _dense(*tensors: Any) -> bool:
    """Whether all are contiguous tensors of one floating-point dtype; `None` is passed over."""
    dtype = tensors[0].dtype if isinstance(tensors[0], torch.Tensor) else None
    return (
        dtype is not None
        and dtype.is_floating_point
        and all(
            t is None or (isinstance(t, torch.Tensor) and t.dtype == dtype and t.is_contiguous())
            for t in tensors
        )
    )


def _like(data: torch.Tensor) -> Any:
    return contiguous(tuple(data.shape), data.dtype)


def _unary(inplace: int | None) -> Rule:
    """One number made of one; `inplace` is the position of the argument that says so."""

    def rule(data: Any, *rest: Any, **named: Any) -> Any:
        if named.keys() - {"inplace", "approximate"} or not _dense(data):
            return None
        if inplace is not None and len(rest) >= inplace:
            named["inplace"] = rest[inplace - 1]
        return IN_PLACE if named.get("inplace") else _like(data)

    return rule


def _binary(first: Any, second: Any) -> Any:
    """Two operands of one dtype, one of which spans the other; or a tensor and a number."""
    if isinstance(first, torch.Tensor) and type(second) in (int, float):
        return _like(first) if _dense(first) else None
    if not isinstance(second, torch.Tensor) or not _dense(first, second):
        return None
    wide, narrow = (first, second) if first.dim() >= second.dim() else (second, first)
    if first.dim() == second.dim() and second.numel() > first.numel():
        wide, narrow = second, first
    pairs = zip(reversed(wide.shape), reversed(narrow.shape), strict=False)
    return _like(wide) if all(few in (1, many) for many, few in pairs) else None


def _batch_norm(
    data: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    vectors = (mean, variance, weight, bias)
    if training or mean is None or variance is None or not _dense(data, *vectors):
        return None
    fits = data.dim() > 1 and all(v is None or v.shape == data.shape[1:2] for v in vectors)
    return _like(data) if fits else None


def _layer_norm(
    data: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    shape = tuple(shape)
    if not shape or not _dense(data, weight, bias) or tuple(data.shape[-len(shape) :]) != shape:
        return None
    fits = all(part is None or tuple(part.shape) == shape for part in (weight, bias))
    return _like(data) if fits else None


def _rms_norm(data: Any, shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    return _layer_norm(data, shape, weight)


def _grouped(
    rows: Any, stack: Any, *, offs: Any = None, bias: Any = None, out_dtype: Any = None
) -> Any:
    """Rows times a matrix of their group; the meta kernel takes bfloat16 alone."""
    if rows.dim() != 2 or stack.dim() != 3:
        return None
    return contiguous((rows.shape[0], stack.shape[2]), out_dtype or rows.dtype)


def _one_dtype(rule: Rule | None = None) -> Rule:
    """A kernel that takes operands of one dtype alone, which its meta kernel does not ask for."""

    def checked(data: Any, weight: Any, *rest: Any, **named: Any) -> Any:
        both = isinstance(data, torch.Tensor) and isinstance(weight, torch.Tensor)
        if both and data.dtype != weight.dtype:
            raise RuntimeError(f"operands of one dtype are wanted: {data.dtype}, {weight.dtype}")
        return None if rule is None else rule(data, weight, *rest, **named)

    return checked


def _linear(data: Any, weight: Any, bias: Any = None) -> Any:
    if not _dense(data, weight, bias) or weight.dim() != 2 or data.dim() < 1:
        return None
    out, wide = weight.shape
    fits = data.shape[-1] == wide and (bias is None or tuple(bias.shape) == (out,))
    return contiguous((*data.shape[:-1], out), data.dtype) if fits else None


def _conv(axes: int) -> Rule:
    """A convolution over so many axes of a batch; `padding="same"` is the kernel's to judge."""

    def rule(
        data: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        if not _dense(data, weight, bias) or not data.dim() == weight.dim() == axes + 2:
            return None
        out, entering = weight.shape[:2]
        fits = groups > 0 and data.shape[1] == entering * groups and out % groups == 0
        if not fits or 0 in data.shape or (bias is not None and tuple(bias.shape) != (out,)):
            return None
        sizes = []
        for axis in range(axes):
            step, around, apart = (_of(p, axis, axes) for p in (stride, padding, dilation))
            if step < 1 or around < 0 or apart < 1:
                return None
            left = data.shape[axis + 2] + 2 * around - apart * (weight.shape[axis + 2] - 1) - 1
            sizes.append(left // step + 1)
        return contiguous((data.shape[0], out, *sizes), data.dtype) if min(sizes) > 0 else None

    return rule


def _of(setting: Any, axis: int, axes: int) -> int:
    """What a setting says of one axis.

    Raises:
        TypeError: it is neither a number nor one for each axis.
    """
    if isinstance(setting, list | tuple) and len(setting) in (1, axes):
        setting = setting[axis if len(setting) == axes else 0]
    if type(setting) is not int:
        raise TypeError(setting)
    return setting


def _cat(tensors: Any, dim: int = 0) -> Any:
    if not isinstance(tensors, list | tuple) or not tensors or not _dense(*tensors):
        return None
    shape = list(tensors[0].shape)
    if None in tensors or not -len(shape) <= dim < len(shape):
        return None
    rest = shape[:dim] + shape[dim + 1 :] if dim >= 0 else None
    if rest is None:
        return _cat(tensors, dim + len(shape))
    for tensor in tensors:
        sizes = list(tensor.shape)
        if len(sizes) != len(shape) or sizes[:dim] + sizes[dim + 1 :] != rest:
            return None
    shape[dim] = sum(tensor.shape[dim] for tensor in tensors)
    return contiguous(tuple(shape), tensors[0].dtype)


def _adaptive_pool(data: Any, size: Any) -> Any:
    sizes = (size, size) if isinstance(size, int) else tuple(size)
    if len(sizes) != 2 or not _dense(data) or data.dim() not in (3, 4) or 0 in data.shape:
        return None
    kept = [old if new is None else new for old, new in zip(data.shape[-2:], sizes, strict=True)]
    return contiguous((*data.shape[:-2], *kept), data.dtype) if min(kept) > 0 else None


def _roll(data: Any, shifts: Any, dims: Any = None) -> Any:
    if not _dense(data) or dims is None:
        return None
    axes = dims if isinstance(dims, list | tuple) else (dims,)
    moves = shifts if isinstance(shifts, list | tuple) else (shifts,)
    inside = all(-data.dim() <= axis < data.dim() for axis in axes)
    return _like(data) if inside and len(axes) == len(moves) else None


def _addmm(added: Any, first: Any, second: Any) -> Any:
    if not _dense(added, first, second) or first.dim() != 2 or second.dim() != 2:
        return None
    shape = (first.shape[0], second.shape[1])
    fits = first.shape[1] == second.shape[0] and tuple(added.shape) == shape[1:]
    return contiguous(shape, first.dtype) if fits else None


def _pow(data: Any, exponent: Any) -> Any:
    return _binary(data, exponent) if type(exponent) in (int, float) else None


def _recurrent(states: int) -> Rule:
    def rule(data: Any, second: Any, third: Any, fourth: Any, *rest: Any) -> Any:
        packed = isinstance(fourth, list | tuple)
        hidden, bidirectional = (third, rest[4]) if packed else (second, rest[3])
        carried = hidden if isinstance(hidden, list | tuple) else (hidden,)
        width = carried[0].shape[-1] * (2 if bidirectional else 1)
        finals = [contiguous(tuple(state.shape), state.dtype) for state in carried[:states]]
        return (contiguous((*data.shape[:-1], width), data.dtype), *finals)

    return rule


def _attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    *_: Any,
    **__: Any,
) -> Any:
    """The fused kernel lays its result out as the query; the meta kernel does not say so."""
    fused = (
        query.dim() == 4
        and query.stride(-1) == 1
        and query.shape[-1] == key.shape[-1] == value.shape[-1]
        and query.shape[0] == key.shape[0] == value.shape[0]
        and query.dtype == key.dtype == value.dtype
        and dropout_p == 0
        and (attn_mask is None or attn_mask.dim() in (2, 4))
    )
    return specify(torch.empty_like(query)) if fused else None


def _multi_head(
    query: Any, key: Any, value: Any, width: int, heads: int, *settings: Any, **named: Any
) -> Any:
    """Attention with its projections, of which nobody wants the weights: the query's own shape.

    The kernel is Python that runs every product anew; it judges all that is unusual.
    """
    stored = [item for item in (*settings, *named.values()) if isinstance(item, torch.Tensor)]
    plain = (
        named.get("need_weights") is False
        and named.get("attn_mask") is None
        and named.get("key_padding_mask") is None
        and not named.get("use_separate_proj_weight")
        and len(settings) > 6
        and settings[2:5] == (None, None, False)
    )
    fits = (
        plain
        and _dense(*stored)
        and query.dtype == key.dtype == value.dtype == stored[0].dtype
        and query.dim() == 3
        and key.shape == value.shape
        and query.shape[1:] == key.shape[1:]
        and query.shape[2] == width
        and heads > 0
        and width % heads == 0
        and [tuple(item.shape) for item in stored if item.dim() == 2]
        == [(3 * width, width), (width, width)]
    )
    return (_like(query), None) if fits else None  # in rows, however the query lies


_ACTIVATIONS = {  # the position of `inplace`
    "relu": 1,
    "relu6": 1,
    "silu": 1,
    "hardswish": 1,
    "hardsigmoid": 1,
    "mish": 1,
    "leaky_relu": 2,
    "elu": 2,
    "hardtanh": 3,
    "gelu": None,
}
_POINTWISE = "relu tanh sigmoid exp rsqrt sqrt sin cos erf neg"

RULES: dict[str, Rule] = {
    "torch.nn.functional.multi_head_attention_forward": _multi_head,
    **{f"torch.nn.functional.{word}": _unary(at) for word, at in _ACTIVATIONS.items()},
    **{f"torch.{word}": _unary(None) for word in _POINTWISE.split()},
    **{f"torch.Tensor.{word}": _unary(None) for word in _POINTWISE.split()},
    **{f"torch.{word}": _binary for word in ("add", "sub", "mul", "div")},
    **{f"torch.Tensor.{word}": _binary for word in ("add", "sub", "mul", "div")},
    **{f"torch.Tensor.{word}": _binary for word in ("__add__", "__sub__", "__mul__")},
    "torch.addmm": _addmm,
    "torch.cat": _cat,
    "torch.pow": _pow,
    "torch.Tensor.pow": _pow,
    "torch.roll": _roll,
    "torch.nn.functional.adaptive_avg_pool2d": _adaptive_pool,
    "torch.nn.functional.batch_norm": _batch_norm,
    "torch.nn.functional.layer_norm": _layer_norm,
    "torch.nn.functional.conv1d": _one_dtype(_conv(1)),
    "torch.nn.functional.conv2d": _one_dtype(_conv(2)),
    "torch.nn.functional.linear": _one_dtype(_linear),
    "torch.matmul": _one_dtype(),
    "torch.Tensor.matmul": _one_dtype(),
    "torch.Tensor.__matmul__": _one_dtype(),
    "torch.mm": _one_dtype(),
    "torch._grouped_mm": _grouped,
    "torch.nn.functional.grouped_mm": _grouped,
    "torch.nn.functional.rms_norm": _rms_norm,
    "torch.nn.functional.scaled_dot_product_attention": _attention,
    "torch.lstm": _recurrent(2),
    "torch.gru": _recurrent(1),
    "torch.rnn_tanh": _recurrent(1),
    "torch.rnn_relu": _recurrent(1),
}
