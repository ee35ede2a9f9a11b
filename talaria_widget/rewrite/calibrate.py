"""The ranges that activations take on calibration inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from talaria_widget.rewrite.assumed import Range
from talaria_widget.rewrite.child import run

LOW, HIGH = "talaria_low_", "talaria_high_"


def calibrate(
    probe: ModelProto, tensors: Sequence[str], feeds: Iterable[Mapping[str, NDArray[np.generic]]]
) -> dict[str, Range]:
    """Smallest and largest value of each tensor over all feeds, by ONNX Runtime.

    The model is used up: it gets other outputs.

    Raises:
        ValueError: no feeds, or a value that is not finite.
        UnsupportedModelError: ONNX Runtime cannot run the model.
    """
    if not tensors:
        return {}
    del probe.graph.output[:]
    for i, tensor in enumerate(tensors):
        for op_type, name in (("ReduceMin", f"{LOW}{i}"), ("ReduceMax", f"{HIGH}{i}")):
            probe.graph.node.append(helper.make_node(op_type, [tensor], [name], keepdims=0))
            probe.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, []))
    results = run(probe, feeds, "the model on the calibration inputs")
    if not results:
        raise ValueError("calibration is empty: pass at least one input.")
    ranges = {}
    for i, tensor in enumerate(tensors):
        low = min(float(result[f"{LOW}{i}"]) for result in results)
        high = max(float(result[f"{HIGH}{i}"]) for result in results)
        if not (isfinite(low) and isfinite(high)):
            raise ValueError(
                f"the activation {tensor!r} is not finite on the calibration inputs: it runs "
                f"from {low} to {high}; pass other inputs."
            )
        ranges[tensor] = (low, high)
    return ranges
