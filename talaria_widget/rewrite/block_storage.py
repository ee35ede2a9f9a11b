"""Weights in blocks of 4 or 8 bits, each block with a scale: ONNX Runtime's MatMulNBits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from talaria_widget.recipe import Quantize
from talaria_widget.rewrite.draft import MICROSOFT, Draft
from talaria_widget.rewrite.integers import Floats
from talaria_widget.rewrite.uses import Use, Weight, is_plain

Bytes = NDArray[np.uint8]


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
    packed, scales = pack_blocks(rows, option.bits, option.block_size)
    kept = [
        draft.store(f"{weight.tensor}_quantized", packed),
        draft.store(f"{weight.tensor}_scale", scales),
    ]
    parts[weight.name] = kept
    for use in weight.uses:
        _replace(draft, use.node, kept, rows.shape, option.bits, option.block_size)
    draft.remove_dead()


def _product(use: Use, rank: int) -> bool:
    node = use.node
    return (
        rank == 2
        and use.slot == 1
        and use.axis is not None
        and (node.op_type == "MatMul" or (node.op_type == "Gemm" and is_plain(node)))
    )


def _replace(
    draft: Draft, node: NodeProto, kept: list[str], shape: tuple[int, ...], bits: int, size: int
) -> None:
    output = node.output[0]
    bias = node.input[2] if len(node.input) > 2 else ""
    draft.remove([node])
    made = draft.fresh(f"{output}_product") if bias else output
    draft.add(
        "MatMulNBits",
        [node.input[0], *kept],
        made,
        domain=MICROSOFT,
        N=shape[0],
        K=shape[1],
        bits=bits,
        block_size=size,
    )
    if bias:
        draft.add("Add", [made, bias], output)


def pack_blocks(rows: Floats, bits: int, size: int) -> tuple[Bytes, Floats]:
    """Rows (N, K) as unsigned integers around 2^(bits - 1), (N, blocks, size x bits / 8).

    A block's scale maps its value of largest magnitude to the lowest integer; the last block
    of a row is filled with zeros. The low half of a byte comes first.
    """
    count, inputs = rows.shape
    blocks = -(-inputs // size)
    padded = np.zeros((count, blocks * size), np.float32)
    padded[:, :inputs] = rows
    padded = padded.reshape(count, blocks, size)
    middle = 2 ** (bits - 1)
    at = np.abs(padded).argmax(axis=2, keepdims=True)
    scales = np.take_along_axis(padded, at, axis=2) / -middle
    steps = padded / np.where(scales == 0, 1, scales)
    integers = np.clip(np.rint(steps) + middle, 0, 2 * middle - 1).astype(np.uint8)
    if bits == 4:
        integers = integers[:, :, 0::2] | (integers[:, :, 1::2] << 4)
    return integers, np.asarray(scales[:, :, 0], dtype=np.float32)
