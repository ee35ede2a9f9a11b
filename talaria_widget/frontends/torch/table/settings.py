"""Builders that add to a plain form what its counter must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from talaria_widget.frontends.torch.table.forms import (
    Builder,
    Form,
    Operands,
    main_weights,
    plain,
)
from talaria_widget.frontends.torch.table.layers import conv
from talaria_widget.graph import Kind


def settings(**defaults: Any) -> Builder:
    """A builder that hands arguments on under their own names, or these defaults."""

    def build(kind: Kind, given: Operands) -> Form:
        attrs = {name: given.get(name, value) for name, value in defaults.items()}
        return replace(plain(kind, given), attrs=attrs)

    return build


def constant(**attrs: Any) -> Builder:
    """A builder whose attributes are the same for every call."""
    return lambda kind, given: replace(plain(kind, given), attrs=attrs)


def sorting(axis: int | None) -> Builder:
    """A sort along `dim`, or along this axis where it is not said (`None`: of all elements)."""

    def build(kind: Kind, given: Operands) -> Form:
        dim = given.get("dim", axis)
        return replace(plain(kind, given), attrs={"axis": dim if isinstance(dim, int) else axis})

    return build


def fourier(kind: Kind, given: Operands) -> Form:
    """A Fourier transform: how many of what length, and whether one side is real.

    Lengths are those of the longer side: the result's, or the signal's before a real transform.
    """
    word = given.call.target.rsplit(".", 1)[-1].strip("_").removeprefix("fft_")
    before, after = given.shape(given["input"]), given.result()
    axes = _axes(word, given, len(before))
    real = word.startswith(("r", "ir", "h", "ih"))
    lengths = [after[axis] for axis in axes]
    if word.startswith(("r", "ih")) and axes:
        sizes = given["n"] if given["n"] is not None else given["s"]
        asked = sizes[-1] if isinstance(sizes, Sequence) else sizes
        lengths[-1] = asked if isinstance(asked, int) and asked > 0 else before[axes[-1]]
    points = prod(lengths)
    spectrum = prod(after[axis] for axis in axes)
    rows = prod(after) // max(1, spectrum)
    return replace(plain(kind, given), attrs={"rows": rows, "length": points, "real": real})


def _axes(word: str, given: Operands, dims: int) -> list[int]:
    dim = given["dim"]
    if isinstance(dim, int):
        return [dim]
    if isinstance(dim, Sequence):
        return list(dim)
    if word.endswith("2"):
        return [-2, -1]
    if word.endswith("n"):
        sizes = given["s"]
        count = len(sizes) if isinstance(sizes, Sequence) else dims
        return list(range(-count, 0))
    return [-1]


def frames(kind: Kind, given: Operands) -> Form:
    """A short-time transform or its inverse: one transform of `n_fft` points per frame."""
    inverse = given.call.target.endswith("istft")
    spectrum = given.shape(given["input"]) if inverse else given.result()
    if not inverse and given["return_complex"] is False:
        spectrum = spectrum[:-1]
    length = int(given["n_fft"])
    attrs = {
        "rows": prod(spectrum[:-2]) * spectrum[-1],
        "length": length,
        "real": spectrum[-2] == length // 2 + 1,
        "window": given["window"] is not None,
    }
    return replace(plain(kind, given), attrs=attrs)


def classes(kind: Kind, given: Operands) -> Form:
    """A loss over classes: whether they are weighted, and how it is reduced."""
    attrs = {"weighted": given["weight"] is not None, "reduction": given.get("reduction", "mean")}
    return replace(plain(kind, given), attrs=attrs)


def grouped(kind: Kind, given: Operands) -> Form:
    """A product of each group of rows with its own matrix (a mixture of experts)."""
    form = plain(kind, given)
    rows, stack = given.shape(given["input"]), given.shape(given["mat2"])
    if len(stack) == 3 and len(rows) == 2:
        return replace(form, attrs={"routed": (rows[0], stack[0])})
    return form


def regions(kind: Kind, given: Operands) -> Form:
    """A pool over regions of a map; `sampling_ratio` 0 is one that the region's size decides."""
    ratio = given.get("sampling_ratio", 0)
    sampling = ratio if isinstance(ratio, int) and ratio > 0 else 0
    return replace(plain(kind, given), attrs={"sampling_ratio": sampling, "mode": "bilinear"})


def deformable(kind: Kind, given: Operands) -> Form:
    """A convolution that reads between pixels: the image, where to read, how much of it."""
    weight = given["weight"]
    others = (given["offset"], given["mask"], given["bias"])
    inputs, weights = given.split((given["input"], weight, *others))
    masked = given.get("use_mask", given["mask"] is not None)
    attrs = {
        "kernel": given.shape(weight)[2:],
        "groups": given.get("groups", 1),
        "masked": bool(masked),
    }
    return Form(kind, inputs, weights, attrs, main_weights(given, {weight: 0}))


def convolution(kind: Kind, given: Operands) -> Form:
    """ATen's one convolution, transposed or not."""
    return conv("conv_transpose" if given["transposed"] else "conv", given)
