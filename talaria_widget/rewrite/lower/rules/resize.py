"""Images made larger or smaller, and read at given places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import Emit

aten = torch.ops.aten
Tensor = torch.Tensor


def _resize(
    emit: Emit, out: Tensor, x: Tensor, factors: Sequence[float] | None, **attributes: Any
) -> str:
    """By the factors that were given, else to the size that the result has."""
    if factors is None:
        return emit.op("Resize", x, None, None, emit.ints(out.shape), **attributes)
    scales = torch.tensor([1.0, 1.0, *factors], dtype=torch.float32, device="cpu")
    return emit.op("Resize", x, None, emit.constant(scales), **attributes)


def nearest(*, exact: bool) -> Callable[..., str]:
    """The nearest element: torch rounds its place down."""
    where = "half_pixel" if exact else "asymmetric"
    rounding = "round_prefer_ceil" if exact else "floor"

    def rule(
        emit: Emit, out: Tensor, x: Tensor, size: Any, factors: Sequence[float] | None = None
    ) -> str:
        return _resize(
            emit,
            out,
            x,
            factors,
            mode="nearest",
            coordinate_transformation_mode=where,
            nearest_mode=rounding,
        )

    return rule


def smooth(mode: str, *, antialias: bool = False) -> Callable[..., str]:
    """Between the neighbours."""

    def rule(
        emit: Emit,
        out: Tensor,
        x: Tensor,
        size: Any,
        align_corners: bool,
        factors: Sequence[float] | None = None,
    ) -> str:
        where = "align_corners" if align_corners else "half_pixel"
        cubic = {"cubic_coeff_a": -0.5 if antialias else -0.75} if mode == "cubic" else {}
        return _resize(
            emit,
            out,
            x,
            None if align_corners else factors,
            mode=mode,
            coordinate_transformation_mode=where,
            antialias=int(antialias),
            exclude_outside=int(antialias),
            **cubic,
        )

    return rule


_MODES = ("linear", "nearest", "cubic")
_PADDING = ("zeros", "border", "reflection")


def grid_sampler(
    emit: Emit, out: Tensor, x: Tensor, grid: Tensor, mode: int, padding: int, align: bool
) -> str:
    """Elements at places between -1 and 1."""
    return emit.op(
        "GridSample",
        x,
        grid,
        mode=_MODES[mode],
        padding_mode=_PADDING[padding],
        align_corners=int(align),
    )


RULES: Mapping[Any, Any] = {
    **{getattr(aten, f"upsample_nearest{n}d").vec: nearest(exact=False) for n in (1, 2, 3)},
    **{getattr(aten, f"_upsample_nearest_exact{n}d").vec: nearest(exact=True) for n in (1, 2, 3)},
    aten.upsample_linear1d.vec: smooth("linear"),
    aten.upsample_bilinear2d.vec: smooth("linear"),
    aten.upsample_trilinear3d.vec: smooth("linear"),
    aten.upsample_bicubic2d.vec: smooth("cubic"),
    aten._upsample_bilinear2d_aa.vec: smooth("linear", antialias=True),
    aten._upsample_bicubic2d_aa.vec: smooth("cubic", antialias=True),
    aten.grid_sampler.default: grid_sampler,
    aten.grid_sampler_2d.default: grid_sampler,
    aten.grid_sampler_3d.default: grid_sampler,
}
