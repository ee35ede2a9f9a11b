"""Leaving the user's model, and the random generators, exactly as they were."""

from __future__ import annotations

import random
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import nn

from talaria_widget.frontends.torch.safekeeping.state import NOTHING, find_state

_FOREIGN = ("torch.", "builtins", "typing", "abc")


@contextmanager
def preserve(model: nn.Module, *, spare: bool = False) -> Iterator[None]:
    """Put back, when the block ends, all that a forward may have changed.

    Restored: the attributes of every module, of its class, and of the plain objects it holds;
    the dicts, lists and sets among them (however nested); torch's default dtype; and the
    random state of torch, numpy, Python and the generators that the model holds. A tensor
    whose values changed cannot be put back; that is warned of, unless the model is a spare
    copy.
    """
    modules = list(model.modules())
    classes = _class_attributes(modules)
    held = find_state([*(vars(module) for module in modules), *(dict(c) for _, c in classes)])
    versions = [
        (tensor, _version(tensor))
        for module in modules
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None
    ]
    dtype = torch.get_default_dtype()
    python, numpy_state, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    accelerator = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        for kind, attributes in classes:
            _put_class_back(kind, attributes)
        for container, content in held.containers:
            _put_back(container, content)
        for put, state in held.generators:
            put(state)
        torch.set_default_dtype(dtype)
        random.setstate(python)
        np.random.set_state(numpy_state)
        torch.set_rng_state(cpu)
        if accelerator is not None:
            torch.cuda.set_rng_state_all(accelerator)
        if not spare and any(_version(tensor) != version for tensor, version in versions):
            warnings.warn(
                "reading the model changed some of its tensors in place; reload its weights",
                stacklevel=4,
            )


def _version(tensor: torch.Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version


def _class_attributes(modules: list[nn.Module]) -> list[tuple[type, dict[str, Any]]]:
    """The attributes of the modules' own classes, torch's aside."""
    classes = {kind: None for module in modules for kind in type(module).__mro__}
    return [
        (kind, dict(vars(kind)))
        for kind in classes
        if kind is not object and not kind.__module__.startswith(_FOREIGN)
    ]


def _put_class_back(kind: type, content: dict[str, Any]) -> None:
    for name in [name for name in vars(kind) if name not in content]:
        delattr(kind, name)
    for name, value in content.items():
        if not name.startswith("__") and vars(kind).get(name) is not value:
            setattr(kind, name, value)


def _put_back(container: Any, content: Any) -> None:
    if content is NOTHING:
        if container:
            container.clear()
    elif isinstance(container, dict):
        same = _same(container, content) and _same(container.values(), content.values())
        if not same:
            container.clear()
            container.update(content)
    elif isinstance(container, set):
        if len(container) != len(content) or container != content:
            container.clear()
            container.update(content)
    elif not _same(container, content):
        container.clear()
        container.extend(content)


def _same(items: Collection[Any], others: Collection[Any]) -> bool:
    """Whether both hold the very same things in the same order."""
    return len(items) == len(others) and all(map(is_, items, others))
