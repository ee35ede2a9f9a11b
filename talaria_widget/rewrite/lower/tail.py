"""ATen calls that no rule of ours knows, written by the functions that torch's exporter has.

Private torch: the exporter's registry and its recorder. onnxscript, which they come from, takes
most of a second to import, and is imported when it is needed first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from onnx import helper

from talaria_widget.rewrite.lower.dtypes import ONNX_TYPES
from talaria_widget.rewrite.lower.emit import CannotLower, Emit

OPSET = 18
"""What the functions are written in; what they use has not changed since."""
_CHANGED_SINCE = frozenset(("GridSample",))


def tail(emit: Emit, function: Any, out: Any, args: Any, kwargs: Any) -> Any:
    """The names of what was written for a call.

    Raises:
        CannotLower: the exporter does not know it either.
    """
    known = _registry().get_decomps(function)
    is_complex = any(
        t.is_complex() for t in (*args, *kwargs.values()) if isinstance(t, torch.Tensor)
    )
    fitting = [item.onnx_function for item in known if item.is_complex == is_complex]
    if not fitting:
        raise CannotLower(f"neither a rule of ours nor torch's exporter knows {function}")
    import onnxscript
    from torch.onnx._internal.exporter import _building

    names: dict[int, str] = {}
    held: list[Any] = []

    def convert(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            held.append(_symbol(emit, item))
            names[id(held[-1])] = emit.value(item)
            return held[-1]
        if type(item) in (list, tuple):
            return [convert(part) for part in item]
        if isinstance(item, torch.dtype):
            return ONNX_TYPES.get(item, -1)
        return None if isinstance(item, torch.device | torch.layout | torch.memory_format) else item

    given = [convert(item) for item in args]
    named = {name: convert(item) for name, item in kwargs.items()}
    named = {name: -1 if name == "dtype" and v is None else v for name, v in named.items()}
    recorder: Any = _building.OpRecorder(  # type: ignore[abstract]
        onnxscript.values.Opset("", OPSET), {}
    )
    try:
        with torch._C._DisablePythonDispatcher(), onnxscript.evaluator.default_as(recorder):
            made = fitting[0](*given, **named)
    except Exception as error:  # foreign code that is written for other calls than ours
        raise CannotLower(f"torch's exporter cannot write {function}") from error
    if recorder.functions:
        raise CannotLower(f"torch's exporter writes {function} as a function of several nodes")
    for node in recorder.nodes:
        _write(emit, node, names)
    results = list(made) if isinstance(made, Sequence) else [made]
    wanted = list(out) if isinstance(out, tuple | list) else [out]
    if len(results) != len(wanted):
        raise CannotLower(f"torch's exporter writes {function} as one sequence")
    found = tuple([None if item is None else names.get(id(item)) for item in results])
    return found if isinstance(out, tuple | list) else found[0]


def is_known(function: Any) -> bool:
    """Whether the exporter has a function for an operator."""
    return bool(_registry().get_decomps(function))


@cache
def _registry() -> Any:
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    return ONNXRegistry.from_torchlib(OPSET)


def _symbol(emit: Emit, tensor: torch.Tensor) -> Any:
    """The exporter's own stand-in for a tensor, with its values where they are known."""
    import onnxscript
    from onnxscript import ir
    from torch.onnx._internal.exporter import _tensors

    pair = (2,) if tensor.is_complex() else ()
    real = torch.empty((), dtype=tensor.dtype, device="cpu").abs().dtype if pair else tensor.dtype
    symbol = _tensors.SymbolicTensor(
        onnxscript.values.Opset("", OPSET),
        shape=ir.Shape((*tensor.shape, *pair)),
        type=ir.TensorType(ir.DataType(ONNX_TYPES[real])),
    )
    return symbol


def _write(emit: Emit, node: Any, names: dict[int, str]) -> None:
    """One node of the exporter's as one of ours; constants are stored."""
    from onnxscript import ir

    attributes: Mapping[str, Any] = {
        name: helper.get_attribute_value(ir.serde.serialize_attribute(value))
        for name, value in node.attributes.items()
    }
    if node.op_type == "Constant" and not node.domain:
        names[id(node.outputs[0])] = emit.constant(_constant(attributes))
        return
    if node.op_type in _CHANGED_SINCE or any(hasattr(v, "node") for v in attributes.values()):
        raise CannotLower(f"torch's exporter writes it with {node.op_type}")
    inputs = ["" if value is None else names[id(value)] for value in node.inputs]
    made = emit.ops(node.op_type, len(node.outputs), *inputs, domain=node.domain, **attributes)
    names.update({id(value): name for value, name in zip(node.outputs, made, strict=True)})


def _constant(attributes: Mapping[str, Any]) -> torch.Tensor:
    import numpy as np
    from onnx import numpy_helper

    ((name, value),) = attributes.items()
    if name == "value":
        return torch.from_numpy(np.array(numpy_helper.to_array(value)))
    dtype = torch.float32 if "float" in name else torch.int64
    return torch.tensor(value, dtype=dtype, device="cpu")
