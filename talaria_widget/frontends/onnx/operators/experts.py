"""Our attributes of the runtime's mixtures of experts."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from talaria_widget.frontends.onnx.operators.settings import Attributes, Shapes
from talaria_widget.frontends.onnx.operators.transforms import known

_FUNCTIONS: Mapping[str, str] = {"swiglu": "silu", "geglu": "gelu"}


def _experts(given: Mapping[str, Any], inputs: Shapes, fc1: int, fc3: int) -> Attributes:
    """One expert: into its inner width (twice where the gate is fused with it), and out again."""
    width = known(inputs, 0)[-1]
    count, into, *_ = known(inputs, fc1)
    separate = fc3 < len(inputs) and inputs[fc3] is not None
    function = given.get("activation_type", "relu")
    fused = bool(given.get("swiglu_fusion")) or function == "geglu"
    inner = into // 2 if fused else into
    active = given.get("k", 1)
    return {
        "experts": count,
        "active": active,
        "routed": (prod(known(inputs, 0)[:-1]) * active, count),
        "inner": inner,
        "expert": into * width + inner * width + separate * inner * width,
        "function": _FUNCTIONS.get(function, function),
        "gated": fused or separate,
    }


def mixture(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """MoE: the weights of all experts in one tensor per layer."""
    return _experts(given, inputs, 2, 6)


def quantized_mixture(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """QMoE: the same in few bits."""
    return _experts(given, inputs, 2, 8)
