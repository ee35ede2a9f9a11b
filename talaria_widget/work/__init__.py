"""What each op computes and moves: one counter per kind, in an explicit table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from talaria_widget.graph import Graph, Op, Work
from talaria_widget.work.attention import count_attention
from talaria_widget.work.conv import count_conv, count_conv_transpose
from talaria_widget.work.formulas import FORMULAS
from talaria_widget.work.matmul import count_linear, count_matmul
from talaria_widget.work.movement import count_control, count_embedding, count_movement
from talaria_widget.work.norm import count_norm
from talaria_widget.work.pointwise import (
    ACTIVATION,
    count_activation,
    count_cast,
    count_elementwise,
    count_softmax,
)
from talaria_widget.work.recurrent import count_recurrent
from talaria_widget.work.reduction import count_pool, count_reduction, count_resize
from talaria_widget.work.registered import register, registered
from talaria_widget.work.shapes import output_size
from talaria_widget.work.traffic import traffic
from talaria_widget.work.words import WORDS

__all__ = ["COUNTERS", "Counter", "count", "register"]

Counter = Callable[[Graph, Op], tuple[int, int]]
"""Multiply-adds, and the FLOPs beside them; a `LookupError` means unknown."""

COUNTERS: Mapping[str, Counter] = MappingProxyType(
    {
        "conv": count_conv,
        "conv_transpose": count_conv_transpose,
        "linear": count_linear,
        "matmul": count_matmul,
        "attention": count_attention,
        "recurrent": count_recurrent,
        "embedding": count_embedding,
        "norm": count_norm,
        "activation": count_activation,
        "elementwise": count_elementwise,
        "reduction": count_reduction,
        "softmax": count_softmax,
        "pool": count_pool,
        "resize": count_resize,
        "movement": count_movement,
        "cast": count_cast,
        "layout": count_movement,
        "control": count_control,
    }
)


def count(graph: Graph, op: Op, counters: Mapping[str, Counter] = COUNTERS) -> Work:
    """What `op` computes and moves.

    FLOPs = 2 x MACs + everything beside them: bias adds, and elementwise work by the rates
    in `pointwise`, `norm` and `reduction`. A fused `attrs["activation"]` is added. An op that
    runs several times has the work of them all; a counter given to `register` comes first, then
    the formula of an operator that has one of its own.

    Args:
        graph: The graph that holds the op's tensors.
        op: The op to count.
        counters: The counter of each kind, to override the built-in table.

    Returns:
        The work; a field is `None` where the kind, the word or a shape is unknown.

    Raises:
        ValueError: a registered counter failed, or gave no count.

    Example:
        >>> from talaria_widget.graph import Tensor
        >>> tensors = {n: Tensor(n, (2, 3)) for n in ("x", "y")}
        >>> op = Op("relu", "activation", "relu", inputs=("x",), outputs=("y",))
        >>> count(Graph("g", "torch", (op,), tensors, ("x",), ("y",)), op)
        Work(macs=0, flops=6, weight_bytes=0, read_bytes=24, write_bytes=24)
    """
    macs: int | None
    flops: int | None
    try:
        macs, rest = registered(graph, op) or _counter(op, counters)(graph, op)
        if "activation" in op.attrs:
            rest += output_size(graph, op) * ACTIVATION[op.attrs["activation"]]
        flops = 2 * macs + rest
    except LookupError:
        macs = flops = None
    return Work(macs, flops, *traffic(graph, op)) * op.times


def _counter(op: Op, counters: Mapping[str, Counter]) -> Counter:
    """The operator's own formula, else its word's, else its kind's."""
    if op.target in FORMULAS:
        return FORMULAS[op.target]
    if op.kind not in ("unknown", "control") and op.word in WORDS:
        return WORDS[op.word]
    return counters[op.kind]
