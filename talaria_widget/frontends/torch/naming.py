"""The one name of each op: its weight's, its module's, or its module's and its word."""

from __future__ import annotations

from collections.abc import Sequence

from talaria_widget.frontends.torch.registry import Registry
from talaria_widget.frontends.torch.table.forms import Form
from talaria_widget.frontends.torch.trace.recording import Call


class Namer:
    """Gives names, each once: a second use of a name adds `#2`."""

    def __init__(self, registry: Registry) -> None:
        self._shared = registry.shared
        self._counts: dict[str, int] = {}
        self._taken: set[str] = set()

    def name(
        self, call: Call, form: Form, weights: Sequence[str], *, is_layer: bool = False
    ) -> str:
        """The unique name of a call's op; a layer is called as its module is."""
        base = (call.path if is_layer else "") or self._base(call, form, weights)
        count = self._counts.get(base, 0) + 1
        name = base if count == 1 else f"{base}#{count}"
        while name in self._taken:
            count += 1
            name = f"{base}#{count}"
        self._counts[base] = count
        self._taken.add(name)
        return name

    def _base(self, call: Call, form: Form, weights: Sequence[str]) -> str:
        word = call.target.rsplit(".", 1)[-1].strip("_").lower()
        unnamed = f"{call.path}/{word}" if call.path else word
        owners = {_owner(weight) for weight in weights}
        prepares = word in _FOR_A_LAYER or (call.mutated and not call.depends)
        if not owners or form.kind == "movement" or prepares:
            return unnamed
        if any(weight in self._shared for weight in weights) or len(owners) > 1:
            return call.path or unnamed
        if len(weights) == 1:
            if weights[0].endswith("weight") and not (form.main or call.depends):
                return unnamed  # it prepares the weight of a layer, whose name is the layer's
            return weights[0].removesuffix("weight").removesuffix(".") or unnamed
        if not form.main and form.kind not in ("norm", "activation"):
            return (call.path if call.depends else "") or unnamed
        return owners.pop() or call.path or unnamed


# These compute the weight of a layer, whose name is the layer's.
_FOR_A_LAYER = frozenset(("weight_norm", "weight_norm_interface"))


def _owner(weight: str) -> str:
    return weight.rpartition(".")[0]
