"""What a model holds beside its tensors: containers, plain objects, random generators."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

NOTHING = ()
_CONTAINERS = (dict, list, set, deque)
_LIMIT = 100_000
_FOREIGN = ("torch", "numpy", "builtins", "functools", "threading", "logging", "weakref", "abc")


@dataclass(frozen=True, slots=True)
class State:
    """Each container with a copy of its content, and how to put each generator's state back."""

    containers: list[tuple[Any, Any]] = field(default_factory=list)
    generators: list[tuple[Callable[[Any], Any], Any]] = field(default_factory=list)


def find_state(roots: Iterable[dict[str, Any]]) -> State:
    """The state below some namespaces: of what they hold, and of what that holds in turn."""
    found = State()
    seen: set[int] = set()
    pending: list[Any] = list(roots)
    while pending and len(found.containers) < _LIMIT:
        container = pending.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        found.containers.append((container, container.copy()))
        for item in container.values() if isinstance(container, dict) else container:
            sort = _SORTS.get(type(item)) or _sort(item)
            if sort == "plain":
                continue
            if sort == "container":
                if item:
                    pending.append(item)
                else:
                    found.containers.append((item, NOTHING))
            elif sort == "object":
                pending.append(vars(item))
            elif sort == "tuple":
                pending += [part for part in item if isinstance(part, _CONTAINERS)]
            elif sort == "generator" and id(item) not in seen:
                seen.add(id(item))
                get, put = _GENERATORS[type(item)](item)
                found.generators.append((put, get()))
    return found


def _sort(item: Any) -> str:
    """What is to be kept of things of a type; remembered, for there are few types."""
    kind = type(item)
    if isinstance(item, _CONTAINERS):
        sort = "container"
    elif kind in _GENERATORS:
        sort = "generator"
    elif isinstance(item, tuple):
        sort = "tuple"
    else:
        foreign = kind.__module__.partition(".")[0] in _FOREIGN
        held = isinstance(getattr(item, "__dict__", None), dict)
        module = isinstance(item, nn.Module | torch.Tensor)
        sort = "object" if held and not foreign and not module else "plain"
    _SORTS[kind] = sort
    return sort


def _numpy(generator: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    bits = generator.bit_generator
    return lambda: bits.state, lambda state: setattr(bits, "state", state)


_GENERATORS: dict[type, Callable[[Any], tuple[Callable[[], Any], Callable[[Any], Any]]]] = {
    torch.Generator: lambda generator: (generator.get_state, generator.set_state),
    random.Random: lambda generator: (generator.getstate, generator.setstate),
    np.random.RandomState: lambda generator: (generator.get_state, generator.set_state),
    np.random.Generator: _numpy,
}
_SORTS: dict[type, str] = {}
