"""Functions of functions, which torch hides from a function mode, made visible to a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._functorch import apis
from torch.overrides import TorchFunctionMode


@contextmanager
def whole(mode: TorchFunctionMode) -> Iterator[None]:
    """Until the block ends, `vmap` is one call of the mode, and `cond` its chosen branch.

    Inside `vmap` every tensor is a wrapper that no trace can follow; `cond` compiles itself,
    which a mode forbids.
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

    apis.vmap_impl = _one_call(mode, "torch", "vmap", vmap)  # type: ignore[attr-defined]
    torch.cond = choose
    try:
        yield
    finally:
        apis.vmap_impl = vmap  # type: ignore[attr-defined]
        torch.cond = cond


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
