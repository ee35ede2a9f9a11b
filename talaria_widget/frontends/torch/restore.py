"""Leaving the user's model, and the random generators, exactly as they were."""

from __future__ import annotations

import random
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

_CONTAINERS = (dict, list, set, deque)
_NOTHING = ()
_Saved = list[tuple[Any, Any]]


@contextmanager
def preserve(model: nn.Module, *, spare: bool = False) -> Iterator[None]:
    """Put back, when the block ends, all that a forward may have changed.

    Restored: every module's attributes, the dicts, lists and sets among them (however
    nested), and the random state of torch, numpy and Python. A tensor whose values changed
    cannot be put back; that is warned of, unless the model is a spare copy.
    """
    modules = list(model.modules())
    saved = _containers(modules)
    versions = [
        (tensor, _version(tensor))
        for module in modules
        for tensor in (*module._parameters.values(), *module._buffers.values())
        if tensor is not None
    ]
    python, numpy_state, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    accelerator = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        for container, content in saved:
            _put_back(container, content)
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


def _containers(modules: list[nn.Module]) -> _Saved:
    saved: _Saved = []
    seen: set[int] = set()
    for module in modules:
        _save(module.__dict__, saved, seen)
    return saved


def _save(container: Any, saved: _Saved, seen: set[int]) -> None:
    if id(container) in seen:
        return
    seen.add(id(container))
    saved.append((container, container.copy()))
    for item in container.values() if isinstance(container, dict) else container:
        if isinstance(item, _CONTAINERS):
            if item:
                _save(item, saved, seen)
            else:
                saved.append((item, _NOTHING))


def _put_back(container: Any, content: Any) -> None:
    if content is _NOTHING:
        if container:
            container.clear()
    elif isinstance(container, dict):
        if len(container) != len(content) or any(
            key is not old_key or value is not old_value
            for (key, value), (old_key, old_value) in zip(
                container.items(), content.items(), strict=True
            )
        ):
            container.clear()
            container.update(content)
    elif isinstance(container, set):
        if len(container) != len(content) or container != content:
            container.clear()
            container.update(content)
    elif len(container) != len(content) or any(
        a is not b for a, b in zip(container, content, strict=True)
    ):
        container.clear()
        container.extend(content)
