"""What a Gemm is beside a matrix product: turned inputs, factors, a bias."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from talaria_widget.rewrite.draft import Draft, attribute


def gemm_factors(node: NodeProto) -> tuple[float, float]:
    """What a product and its bias are multiplied by; 1 for a MatMul."""
    return attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)


def turned_input(draft: Draft, node: NodeProto) -> str:
    """The left side of a product, as (rows, inputs)."""
    left: str = node.input[0]
    if node.op_type != "Gemm" or not attribute(node, "transA", 0):
        return left
    return draft.add("Transpose", [left], draft.fresh(f"{left}_turned"), perm=[1, 0])


def times(draft: Draft, name: str, factor: float, output: str = "") -> str:
    """A value multiplied by a number: at once where it is stored, else by a node."""
    if factor == 1:
        return name
    if name in draft.stored:
        values = draft.array(name).astype(np.float32)
        return draft.store(f"{name}_scaled", values * np.float32(factor))
    number = draft.store(f"{name}_factor", np.asarray(factor, np.float32))
    return draft.add("Mul", [name, number], output or draft.fresh(f"{name}_scaled"))
