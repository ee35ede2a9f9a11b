"""Functions of functions (`vmap`, `grad`, `vjp`, `jvp`): their bodies read once, on a sample.

Inside them torch wraps every tensor, so that a mode sees calls on tensors that no call made.
Here the body runs outside, on the first sample, and its calls count once for each; then one
call stands for the whole. What a derivative costs beyond its function is not known: that call
is an unknown operation.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Protocol
from unittest.mock import patch

import torch
from torch._functorch import apis, eager_transforms
from torch.utils import _pytree as pytree

_batching: Any = importlib.import_module("torch._functorch.vmap")


class Recorder(Protocol):
    """What a trace offers to functions of functions."""

    def inside(self, times: int | None = 1) -> AbstractContextManager[None]:
        """Record the calls of a block, each as running so many times."""

    def compose(
        self, target: str, function: Callable[[Any], Any], given: Any, like: Callable[[], Any]
    ) -> Any:
        """Record one call of a function; `like` makes results of its shapes without data."""

    def is_active(self) -> bool:
        """Whether calls are being recorded now."""


@contextmanager
def seen_through(recorder: Recorder) -> Iterator[None]:
    """Run `vmap` and its kin as this file says until the block ends."""
    vmap: Any = apis.vmap_impl  # type: ignore[attr-defined]
    transforms: Any = eager_transforms
    replacements = (
        (apis, "vmap_impl", vmap, _vmap),
        (transforms, "grad_and_value_impl", transforms.grad_and_value_impl, _grad),
        (transforms, "_vjp_with_argnums", transforms._vjp_with_argnums, _vjp),
        (transforms, "_jvp_with_argnums", transforms._jvp_with_argnums, _jvp),
    )
    changes = [
        patch.object(owner, name, _while_active(recorder, original, replacement))
        for owner, name, original, replacement in replacements
    ]
    for change in changes:
        change.start()
    try:
        yield
    finally:
        for change in changes:
            change.stop()


def _while_active(
    recorder: Recorder, original: Callable[..., Any], replacement: Callable[..., Any]
) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if not recorder.is_active():
            return original(*args, **kwargs)
        return replacement(recorder, original, *args, **kwargs)

    return call


def _vmap(
    recorder: Recorder,
    original: Callable[..., Any],
    function: Callable[..., Any],
    in_dims: Any,
    out_dims: Any,
    randomness: str,
    chunk_size: int | None,
    *args: Any,
    **kwargs: Any,
) -> Any:
    size, dims, flat, spec = _batching._process_batched_inputs(in_dims, args, function)
    with recorder.inside(size):
        sample = [
            item if dim is None else _first(item, dim) for dim, item in zip(dims, flat, strict=True)
        ]
        outputs = function(*pytree.tree_unflatten(sample, spec), **kwargs)
    leaves, out_spec = pytree.tree_flatten(outputs)
    places = _batching._broadcast_to_and_flatten(out_dims, out_spec) or [0] * len(leaves)

    def like() -> Any:
        wide = [_widen(leaf, place, size) for leaf, place in zip(leaves, places, strict=True)]
        return pytree.tree_unflatten(wide, out_spec)

    def whole(given: Any) -> Any:
        (values, named), _ = given
        return original(function, in_dims, out_dims, randomness, chunk_size, *values, **named)

    return recorder.compose("torch.vmap", whole, ((args, kwargs), leaves), like)


def _first(batch: torch.Tensor, dim: int) -> torch.Tensor:
    if batch.shape[dim]:
        return batch.select(dim, 0)
    return batch.new_zeros([*batch.shape[:dim], *batch.shape[dim:][1:]])


def _widen(leaf: torch.Tensor, place: int | None, size: int) -> torch.Tensor:
    """An empty tensor with the batch at its place; a result without one stays as it is."""
    shape = list(leaf.shape)
    if place is not None:
        shape.insert(place % (len(shape) + 1), size)
    return torch.empty(shape, dtype=leaf.dtype, device="meta")


def _grad(
    recorder: Recorder,
    original: Callable[..., Any],
    function: Callable[..., Any],
    argnums: Any,
    has_aux: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    with recorder.inside():
        output = function(*args, **kwargs)
    inner = output[0] if has_aux else output

    def whole(given: Any) -> Any:
        (values, named), _ = given
        return original(function, argnums, has_aux, values, named)[0]

    wanted = eager_transforms._slice_argnums(args, argnums, as_tuple=False)
    given = ((args, kwargs), inner)
    return recorder.compose("torch.func.grad", whole, given, partial(_empty, wanted)), output


def _vjp(
    recorder: Recorder,
    original: Callable[..., Any],
    function: Callable[..., Any],
    *primals: Any,
    argnums: Any = None,
    has_aux: bool = False,
) -> Any:
    with recorder.inside():
        output = function(*primals)
    inner, rest = (output[0], (output[1],)) if has_aux else (output, ())
    wanted = (
        primals
        if argnums is None
        else eager_transforms._slice_argnums(primals, argnums, as_tuple=False)
    )

    def pull(cotangents: Any, **_: Any) -> Any:
        def whole(given: Any) -> Any:
            values, back, _ = given
            return original(function, *values, argnums=argnums, has_aux=has_aux)[1](back)

        if not recorder.is_active():
            return whole((primals, cotangents, inner))
        given = (primals, cotangents, inner)
        return recorder.compose("torch.func.vjp", whole, given, partial(_empty, wanted))

    return (inner, pull, *rest)


def _jvp(
    recorder: Recorder,
    original: Callable[..., Any],
    function: Callable[..., Any],
    primals: Any,
    tangents: Any,
    argnums: Any,
    *,
    strict: bool = False,
    has_aux: bool,
) -> Any:
    with recorder.inside():
        output = function(*primals)
    inner, rest = (output[0], (output[1],)) if has_aux else (output, ())

    def whole(given: Any) -> Any:
        values, ahead, _ = given
        return original(function, values, ahead, argnums, strict=strict, has_aux=has_aux)[1]

    given = (primals, tangents, inner)
    pushed = recorder.compose("torch.func.jvp", whole, given, partial(_empty, inner))
    return (inner, pushed, *rest)


def _empty(structure: Any) -> Any:
    """The same structure with empty tensors of the same shapes."""
    return pytree.tree_map(lambda item: torch.empty_like(item, device="meta"), structure)
