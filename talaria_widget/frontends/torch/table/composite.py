"""The forms of calls that no table knows by name: custom operators, and bodies read apart."""

from __future__ import annotations

from typing import Any

import torch

from talaria_widget.frontends.torch.table import forms
from talaria_widget.frontends.torch.table.forms import Form, Operands
from talaria_widget.frontends.torch.table.kinds import UNKNOWN, Entry, look_up
from talaria_widget.frontends.torch.table.packed_forms import FORMS
from talaria_widget.frontends.torch.trace.recording import Call
from talaria_widget.graph import OWN_ATTRIBUTES, Kind

_PLAIN = (bool, int, float, str)


def entry_of(call: Call) -> Entry:
    """How a call becomes an op: by name, or as an unknown one that says what it was given."""
    found = _ENTRIES.get(call.target) or look_up(call.target)
    if found is UNKNOWN and schema(call.function) is not None:
        return _CUSTOM
    return found


def schema(function: Any) -> Any:
    """The schema of an operator of `torch.ops`; `None` where a function has none."""
    if isinstance(function, torch._ops.OpOverloadPacket):
        overloads = function.overloads()
        function = getattr(function, overloads[0]) if overloads else None
    return getattr(function, "_schema", None)


def custom(kind: Kind, given: Operands) -> Form:
    """A custom operator: all tensors in order, and each plain argument under its name.

    A name that the graph has a meaning for gets an underscore: `times_`.
    """
    call = given.call
    form = forms.plain(kind, given)
    names = [argument.name for argument in schema(call.function).arguments]
    attrs = {
        f"{name}_" if name in OWN_ATTRIBUTES else name: value
        for name, value in {**dict(zip(names, call.args, strict=False)), **call.kwargs}.items()
        if _is_plain(value)
    }
    return Form(form.kind, form.inputs, form.weights, attrs)


def _inlined(kind: Kind, given: Operands) -> Form:
    """A call whose body stands in the graph beside it."""
    form = forms.plain(kind, given)
    return Form(form.kind, form.inputs, form.weights, {"inlined": True})


def _is_plain(value: Any) -> bool:
    if type(value) in (tuple, list):
        return all(isinstance(item, _PLAIN) for item in value)
    return isinstance(value, _PLAIN)


_CUSTOM = Entry("unknown", custom)
# How samples of different lengths are laid beside one another, and taken apart.
_NESTED = """
    torch._nested_tensor_from_tensor_list torch._nested_view_from_jagged torch._nested_get_values
    torch.nested.to_padded_tensor torch._nested_from_padded_tensor torch.Tensor.to_padded_tensor
"""
_ENTRIES = {
    "torch.vmap": Entry("control", _inlined),
    **dict.fromkeys(_NESTED.split(), Entry("movement", forms.movement)),
    **FORMS,
}
