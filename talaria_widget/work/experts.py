"""Multiply-adds of a mixture of experts as one op: those of the active experts."""

from __future__ import annotations

from math import prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.pointwise import ACTIVATION, SOFTMAX
from talaria_widget.work.shapes import shape


def count_experts(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = tokens x active experts x the matrices of one expert.

    `attrs["expert"]` is the multiply-adds of one expert for one token, `attrs["inner"]` its inner
    width, `attrs["active"]` how many experts see a token, of `attrs["experts"]`. Beside them:
    the router's softmax, the activation (with a product where it is gated), and the weighted
    sum of what the experts give (Shazeer et al., "Outrageously large neural networks", 2017).
    """
    attrs = op.attrs
    known = shape(graph, op.inputs[0])
    tokens, active = prod(known[:-1]), attrs["active"]
    inner = active * attrs["inner"] * (ACTIVATION[attrs["function"]] + attrs["gated"])
    routing = SOFTMAX["softmax"] * attrs["experts"]
    mixing = (2 * active - 1) * known[-1]
    return tokens * active * attrs["expert"], tokens * (inner + routing + mixing)
