"""The table of ONNX operators, and what of an operator only its stored inputs decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from talaria_widget.frontends.onnx.operators.classical import CLASSICAL
from talaria_widget.frontends.onnx.operators.entries import Operator
from talaria_widget.frontends.onnx.operators.microsoft import MICROSOFT
from talaria_widget.frontends.onnx.operators.standard import STANDARD
from talaria_widget.frontends.onnx.types import Shape

__all__ = ["OPERATORS", "UNKNOWN", "Operator", "specialise"]

OPERATORS: Mapping[str, Operator] = MappingProxyType({**STANDARD, **CLASSICAL, **MICROSOFT})
UNKNOWN = Operator("unknown")


def specialise(
    word: str, operator: Operator, given: Mapping[str, Any], stored: Mapping[int, Shape]
) -> Operator:
    """The operator once it is known which of its inputs are stored, and in what shape.

    A product with a stored operand is `linear`; rows gathered from a stored table are an
    `embedding`. Without one neither owns a weight.
    """
    if operator.kind == "matmul" and operator.weights:
        held = [slot for slot in operator.weights if len(stored.get(slot, ())) >= 2]
        if not held:
            return replace(operator, weights={})
        axis = operator.weights[held[0]]
        if given.get("transB"):
            axis = -2
        return replace(operator, kind="linear", weights={held[0]: axis})
    if word == "Gather" and len(stored.get(0, ())) >= 2 and given.get("axis", 0) == 0:
        return Operator("embedding", data=(1, 0), weights={0: 0})
    return operator
