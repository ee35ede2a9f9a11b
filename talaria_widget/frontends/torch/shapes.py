"""The shape and dtype of a call's result, without running a kernel where that can be had."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch

META = torch.device("meta")
_PLAIN = (str, type(None), torch.dtype, torch.device, torch.memory_format, torch.layout)
_LIMIT = 50_000


@dataclass(frozen=True, slots=True)
class Spec:
    """A fresh tensor's shape, stride and dtype."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def build(self) -> torch.Tensor:
        """A meta tensor of this kind."""
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=META)


class _Unkeyed(Exception):
    """An argument that cannot be part of a key."""


class _InPlace(Enum):
    FIRST = 1


IN_PLACE = _InPlace.FIRST


class Memo:
    """Results of calls that neither alias nor mutate, by function, shapes and plain arguments."""

    def __init__(self) -> None:
        self._results: dict[Any, Any] = {}

    def key(self, function: Any, args: Any, kwargs: Mapping[str, Any]) -> Any:
        """A hashable key of a call on twins, or `None` where it has none."""
        try:
            return (
                function,
                torch.get_default_dtype(),
                _key(args),
                _key(kwargs) if kwargs else None,
            )
        except _Unkeyed:
            return None

    def get(self, key: Any) -> Any:
        """The specification kept under a key, or `None`."""
        return self._results.get(key)

    def put(self, key: Any, result: Any) -> None:
        """Keep the specification of a fresh result, if it has one."""
        spec = specify(result)
        if spec is not None:
            self.put_spec(key, spec)

    def put_spec(self, key: Any, spec: Any) -> None:
        """Keep a specification, or `IN_PLACE`: the call writes and returns its first argument."""
        if len(self._results) > _LIMIT:
            self._results.clear()
        self._results[key] = spec


def specify(result: Any) -> Any:
    """A result with a `Spec` in place of each tensor, or `None` where it holds anything else."""
    if type(result) is torch.Tensor:
        return Spec(tuple(result.shape), result.stride(), result.dtype)
    if type(result) in (tuple, list):
        specs = [None if item is None else specify(item) for item in result]
        if all(spec is not None or item is None for spec, item in zip(specs, result, strict=True)):
            return type(result)(specs)
    return None


def build(spec: Any) -> Any:
    """Fresh meta tensors for a specification."""
    if type(spec) is Spec:
        return spec.build()
    return None if spec is None else type(spec)([build(item) for item in spec])


def _key(item: Any) -> Any:
    kind = type(item)
    if kind is torch.Tensor:
        return (item.shape, item.stride(), item.dtype)
    if kind in (int, float, bool, complex):
        return (kind, item)
    if kind in (tuple, list, torch.Size):
        return (kind, *[_key(part) for part in item])
    if kind is slice:
        return (kind, item.start, item.stop, item.step)
    if kind is dict:
        return (kind, *[(name, _key(part)) for name, part in item.items()])
    if isinstance(item, _PLAIN) or item is Ellipsis:
        return item
    raise _Unkeyed


MEMO = Memo()


def contiguous(shape: tuple[int, ...], dtype: torch.dtype) -> Spec:
    """A contiguous tensor's specification."""
    stride, step = [], 1
    for size in reversed(shape):
        stride.append(step)
        step *= max(size, 1)
    return Spec(shape, tuple(reversed(stride)), dtype)


def _recurrent(states: int) -> Callable[..., Any]:
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


RULES: dict[str, Callable[..., Any]] = {
    "torch.lstm": _recurrent(2),
    "torch.gru": _recurrent(1),
    "torch.rnn_tanh": _recurrent(1),
    "torch.rnn_relu": _recurrent(1),
    "torch.nn.functional.scaled_dot_product_attention": _attention,
}


def by_rule(target: str, args: Any, kwargs: Mapping[str, Any]) -> Any:
    """The specification that a rule gives for a call, or `None` where there is no rule."""
    rule = RULES.get(target)
    return None if rule is None else rule(*args, **kwargs)
