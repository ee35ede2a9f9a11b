"""Functions that torch hides from a function mode, made visible to a trace."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch._higher_order_ops import utils as higher_order

from talaria_widget.frontends.torch.bodies.script import read_through
from talaria_widget.frontends.torch.bodies.transforms import seen_through
from talaria_widget.frontends.torch.trace.tracer import Tracer


@contextmanager
def whole(tracer: Tracer) -> Iterator[None]:
    """Change, until the block ends, how what hides its calls runs under a trace.

    What `torch.compile` made runs as written, for compiling takes seconds, and control flow
    does not compile itself, which a mode forbids. `vmap` and its kin run as `transforms` says,
    TorchScript as `script` says.
    """
    with ExitStack() as stack:
        stack.enter_context(seen_through(tracer))
        stack.enter_context(read_through(tracer))
        stack.enter_context(patch.object(torch, "compile", _as_written))
        stack.enter_context(patch.object(higher_order, "_hop_compile_and_call", _call))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


def _as_written(model: Any = None, **_: Any) -> Any:
    return (lambda inner: inner) if model is None else model


def _call(function: Any, args: Any, kwargs: Any = None) -> Any:
    return function(*args, **(kwargs or {}))
