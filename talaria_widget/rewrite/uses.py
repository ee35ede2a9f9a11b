"""Where a stored weight is used in an ONNX model, and which of its axes are output channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from onnx import NodeProto

from talaria_widget.recipe import Option
from talaria_widget.rewrite.draft import Draft, attribute
from talaria_widget.rewrite.links import Reader

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
PRODUCTS = CONVOLUTIONS | {"Gemm", "MatMul"}
RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
MOVES = frozenset(
    {"Identity", "Transpose", "Slice", "Concat", "Unsqueeze", "Squeeze", "Reshape", "Split"}
)

Axis = Callable[[NodeProto, int, int], int | None]


def _matmul_axis(_node: NodeProto, slot: int, rank: int) -> int | None:
    return rank - 1 if slot == 1 else rank - 2 if rank > 1 else None


def _gemm_axis(node: NodeProto, slot: int, _rank: int) -> int | None:
    if slot == 0:
        return 1 if attribute(node, "transA", 0) else 0
    return (0 if attribute(node, "transB", 0) else 1) if slot == 1 else None


def _gather_axis(node: NodeProto, slot: int, _rank: int) -> int | None:
    return 0 if slot == 0 and attribute(node, "axis", 0) == 0 else None


CHANNEL_AXIS: Mapping[str, Axis] = {
    "Conv": lambda _node, slot, _rank: 0 if slot == 1 else None,
    "ConvTranspose": lambda _node, slot, _rank: 1 if slot == 1 else None,
    "Gemm": _gemm_axis,
    "MatMul": _matmul_axis,
    "Gather": _gather_axis,
}


@dataclass(frozen=True, slots=True)
class Use:
    """A node that reads a weight, perhaps transposed on the way.

    `axis` is the weight's own axis of output channels; `None` where the node has none.
    """

    node: NodeProto
    slot: int
    axis: int | None


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight to write anew: what the caller calls it, its tensor in the file, and its uses.

    `axis` has a scale per index, or one holds for all where it is `None`. `static`: the
    activations around its layers are quantized too, or with `dynamic` on every run.
    `recurrent`: it ends in recurrent layers.
    """

    name: str
    tensor: str
    option: Option
    uses: tuple[Use, ...]
    axis: int | None
    static: bool = False
    dynamic: bool = False
    recurrent: bool = False

    @property
    def layers(self) -> list[Use]:
        """The uses that compute in integers."""
        return [u for u in self.uses if u.node.op_type != "Gather"] if self.static else []


def permutation(node: NodeProto, rank: int) -> tuple[int, ...]:
    """How a Transpose or Identity orders the axes of a value of this rank."""
    if node.op_type == "Identity":
        return tuple(range(rank))
    given = cast("list[int] | None", attribute(node, "perm", None))
    return tuple(given) if given else tuple(reversed(range(rank)))


def uses(draft: Draft, weight: str) -> list[Use]:
    """The nodes that use a weight, looked for through Transpose and Identity."""
    rank = len(draft.stored[weight].dims)
    return list(_uses(draft, weight, tuple(range(rank))))


def _uses(draft: Draft, value: str, axes: tuple[int, ...]) -> Iterator[Use]:
    for node, slot in draft.readers(value):
        if node.op_type in ("Transpose", "Identity"):
            order = permutation(node, len(axes))
            yield from _uses(draft, node.output[0], tuple(axes[i] for i in order))
            continue
        rule = CHANNEL_AXIS.get(node.op_type)
        axis = rule(node, slot, len(axes)) if rule is not None and node.domain == "" else None
        yield Use(node, slot, None if axis is None else axes[axis])


def channel_axis(found: list[Use]) -> int | None:
    """The axis that gets a scale per index: that of the first product, `None` for a mere lookup.

    Of a use that is neither, the first axis.
    """
    products = [u.axis for u in found if u.axis is not None and u.node.op_type != "Gather"]
    if products:
        return products[0]
    return None if found and all(u.axis is not None for u in found) else 0


def recurrent_nodes(draft: Draft, weight: str) -> list[NodeProto]:
    """The recurrent nodes in which a weight ends, rearranged or not."""
    seen: set[str] = set()
    found: dict[int, NodeProto] = {}
    waiting = [weight]
    while waiting:
        value = waiting.pop()
        seen.add(value)
        for node, _ in draft.readers(value):
            if node.op_type in RECURRENT:
                found[id(node)] = node
            elif node.op_type in MOVES:
                waiting.extend(name for name in node.output if name not in seen)
    return list(found.values())


def is_plain(node: NodeProto) -> bool:
    """Whether a Gemm is a matrix product and a bias and no more."""
    factors = [attribute(node, name, 1.0) for name in ("alpha", "beta")]
    return factors == [1.0, 1.0] and not attribute(node, "transA", 0)


def bias_of(draft: Draft, use: Use, channels: int) -> Reader | None:
    """The node and input position of a layer's constant bias, a value per output channel."""
    node = use.node
    if node.op_type != "MatMul":
        place = (node, 2) if len(node.input) > 2 and node.input[2] else None
    else:
        made = node.output[0]
        readers = draft.readers(made)
        alone = len(readers) == 1 and made not in draft.lasting
        add = readers[0][0] if alone and readers[0][0].op_type == "Add" else None
        place = None if add is None else (add, 1 - readers[0][1])
    if place is None or (stored := draft.stored.get(place[0].input[place[1]])) is None:
        return None
    dims = list(stored.dims)
    return place if dims and dims[-1] == channels == np.prod(dims) else None
