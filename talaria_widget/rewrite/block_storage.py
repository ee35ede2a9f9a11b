"""Weights in blocks of 4 or 8 bits, each block with a scale: ONNX Runtime's MatMulNBits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from talaria_widget.recipe import Quantize
from talaria_widget.rewrite.draft import MICROSOFT, Draft
from talaria_widget.rewrite.gemm import gemm_factors, times, turned_input
from talaria_widget.rewrite.integers import Floats
from talaria_widget.rewrite.uses import Use, Weight

Bytes = NDArray[np.uint8]

INTEGER_SUMS = 4
"""MatMulNBits may round its input to 8 bits per block and sum integers. Of 8-bit blocks ONNX
Runtime has only slow kernels otherwise (1x768x3072: 35 ms for 0.4); of 4-bit blocks it is 2-3
times as fast for one row, but slower from some 50 rows on, so those compute in floats."""


def store_blocks(draft: Draft, weight: Weight, parts: dict[str, list[str]]) -> None:
    """Store a linear layer's weight in blocks and compute its products from them.

    Raises:
        ValueError: a weight that is used otherwise than by matrix products, all one way round.
    """
    option = weight.option
    assert isinstance(option, Quantize)
    assert option.block_size is not None
    values = draft.array(weight.tensor)
    same = [use for use in weight.uses if _product(use, values.ndim) and use.axis == weight.axis]
    odd = next((use.node for use in weight.uses if use not in same), None)
    if odd is not None or not weight.uses or weight.axis is None:
        what = "nothing" if odd is None else f"{odd.op_type} {odd.name!r}"
        raise ValueError(
            f"apply cannot store {weight.name!r} in blocks: it is used by {what}; only linear "
            "layers can."
        )
    rows = np.moveaxis(values.astype(np.float32), weight.axis, 0)
    packed, scales, zeros = pack_blocks(
        rows, option.bits, option.block_size, symmetric=option.symmetric
    )
    kept = [
        draft.store(f"{weight.tensor}_quantized", packed),
        draft.store(f"{weight.tensor}_scale", scales),
    ]
    if zeros is not None:
        kept.append(draft.store(f"{weight.tensor}_zero_point", zeros))
    parts[weight.name] = kept
    for use in weight.uses:
        _replace(draft, use.node, kept, rows.shape, option)
    draft.remove_dead()


def _product(use: Use, rank: int) -> bool:
    node = use.node
    return (
        rank == 2 and use.slot == 1 and use.axis is not None and node.op_type in ("MatMul", "Gemm")
    )


def _replace(
    draft: Draft, node: NodeProto, kept: list[str], shape: tuple[int, ...], option: Quantize
) -> None:
    output = node.output[0]
    factors = gemm_factors(node)
    bias = node.input[2] if len(node.input) > 2 else ""
    draft.remove([node])
    left = turned_input(draft, node)
    made = draft.fresh(f"{output}_product") if bias or factors[0] != 1 else output
    draft.add(
        "MatMulNBits",
        [left, *kept],
        made,
        domain=MICROSOFT,
        N=shape[0],
        K=shape[1],
        bits=option.bits,
        block_size=option.block_size,
        accuracy_level=INTEGER_SUMS if option.bits == 8 else 0,
    )
    if factors[0] != 1:
        made = times(draft, made, factors[0], "" if bias else output)
    if bias:
        draft.add("Add", [made, times(draft, bias, factors[1])], output)


def pack_blocks(
    rows: Floats, bits: int, size: int, *, symmetric: bool = True
) -> tuple[Bytes, Floats, Bytes | None]:
    """Rows (N, K) as unsigned integers, (N, blocks, size x bits / 8), scales, and zero points.

    Symmetric: around 2^(bits - 1), a block's scale maps its value of largest magnitude to the
    lowest integer. Else its lowest and highest value, and 0, take the whole range, and the zero
    points of a row follow each other in bits. The last block of a row is filled with zeros.
    The low half of a byte comes first.
    """
    count, inputs = rows.shape
    blocks = -(-inputs // size)
    padded = np.zeros((count, blocks * size), np.float32)
    padded[:, :inputs] = rows
    padded = padded.reshape(count, blocks, size)
    middle, top = 2 ** (bits - 1), 2**bits - 1
    zero: NDArray[Any] = np.full((count, blocks, 1), middle)
    if symmetric:
        at = np.abs(padded).argmax(axis=2, keepdims=True)
        scales = np.take_along_axis(padded, at, axis=2) / -middle
    else:
        low = np.minimum(padded.min(axis=2, keepdims=True), 0)
        scales = (np.maximum(padded.max(axis=2, keepdims=True), 0) - low) / top
        zero = np.clip(np.rint(-low / np.where(scales == 0, 1, scales)), 0, top)
    steps = padded / np.where(scales == 0, 1, scales)
    integers = _packed(np.clip(np.rint(steps) + zero, 0, top).astype(np.uint8), bits)
    zeros = None if symmetric else _packed(zero[:, :, 0].astype(np.uint8), bits)
    return integers, np.asarray(scales[:, :, 0], dtype=np.float32), zeros


def _packed(integers: Bytes, bits: int) -> Bytes:
    """Two halves to a byte along the last axis."""
    if bits != 4:
        return integers
    if integers.shape[-1] % 2:
        integers = np.concatenate([integers, np.zeros_like(integers[..., :1])], axis=-1)
    low, high = integers[..., 0::2], integers[..., 1::2]
    return np.asarray(low | (high << 4), np.uint8)
