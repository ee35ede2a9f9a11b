"""Functions of functions, which torch hides from a function mode, made visible to a trace."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch._functorch import apis
from torch.overrides import TorchFunctionMode


@contextmanager
def whole(mode: TorchFunctionMode) -> Iterator[None]:
    """Change, until the block ends, how four things run under a mode.

    `vmap` and a ScriptModule are one call each: inside them every tensor is a wrapper, or
    Python sees none. `cond` is its chosen branch, for it compiles itself, which a mode
    forbids. What `torch.compile` made runs as written, for compiling takes seconds.
    """
    vmap: Any = apis.vmap_impl  # type: ignore[attr-defined]
    cond = torch.cond

    def choose(
        pred: Any,
        true_fn: Callable[..., Any],
        false_fn: Callable[..., Any],
        operands: tuple[Any, ...] | list[Any] = (),
    ) -> Any:
        if _active() is not mode:
            return cond(pred, true_fn, false_fn, operands)
        return (true_fn if bool(pred) else false_fn)(*operands)

    script = _one_call(mode, "torch.jit", "ScriptModule", nn.Module.__call__)
    with ExitStack() as stack:
        stack.enter_context(patch.object(apis, "vmap_impl", _one_call(mode, "torch", "vmap", vmap)))
        stack.enter_context(patch.object(torch, "cond", choose))
        stack.enter_context(patch.object(torch, "compile", _as_written))
        stack.enter_context(patch.object(torch.jit.ScriptModule, "__call__", script))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


def _as_written(model: Any = None, **_: Any) -> Any:
    return (lambda inner: inner) if model is None else model


def _one_call(
    mode: TorchFunctionMode, module: str, name: str, original: Callable[..., Any]
) -> Callable[..., Any]:
    def named(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    named.__module__, named.__name__ = module, name

    def call(*args: Any, **kwargs: Any) -> Any:
        if _active() is not mode:
            return original(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            return mode.__torch_function__(named, (), args, kwargs)

    return call


def _active() -> Any:
    depth = torch._C._len_torch_function_stack()
    return torch._C._get_function_stack_at(depth - 1) if depth else None
