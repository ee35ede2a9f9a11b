"""What is known of an operator before it is called: its rule, what it writes, its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch._decomp import decomposition_table
from torch._ops import OpOverload

from talaria_widget.rewrite.lower.rules import COMPLEX_RULES, RULES


class Plan:
    """What is known of an operator from its schema."""

    __slots__ = (
        "composite",
        "factory",
        "functional",
        "may_alias",
        "parts",
        "random",
        "rule",
        "word",
        "writes",
    )

    def __init__(self, function: OpOverload) -> None:
        schema = function._schema
        name = schema.name.partition("::")[2]
        single = len(schema.returns) == 1 and str(schema.returns[0].type) == "Tensor"
        self.word = name if single else None
        self.rule = RULES.get(function) or COMPLEX_RULES.get(function)
        self.may_alias = any(item.alias_info is not None for item in schema.returns)
        written = [
            i for i, a in enumerate(schema.arguments) if a.alias_info and a.alias_info.is_write
        ]
        self.writes = bool(written)
        self.functional = _functional(name, function) if written == [0] else None
        self.parts = decomposition_table.get(function)
        self.random = torch.Tag.nondeterministic_seeded in function.tags
        self.factory = not any("Tensor" in str(a.type) for a in schema.arguments)
        self.composite = torch._C._dispatch_has_kernel_for_dispatch_key(
            function.name(), "CompositeImplicitAutograd"
        )


def _functional(name: str, function: OpOverload) -> OpOverload | None:
    """The operator that gives anew what this one writes into its first argument."""
    if not name.endswith("_"):
        return None
    packet = getattr(torch.ops.aten, name[:-1], None)
    return None if packet is None else getattr(packet, function._overloadname, None)


Extent = Callable[[tuple[int, ...], Any], tuple[int, ...]]


DATA_SHAPED: Mapping[Any, tuple[Extent, Callable[[Any], torch.dtype]]] = {
    torch.ops.aten.nonzero.default: (
        lambda shape, args: (shape[0], args[0].dim()),
        lambda args: torch.int64,
    ),
    **dict.fromkeys(
        (
            torch.ops.aten._grouped_mm.default,
            torch.ops.aten.masked_select.default,
            torch.ops.aten.index.Tensor,
        ),
        (lambda shape, args: shape, lambda args: args[0].dtype),
    ),
}
"""What the shape and type of such a result are, given the recorded shape of the call's first."""


_SHAPED_IN_PLACE = "as_strided_ resize_ set_ squeeze_ swapaxes_ swapdims_ t_ transpose_ unsqueeze_"
REFUSED_WRITES = frozenset(
    getattr(packet, overload)
    for packet in (getattr(torch.ops.aten, name) for name in _SHAPED_IN_PLACE.split())
    for overload in packet.overloads()
)
"""Calls that give a tensor another shape or memory, and leave its values."""


def tensors(args: Any, kwargs: Mapping[str, Any]) -> list[torch.Tensor]:
    """The tensors among arguments, lists of them included."""
    found: list[torch.Tensor] = []
    for item in (*args, *kwargs.values()):
        if isinstance(item, torch.Tensor):
            found.append(item)
        elif type(item) in (list, tuple):
            found += tensors(item, {})
    return found
