"""What `torch.vmap` left in an exported graph: a stretch of nodes on tensors with a hidden axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

TARGET = "torch.vmap.exported"
_OPENS, _CLOSES = "_vmap_increment_nesting", "_vmap_decrement_nesting"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Nodes to be run together, what enters them, and what of them is used after."""

    nodes: tuple[fx.Node, ...]
    entering: tuple[fx.Node, ...]
    leaving: tuple[fx.Node, ...]


def stretch(nodes: Sequence[fx.Node], at: int) -> Stretch | None:
    """The stretch that begins at a node; `None` where none does."""
    if _name(nodes[at]) != _OPENS:
        return None
    depth, end = 0, at
    for end in range(at, len(nodes)):
        depth += {_OPENS: 1, _CLOSES: -1}.get(_name(nodes[end]), 0)
        if depth == 0:
            break
    inside = dict.fromkeys(nodes[at : end + 1])
    entering = dict.fromkeys(
        item for node in inside for item in node.all_input_nodes if item not in inside
    )
    leaving = [node for node in inside if any(user not in inside for user in node.users)]
    return Stretch(tuple(inside), tuple(entering), tuple(leaving))


def runner(found: Stretch) -> Callable[..., list[Any]]:
    """A function of what enters, which gives what leaves."""

    def run(*entering: Any) -> list[Any]:
        made: dict[fx.Node, Any] = dict(zip(found.entering, entering, strict=True))
        with unwound():
            for node in found.nodes:
                args = fx.map_arg(node.args, made.__getitem__)
                kwargs = fx.map_arg(node.kwargs, made.__getitem__)
                target: Any = node.target
                made[node] = target(*args, **kwargs)
        return [made[node] for node in found.leaving]

    return run


@contextmanager
def unwound() -> Iterator[None]:
    """Leave no level of `torch.vmap` behind, also where a block raises."""
    functorch = torch._C._functorch
    depth = functorch.get_dynamic_layer_stack_depth()
    try:
        yield
    finally:
        if functorch.get_dynamic_layer_stack_depth() > depth:
            functorch.pop_dynamic_layer_stack_and_undo_to_depth(depth)


def _name(node: fx.Node) -> str:
    return getattr(node.target, "__name__", "")
