"""A call as the graph's contract wants it: kind, operands in order, attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from talaria_widget.frontends.torch.trace.recording import Call, Ref, Value, references
from talaria_widget.graph import Kind


@dataclass(frozen=True, slots=True)
class Form:
    """What an op will be. `main` are the weights an option may compress, with output axes."""

    kind: Kind
    inputs: tuple[Ref, ...]
    weights: tuple[Ref, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    main: Mapping[int, int] = field(default_factory=dict)


class Operands:
    """A call's arguments by name."""

    def __init__(
        self,
        call: Call,
        values: Sequence[Value],
        names: str,
        transposed: Mapping[int, Ref] | None = None,
    ) -> None:
        self.call, self._values = call, values
        self._transposed = transposed or {}
        self._bound = {**dict(zip(names.split(), call.args, strict=False)), **call.kwargs}

    def __getitem__(self, name: str) -> Any:
        return self._bound.get(name)

    def get(self, name: str, default: Any) -> Any:
        """An argument, or a default where it is absent."""
        value = self._bound.get(name)
        return default if value is None else value

    def shape(self, item: Any) -> tuple[int, ...]:
        """The shape of a referred tensor; empty where the argument is none."""
        return self._values[item.value].shape if isinstance(item, Ref) else ()

    def stored(self, item: Any) -> bool:
        """Whether an argument is a parameter or a buffer of the model."""
        return isinstance(item, Ref) and self._values[item.value].role in ("parameter", "buffer")

    def trained(self, item: Any) -> bool:
        """Whether an argument is a parameter of the model."""
        return isinstance(item, Ref) and self._values[item.value].role == "parameter"

    def transposed(self, item: Any) -> Ref | None:
        """The parameter of two dimensions that an argument is the transpose of."""
        return self._transposed.get(item.value) if isinstance(item, Ref) else None

    def split(self, refs: Any) -> tuple[tuple[Ref, ...], tuple[Ref, ...]]:
        """References as inputs and weights, each in order."""
        found = list(references(refs))
        return (
            tuple(ref for ref in found if not self.stored(ref)),
            tuple(ref for ref in found if self.stored(ref)),
        )

    def layer(self, x: Any, *held: Any) -> tuple[tuple[Ref, ...], tuple[Ref, ...]]:
        """Inputs and weights of a layer: its own weights come first, even if `x` is stored too."""
        inputs, _ = self.split((x, *held))
        _, weights = self.split((*held, x))
        return inputs, weights

    def result(self, at: int = 0) -> tuple[int, ...]:
        """The shape of a result."""
        return self.shape(self.call.writes[at]) if len(self.call.writes) > at else ()


Builder = Callable[[Kind, Operands], Form]


def plain(kind: Kind, given: Operands) -> Form:
    """All tensors in order, no attributes."""
    inputs, weights = given.split(given.call.reads)
    return Form(kind, inputs, weights)


def movement(kind: Kind, given: Operands) -> Form:
    """Data that moves, or does not: free where the result is a view of the first tensor."""
    call = given.call
    inputs, weights = given.split(call.reads)
    values = given._values
    storages = {values[ref.value].storage for ref in call.reads[:1]}
    written = {ref.value for ref in call.mutated}
    free = not written and all(values[ref.value].storage in storages for ref in call.writes)
    return Form(kind, inputs, weights, {"free": free and bool(call.writes)})


def pad(kind: Kind, given: Operands) -> Form:
    """A border around a tensor: free where it is nothing wide."""
    form = movement(kind, given)
    if all(width == 0 for width in given.get("pad", (1,))):
        return replace(form, attrs={"free": True})
    zeros = given.get("mode", "constant") == "constant" and not given.get("value", 0)
    return replace(form, attrs={**form.attrs, "zeros": zeros})


def cast(kind: Kind, given: Operands) -> Form:
    """A change of dtype; a copy where only the memory format changes."""
    call = given.call
    values = given._values
    if call.reads and call.writes:
        before, after = values[call.reads[0].value].dtype, values[call.writes[0].value].dtype
        if before == after:
            return movement("movement", given)
    return plain(kind, given)


def extreme(kind: Kind, given: Operands) -> Form:
    """`max` and `min`: of two tensors elementwise, else a reduction."""
    return plain("elementwise" if isinstance(given["other"], Ref) else kind, given)


def main_weights(given: Operands, axes: Mapping[Any, int]) -> dict[int, int]:
    """Of these arguments the parameters, each with its output axis."""
    return {ref.value: axis for ref, axis in axes.items() if given.trained(ref)}


def operands(given: Operands, refs: Sequence[Ref], equation: str | None) -> dict[str, Any]:
    """The attributes of a product: its equation, and its operands' order where one is stored."""
    attrs: dict[str, Any] = {} if equation is None else {"equation": equation}
    if any(given.stored(ref) for ref in refs):
        attrs["operands"] = tuple(refs)
    return attrs
