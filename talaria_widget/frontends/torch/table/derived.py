"""Weights that a layer computes from its parameters in every run: which parameter is behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from talaria_widget.frontends.torch.table.kinds import Entry
from talaria_widget.frontends.torch.trace.recording import Call, Ref, Value
from talaria_widget.frontends.torch.trace.structure import fill

_KINDS = ("conv", "conv_transpose", "linear")


class Derived:
    """The parameters behind values that depend on no input.

    Weight norm, spectral norm and other parametrizations compute a layer's weight; the layer
    still owns the parameter of that weight's shape, so that an option can be chosen for it.
    """

    def __init__(self, values: Sequence[Value]) -> None:
        self._values = values
        self._behind: dict[int, frozenset[int]] = {}

    def follow(self, call: Call) -> None:
        """Take note of what a call computes from parameters alone."""
        if call.depends or not call.trained:
            return
        found = [self._parameters(ref.value) for ref in call.reads]
        behind = frozenset().union(*found)
        for ref in call.writes:
            self._behind[ref.value] = behind

    def own(self, call: Call, entry: Entry) -> tuple[Call, tuple[Ref, ...]]:
        """A layer's call with its parameter in place of the weight computed from it.

        The second part is the computed weight, which the layer reads; a view is not computed.
        """
        weight = self._weight(call, entry)
        parameter = None if weight is None else self._parameter(weight)
        if weight is None or parameter is None:
            return call, ()
        swap = {weight: Ref(parameter, 0)}
        is_view = (
            self._values[weight.value].storage == self._values[parameter].storage
            and not weight.version
        )

        def find(ref: Ref) -> Ref:
            return swap.get(ref, ref)

        args, kwargs = fill(call.args, find), fill(call.kwargs, find)
        return replace(call, args=args, kwargs=kwargs), () if is_view else (weight,)

    def _weight(self, call: Call, entry: Entry) -> Ref | None:
        names = entry.names.split()
        if entry.kind not in _KINDS or "weight" not in names:
            return None
        at = names.index("weight")
        found: Any = call.args[at] if at < len(call.args) else call.kwargs.get("weight")
        return found if isinstance(found, Ref) else None

    def _parameter(self, weight: Ref) -> int | None:
        """The one parameter behind a value that has its shape."""
        shape = self._values[weight.value].shape
        if self._values[weight.value].role == "parameter":
            return weight.value if weight.version else None
        behind = self._behind.get(weight.value, frozenset())
        found = [index for index in behind if self._values[index].shape == shape]
        return found[0] if len(found) == 1 else None

    def _parameters(self, index: int) -> frozenset[int]:
        if self._values[index].role == "parameter":
            return frozenset((index,))
        return self._behind.get(index, frozenset())
