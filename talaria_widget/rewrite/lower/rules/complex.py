"""Complex numbers, which ONNX knows as pairs on a last axis of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from talaria_widget.rewrite.lower.dtypes import REAL_OF
from talaria_widget.rewrite.lower.emit import CannotLower, Emit
from talaria_widget.rewrite.lower.rules.elementwise import as_pairs

aten = torch.ops.aten
Tensor = torch.Tensor


def _pair(emit: Emit, given: Tensor | complex, out: Tensor) -> str:
    """An operand as pairs that broadcast against others."""
    dtype = REAL_OF[out.dtype]
    if not isinstance(given, Tensor):
        value = complex(given)
        return emit.constant(torch.tensor([value.real, value.imag], dtype=dtype, device="cpu"))
    if given.is_complex():
        return emit.value(given)
    return as_pairs(emit, out, given)


def _parts(emit: Emit, pair: str) -> tuple[str, str]:
    real, imaginary = emit.ops("Split", 2, pair, axis=-1, num_outputs=2)
    return real, imaginary


def linear(kind: str) -> Callable[..., str]:
    """A sum or difference, part by part."""

    def rule(emit: Emit, out: Tensor, a: Any, b: Any, *, alpha: float = 1) -> str:
        if alpha != 1:
            raise CannotLower("a scaled sum of complex numbers")
        return emit.op(kind, _pair(emit, a, out), _pair(emit, b, out))

    return rule


def multiply(emit: Emit, out: Tensor, a: Any, b: Any) -> str:
    """A product; by a real number, of each part."""
    for first, second in ((a, b), (b, a)):
        if isinstance(second, int | float):
            factor = emit.scalar(float(second), REAL_OF[out.dtype])
            return emit.op("Mul", first, factor)
        if isinstance(second, Tensor) and not second.is_complex():
            real = emit.cast(second, REAL_OF[out.dtype])
            return emit.op("Mul", first, emit.op("Unsqueeze", real, emit.ints([-1])))
    (a_real, a_imaginary) = _parts(emit, _pair(emit, a, out))
    (b_real, b_imaginary) = _parts(emit, _pair(emit, b, out))
    real = emit.op("Sub", emit.op("Mul", a_real, b_real), emit.op("Mul", a_imaginary, b_imaginary))
    imaginary = emit.op(
        "Add", emit.op("Mul", a_real, b_imaginary), emit.op("Mul", a_imaginary, b_real)
    )
    return emit.op("Concat", real, imaginary, axis=-1)


def size(emit: Emit, out: Tensor, x: Tensor) -> str:
    """The absolute value."""
    return emit.op("ReduceL2", x, emit.ints([-1]), keepdims=0)


def same(emit: Emit, out: Tensor, x: Tensor, *_: Any, **__: Any) -> str:
    """The pairs as they are: as a real tensor of one more axis, or as a complex one."""
    paired = REAL_OF.get(out.dtype) == x.dtype and x.dim() == out.dim() + 1
    apart = REAL_OF.get(x.dtype) == out.dtype and out.dim() == x.dim() + 1
    if not (out.dtype == x.dtype or paired or apart):
        raise CannotLower("a complex tensor as another type")
    return emit.value(x)


def conjugate(emit: Emit, out: Tensor, x: Tensor) -> str:
    """The imaginary part with another sign."""
    signs = torch.tensor([1.0, -1.0], dtype=REAL_OF[x.dtype], device="cpu")
    return emit.op("Mul", x, emit.constant(signs))


def join(emit: Emit, out: Tensor, real: Tensor, imaginary: Tensor) -> str:
    """Pairs of two tensors."""
    last = emit.ints([-1])
    return emit.op(
        "Concat",
        emit.op("Unsqueeze", real, last),
        emit.op("Unsqueeze", imaginary, last),
        axis=-1,
    )


def polar(emit: Emit, out: Tensor, radius: Tensor, angle: Tensor) -> str:
    """Pairs of a length and an angle."""
    last = emit.ints([-1])
    parts = [
        emit.op("Unsqueeze", emit.op("Mul", radius, emit.op(kind, angle)), last)
        for kind in ("Cos", "Sin")
    ]
    return emit.op("Concat", *parts, axis=-1)


def part(at: int) -> Callable[..., str]:
    """One of the two parts."""

    def rule(emit: Emit, out: Tensor, x: Tensor) -> str:
        return emit.op("Gather", x, emit.scalar(at, torch.int64), axis=-1)

    return rule


def reshape(emit: Emit, out: Tensor, x: Tensor, *_: Any, **__: Any) -> str:
    """The same pairs in another shape."""
    return emit.value(x) if out.shape == x.shape else emit.reshape(x, (*out.shape, 2))


def expand(emit: Emit, out: Tensor, x: Tensor, *_: Any, **__: Any) -> str:
    """Axes of one repeated."""
    return emit.op("Expand", x, emit.ints((*out.shape, 2)))


def permute(emit: Emit, out: Tensor, x: Tensor, dims: Sequence[int]) -> str:
    """Axes in another order, the pairs last."""
    return emit.op("Transpose", x, perm=[*[d % x.dim() for d in dims], x.dim()])


def transpose(emit: Emit, out: Tensor, x: Tensor, first: int, second: int) -> str:
    """Two axes in each other's place."""
    perm = list(range(x.dim()))
    perm[first], perm[second] = perm[second], perm[first]
    return permute(emit, out, x, perm)


def slice_(
    emit: Emit,
    out: Tensor,
    x: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> str:
    """A part of an axis."""
    first, last, _ = slice(start, end, step).indices(x.shape[dim])
    axis = emit.ints([dim % x.dim()])
    return emit.op("Slice", x, emit.ints([first]), emit.ints([last]), axis, emit.ints([step]))


def select(emit: Emit, out: Tensor, x: Tensor, dim: int, index: int) -> str:
    """One place of an axis, which goes."""
    place = emit.scalar(index % x.shape[dim], torch.int64)
    return emit.op("Gather", x, place, axis=dim % x.dim())


def cat(emit: Emit, out: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> str:
    """One after another."""
    return emit.op("Concat", *[_pair(emit, t, out) for t in tensors], axis=dim % out.dim())


RULES: Mapping[Any, Any] = {
    aten.add.Tensor: linear("Add"),
    aten.sub.Tensor: linear("Sub"),
    aten.mul.Tensor: multiply,
    aten.abs.default: size,
    **dict.fromkeys(
        (
            aten.view_as_real.default,
            aten.view_as_complex.default,
            aten.clone.default,
            aten.contiguous.default,
            aten.detach.default,
            aten.alias.default,
            aten.resolve_conj.default,
            aten.resolve_neg.default,
            aten.to.dtype,
        ),
        same,
    ),
    aten._conj.default: conjugate,
    aten.conj.default: conjugate,
    aten.conj_physical.default: conjugate,
    aten.complex.default: join,
    aten.polar.default: polar,
    aten.real.default: part(0),
    aten.imag.default: part(1),
    **dict.fromkeys(
        (
            aten.view.default,
            aten.reshape.default,
            aten.flatten.using_ints,
            aten.unflatten.int,
            aten.unsqueeze.default,
            aten.squeeze.dim,
        ),
        reshape,
    ),
    aten.expand.default: expand,
    aten.permute.default: permute,
    aten.transpose.int: transpose,
    aten.slice.Tensor: slice_,
    aten.select.int: select,
    aten.cat.default: cat,
}
