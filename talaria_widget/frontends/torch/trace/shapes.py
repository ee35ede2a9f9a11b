"""The shape and dtype of a call's result, without running a kernel where that can be had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from talaria_widget.frontends.torch.trace.shape_rules import by_rule
from talaria_widget.frontends.torch.trace.specs import IN_PLACE, META, Spec, build, specify

__all__ = ["IN_PLACE", "MEMO", "META", "Memo", "Spec", "build", "by_rule", "specify"]

_PLAIN = (str, type(None), torch.dtype, torch.device, torch.memory_format, torch.layout)
_LIMIT = 50_000


class _Unkeyed(Exception):
    """An argument that cannot be part of a key."""


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

    def clear(self) -> None:
        """Forget everything, as before the first capture."""
        self._results.clear()

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
