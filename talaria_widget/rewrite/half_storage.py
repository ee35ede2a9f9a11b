"""Weights kept in 16 bits, cast to their own precision where they are read."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from talaria_widget.recipe import Cast
from talaria_widget.rewrite.draft import Draft
from talaria_widget.rewrite.uses import PRODUCTS, Weight, bias_of

DTYPES = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}


def store_half(draft: Draft, weight: Weight, parts: dict[str, list[str]]) -> None:
    """Store a weight and its layers' biases in the 16 bits that its option names.

    Raises:
        ValueError: a value too large for it.
    """
    assert isinstance(weight.option, Cast)
    dtype = weight.option.dtype
    shape = draft.stored[weight.tensor].dims
    for use in weight.uses:
        if use.axis is None or use.node.op_type not in PRODUCTS:
            continue
        place = bias_of(draft, use, shape[use.axis])
        if place is not None:
            name = place[0].input[place[1]]
            if len(draft.readers(name)) == 1 and name not in draft.lasting:
                parts[name] = [_store(draft, name, dtype)]
    parts[weight.name] = [_store(draft, weight.tensor, dtype)]


def _store(draft: Draft, name: str, dtype: str) -> str:
    values = draft.array(name)
    with np.errstate(over="ignore"):
        kept = values.astype(helper.tensor_dtype_to_np_dtype(DTYPES[dtype]))
    if kept.dtype.itemsize != 2:
        raise ValueError(f"this version of onnx cannot write {dtype}: use Cast('float16').")
    if not np.isfinite(kept.astype(np.float32)).all():
        raise ValueError(f"{name!r} holds values that {dtype} cannot: leave it in float32.")
    whole = helper.np_dtype_to_tensor_dtype(values.dtype)
    draft.drop(name)
    stored = draft.store(f"{name}_{dtype}", kept)
    draft.add("Cast", [stored], name, to=whole)
    return stored
