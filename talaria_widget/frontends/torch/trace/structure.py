"""Walking the arguments and results of calls: tensors out, references in, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from talaria_widget.frontends.torch.trace.recording import Ref

_DEPTH = 8
_PLAIN = frozenset((int, float, bool, str, type(None), torch.dtype, torch.device))


def refer(item: Any, mark: Callable[[torch.Tensor], Ref]) -> Any:
    """A structure of arguments with each tensor replaced by what `mark` gives for it."""
    kind = type(item)
    if kind in _PLAIN:
        return item
    if isinstance(item, torch.Tensor):
        return mark(item)
    if kind is tuple or kind is list:
        return kind([refer(part, mark) for part in item])
    if kind is dict:
        return {name: refer(part, mark) for name, part in item.items()}
    if kind is slice:
        parts = (item.start, item.stop, item.step)
        if any(isinstance(part, torch.Tensor) for part in parts):
            return slice(*[refer(part, mark) for part in parts])
        return item
    if isinstance(item, tuple | list):
        return tuple(refer(part, mark) for part in item)
    return item


def fill(item: Any, find: Callable[[Ref], Any]) -> Any:
    """The inverse: a structure with each reference replaced by what `find` gives for it."""
    kind = type(item)
    if kind is Ref:
        return find(item)
    if kind in _PLAIN:
        return item
    if kind is tuple or kind is list:
        return kind([fill(part, find) for part in item])
    if kind is dict:
        return {name: fill(part, find) for name, part in item.items()}
    if kind is slice and any(type(p) is Ref for p in (item.start, item.stop, item.step)):
        return slice(*[fill(part, find) for part in (item.start, item.stop, item.step)])
    return item


def replace(item: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A result with each tensor changed, its containers kept as they are where none changes."""
    if isinstance(item, torch.Tensor):
        return change(item)
    if isinstance(item, tuple | list):
        parts = [replace(part, change) for part in item]
        if all(new is old for new, old in zip(parts, item, strict=True)):
            return item
        named = hasattr(item, "_fields")
        return type(item)(*parts) if named else type(item)(parts)
    if type(item) is dict:
        return {name: replace(part, change) for name, part in item.items()}
    return item


def tensors(item: Any, depth: int = _DEPTH) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor in a model's inputs or outputs, with a dotted name for where it lies.

    Looks into lists, tuples, mappings (so into `ModelOutput`) and the attributes of other
    objects (dataclasses, caches), but not into modules.
    """
    if isinstance(item, torch.Tensor):
        yield "", item
    elif depth == 0 or isinstance(item, nn.Module | type | str | bytes):
        return
    else:
        for name, part in _parts(item):
            for inner, tensor in tensors(part, depth - 1):
                yield (f"{name}.{inner}" if inner else name), tensor


def _parts(item: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(item, Mapping):
        yield from ((str(name), part) for name, part in item.items())
    elif isinstance(item, list | tuple | set):
        names = getattr(item, "_fields", None) or range(len(item))
        yield from ((str(name), part) for name, part in zip(names, item, strict=False))
    elif hasattr(item, "__dict__") and not callable(item):
        yield from vars(item).items()
